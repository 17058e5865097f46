"""Settings of the agents family. Importing this loads no torch, pandas or numpy."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from components.core.config import Config
from components.core.judge import ALLOCATION_GATES, GateConfig, JudgeConfig
from components.core.recipe import RecipeConfig
from components.families.agents.algorithms import PPOConfig, RainbowConfig, SACConfig, TD3Config
from components.learning.settings import StoppingConfig
from components.trading.environment_settings import EnvironmentConfig

MemberName = Literal["ppo", "sac", "td3", "rainbow_dqn"]
AgentName = Literal[MemberName, "ensemble"]


class NetworkConfig(Config):
    """Sizes of the networks, the same for policy and values."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (256, 256, 128)
    """Widths of the layers, each followed by a ReLU."""

    bars: PositiveInt = 1
    """Newest bars of the window that are observed; 1 is the last alone, which already knows returns of the past."""

    extractor: Literal["flat", "cnn_lstm"] = "flat"
    """flat gives all observed bars to the first layer side by side; cnn_lstm reads them in order."""

    filter_sizes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (3, 5)
    """Of cnn_lstm: bars that each of the parallel convolutions looks at."""

    channels: PositiveInt = 32
    """Of cnn_lstm: width of all convolutions together."""

    memory: PositiveInt = 64
    """Of cnn_lstm: width of the LSTM."""

    @model_validator(mode="after")
    def _extractor_fits(self) -> Self:
        if self.channels % len(self.filter_sizes):
            raise ValueError(
                f"network.channels must be divisible by the number of filter_sizes, was {self.channels} and "
                f"{len(self.filter_sizes)}"
            )
        if self.extractor == "cnn_lstm" and self.bars == 1:
            raise ValueError("network.bars must be > 1 for cnn_lstm, which reads bars in order; 30 is a good start")
        return self


class TrainConfig(Config):
    """How long an agent learns, and how it is watched."""

    batch: PositiveInt = 1
    """Environments that step together, the rows of one tensor; hundreds are faster, and rounds as much larger."""

    max_steps: PositiveInt = 1_000_000
    """Steps of all environments together, in whole rounds; counts where ``epochs`` is null."""

    evaluate_every_steps: PositiveInt = 10_000
    """Steps between two evaluations, in whole rounds, where the curves get their points."""

    evaluation_episodes: PositiveInt = 10
    """Episodes of the validation zone that an evaluation plays, without exploring, always the same."""

    test_episodes: PositiveInt = 100
    """Episodes that a finished agent plays: of the validation zone in training, of any zone with ``play_zone``."""

    epochs: PositiveInt | None = None
    """Evaluations, in the place of steps."""

    lr: PositiveFloat | None = None
    """Step size of Adam, in the place of the agent's own."""

    stopping: StoppingConfig = StoppingConfig(patience=100)
    """When to stop; patience counts evaluations."""

    checkpoint_every_rounds: PositiveInt = 50
    """Rounds of experience between two checkpoints: what a killed run loses at most."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU if there is one."""

    threads: PositiveInt = 1
    """CPU threads; another number changes the last bits."""

    pin_memory: bool = True
    """Copy to the GPU from page-locked memory."""

    @property
    def total_steps(self) -> int:
        """Steps at most, of all environments together."""
        return self.epochs * self.evaluate_every_steps if self.epochs else self.max_steps


class EnsembleConfig(Config):
    """Several agents, trained one after the other, and how one position is made of theirs. ``switches.py`` has how."""

    members: Annotated[tuple[MemberName, ...], Field(min_length=2)] = ("ppo", "sac", "td3", "rainbow_dqn")
    """Who belongs to it; the settings of each are its own."""

    rule: Literal["vote", "meta", "thompson"] = "vote"
    """vote weighs members by Sharpe ratio, meta follows the one with the highest forecast of its next reward, thompson
    holds each by the chance that its mean reward is the highest. All is learned from the validation zone."""

    ridge: PositiveFloat = 1.0
    """Of meta: how much its forecasts are shrunk towards each member's mean reward."""

    memory: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Of thompson: what a reward counts one decision later; 1 never forgets."""

    @model_validator(mode="after")
    def _members_differ(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"ensemble.members must differ, were {', '.join(self.members)}")
        return self


class AgentsJudgeConfig(JudgeConfig):
    """How a model is judged. The defaults are meant to be kept; the verdict records every change."""

    gates: Annotated[tuple[GateConfig, ...], Field(min_length=1)] = ALLOCATION_GATES
    """The questions; all must be answered with pass. Those about a champion are asked only if there is one."""


class AgentsConfig(RecipeConfig):
    """Everything that decides one training of an agent."""

    agent: AgentName = "ppo"
    """Who learns; the other agents' settings then do nothing."""

    judge: AgentsJudgeConfig = AgentsJudgeConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Gates of the verdict."""

    environment: EnvironmentConfig = EnvironmentConfig()
    """The account."""

    network: NetworkConfig = NetworkConfig()
    """Sizes."""

    ppo: PPOConfig = PPOConfig()
    """Proximal policy optimisation."""

    sac: SACConfig = SACConfig()
    """Soft actor-critic."""

    td3: TD3Config = TD3Config()
    """Twin delayed deep deterministic policy gradient."""

    rainbow_dqn: RainbowConfig = RainbowConfig()
    """Rainbow."""

    ensemble: EnsembleConfig = EnsembleConfig()
    """Several of them together."""

    train: TrainConfig = TrainConfig()
    """Course of the training."""

    @model_validator(mode="after")
    def _bars_are_there(self) -> Self:
        if self.network.bars > self.data.window:
            raise ValueError(f"network.bars must be <= data.window, was {self.network.bars} of {self.data.window}")
        if self.data.horizon != 1:
            raise ValueError(f"data.horizon must be 1, the next bar, was {self.data.horizon}")
        return self
