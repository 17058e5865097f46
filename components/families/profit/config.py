"""Settings of the profit family. Importing this loads no torch, pandas or numpy."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from components.core.config import Config
from components.core.judge import ALLOCATION_GATES, GateConfig, JudgeConfig
from components.core.recipe import ForecastedDataConfig, RecipeConfig
from components.learning.settings import Constant, LoopConfig, PrecisionConfig, Schedule, StepConfig, StoppingConfig

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Digest = Annotated[str, Field(pattern=r"[0-9a-f]{64}")]


class ModelConfig(Config):
    """Sizes of the encoder, and what its answer means."""

    hidden: PositiveInt = 512
    """Width of the encoder."""

    layers: PositiveInt = 8
    """Encoder layers."""

    heads: PositiveInt = 16
    """Attention heads; each gets hidden / heads columns."""

    dropout: Fraction = 0.1
    """Share of activations dropped in training."""

    head: Literal["signed", "long_only"] = "signed"
    """signed holds score / symbols of each symbol, short below 0; long_only splits the whole capital by a softmax over
    the symbols of a decision time."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"model.hidden must be divisible by model.heads, was {self.hidden} with {self.heads}")
        return self


class ObjectiveConfig(Config):
    """What is made small: - profit - a Sharpe-like term + the price head's error."""

    transaction_cost_bps: NonNegativeFloat = 15.0
    """Paid per side and unit of turnover, in hundredths of a percent; that of the judge is 15. More trades less."""

    profit_weight: NonNegativeFloat = 1.0
    """Of the mean net return, in standard deviations of a symbol's return."""

    sharpe_weight: NonNegativeFloat = 1.0
    """Of the net returns' mean by their deviation, over the decision times of a step."""

    price_weight: NonNegativeFloat = 0.1
    """Of the squared error of the expected return, in its variance."""

    @model_validator(mode="after")
    def _something_is_asked_of_the_weights(self) -> Self:
        if self.profit_weight + self.sharpe_weight == 0:
            raise ValueError("objective.profit_weight and sharpe_weight are both 0: nothing would train the allocation")
        return self


class StartConfig(Config):
    """A base model to start from."""

    bundle: str
    """Its folder."""

    expect: Digest
    """Its digest, which is checked before a weight is used."""


class TrainConfig(Config):
    """How the weights are fitted, and when to stop."""

    batch: Annotated[int, Field(ge=2)] = 32
    """Windows per step: paths of up to ``path_bars`` decision times of as many symbols as fit."""

    path_bars: Annotated[int, Field(ge=2)] = 8
    """Consecutive decision times of a path: its turnover is what the weights change from one to the next."""

    max_steps: PositiveInt = 10_000
    """Steps, in whole evaluations; counts where ``epochs`` is null."""

    evaluate_every_steps: PositiveInt = 100
    """Steps between two evaluations, where the curves get their points."""

    epochs: PositiveInt | None = None
    """Passes over the training paths, with an evaluation after each, in the place of steps."""

    lr: PositiveFloat = 1e-4
    """Step size of AdamW (Loshchilov and Hutter 2019)."""

    schedule: Schedule = Constant(warmup=1000, unit="step")
    """How the step size changes while training goes on."""

    weight_decay: NonNegativeFloat = 0.01
    """Pull of the weights towards 0, decoupled from the step."""

    stopping: StoppingConfig = StoppingConfig()
    """When to stop; patience counts evaluations."""

    gradient: StepConfig = StepConfig()
    """How the gradient of one step is gathered and bounded."""

    precision: PrecisionConfig = PrecisionConfig(format="auto")
    """Number format of the forward pass; auto is 16 bits where there is a GPU."""

    checkpoint_every_batches: PositiveInt = 200
    """Steps between two checkpoints: what a killed run loses at most."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU if there is one."""

    threads: PositiveInt = 1
    """CPU threads; another number changes the last bits."""

    pin_memory: bool = True
    """Copy to the GPU from page-locked memory."""

    @property
    def num_evaluations(self) -> int:
        """Evaluations at most."""
        return self.epochs or -(-self.max_steps // self.evaluate_every_steps)

    def loop(self, *, paths_per_step: int) -> LoopConfig:
        """Return what the loop reads, whose samples are paths and whose epochs end with an evaluation."""
        own = LoopConfig.model_fields.keys() & type(self).model_fields.keys()
        settings: dict[str, Any] = {name: getattr(self, name) for name in own}
        settings.update(batch=paths_per_step, epochs=self.num_evaluations, shuffle=self.epochs is not None)
        most = None if self.epochs else self.evaluate_every_steps * paths_per_step
        settings.update(max_windows_per_epoch=most)
        return LoopConfig(**settings)


class ProfitJudgeConfig(JudgeConfig):
    """How a model is judged. The defaults are meant to be kept; the verdict records every change."""

    gates: Annotated[tuple[GateConfig, ...], Field(min_length=1)] = ALLOCATION_GATES
    """The questions; all must be answered with pass. Those about a champion are asked only if there is one."""


class ProfitConfig(RecipeConfig):
    """Everything that decides one training of the profit transformer."""

    data: ForecastedDataConfig = ForecastedDataConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - frozen
    """Windows and zones, and what makes the forecasts."""

    judge: ProfitJudgeConfig = ProfitJudgeConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Gates of the verdict."""

    model: ModelConfig = ModelConfig()
    """Sizes of the encoder."""

    objective: ObjectiveConfig = ObjectiveConfig()
    """What is made small."""

    train: TrainConfig = TrainConfig()
    """Optimisation."""

    finetune_epochs: PositiveInt = 10
    """Passes of each stock's fine-tuning where many are made of one base model."""

    start: StartConfig | None = None
    """The base model whose weights a fine-tuning starts from; null starts anew."""

    @model_validator(mode="after")
    def _the_next_bar_is_traded(self) -> Self:
        if self.data.horizon != 1:
            raise ValueError(f"data.horizon must be 1, the next bar, was {self.data.horizon}")
        return self
