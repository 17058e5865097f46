"""Settings of the pairs family. Importing this loads no torch, pandas or numpy."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from components.core.config import Config
from components.core.judge import PORTFOLIO_GATES, GateConfig, JudgeConfig
from components.core.recipe import ForecastedDataConfig, RecipeConfig
from components.learning.settings import FleetConfig, StoppingConfig


class PairsDataConfig(ForecastedDataConfig):
    """Which decisions there are."""

    window: PositiveInt = 1
    """Bars of the zone, up to a decision, that every symbol must have; the last alone is read."""


class ModelConfig(Config):
    """Sizes of the network that every symbol goes through."""

    hidden: tuple[PositiveInt, PositiveInt] = (64, 32)
    """Units of its two layers."""


class ObjectiveConfig(Config):
    """What is made large: growth, less a price of its variance."""

    horizon_bars: PositiveInt = 5
    """Bars from one rebalancing to the next; more trades less."""

    risk_penalty: NonNegativeFloat = 1.0
    """What the variance of a horizon's log growth counts beside its mean; 0 is growth alone, 10 a calm book."""

    transaction_cost_bps: NonNegativeFloat = 15.0
    """Paid per unit of turnover, in hundredths of a percent of the value; that of the judge is 15. More trades less."""


class TrainConfig(Config):
    """How the weights are fitted, those of many portfolios as one batch, and when each stops."""

    epochs: PositiveInt = 20
    """Passes at most. A pass is 20 steps, each over the whole history, and ends with a look at validation."""

    lr: PositiveFloat = 3e-3
    """Step size of AdamW (Loshchilov and Hutter 2019)."""

    weight_decay: NonNegativeFloat = 0.01
    """Pull of the weights towards 0, decoupled from the step. More against overfitting."""

    clip_norm: PositiveFloat = 1.0
    """Largest norm of one portfolio's gradient in one step."""

    stopping: StoppingConfig = StoppingConfig(patience=5)
    """When a portfolio stops before that; patience counts passes."""

    group: PositiveInt = 20
    """Portfolios that are stacked at once; memory grows with it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU if there is one."""

    threads: PositiveInt = 1
    """CPU threads; another number changes the last bits."""

    @property
    def fleet(self) -> FleetConfig:
        """What the fleet reads, whose samples are whole histories."""
        return FleetConfig(batch=1, shuffle=False, **{name: getattr(self, name) for name in type(self).model_fields})


class PairsJudgeConfig(JudgeConfig):
    """How a portfolio is judged. The defaults are meant to be kept; the verdict records every change."""

    gates: Annotated[tuple[GateConfig, ...], Field(min_length=1)] = PORTFOLIO_GATES
    """The questions; all must be answered with pass. Those about a champion are asked only if there is one."""


class PairsConfig(RecipeConfig):
    """Everything that decides one training of portfolios."""

    data: PairsDataConfig = PairsDataConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Days and zones."""

    judge: PairsJudgeConfig = PairsJudgeConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Gates of the verdict."""

    model: ModelConfig = ModelConfig()
    """The network of every symbol."""

    objective: ObjectiveConfig = ObjectiveConfig()
    """What is made large."""

    train: TrainConfig = TrainConfig()
    """Optimisation."""

    @model_validator(mode="after")
    def _the_next_open_is_traded(self) -> Self:
        if self.data.horizon != 1:
            raise ValueError(f"data.horizon must be 1, the next open is traded, was {self.data.horizon}")
        return self
