"""Settings of the price-action family. Importing this loads no torch, pandas or numpy."""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from components.core.config import Config
from components.core.recipe import RecipeConfig
from components.learning.settings import (
    Constant,
    GradientConfig,
    MaskConfig,
    PrecisionConfig,
    Schedule,
    StoppingConfig,
)

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class ModelConfig(Config):
    """Form and sizes of the encoder. The defaults have exactly 406,785 trainable parameters."""

    form: Literal["exact", "dense"] = "exact"
    """exact is the published network: positions, attention both ways, the mean of the window. dense has the same
    parameters, but looks back only and answers at every row, so that many windows share what they have in common."""

    d_model: PositiveInt = 128
    """Width of the encoder. 256 learns more and costs about four times as much."""

    heads: PositiveInt = 4
    """Attention heads; each gets d_model / heads columns."""

    layers: PositiveInt = 2
    """Encoder layers."""

    feed_forward: PositiveInt = 512
    """Hidden units of each layer's feed-forward part."""

    dropout: Fraction = 0.1
    """Share of activations dropped in training. 0.2 where training loss falls and validation loss rises."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.d_model % self.heads or self.d_model % 2:
            raise ValueError(
                f"model.d_model must be even and divisible by model.heads, was {self.d_model} with {self.heads} heads; "
                "128 with 4 is the published size"
            )
        return self


class TrainConfig(Config):
    """How the weights are fitted, and when to stop."""

    batch: PositiveInt = 32
    """Windows per step. 16 where memory runs out."""

    slab_rows: PositiveInt = 1
    """Consecutive windows of one symbol that are computed together, part of ``batch``; more than 1 wants
    model.form=dense. More is faster, with less of a mixture in a step; 32 is a good start."""

    lr: PositiveFloat = 1e-3
    """Step size. 5e-4 where F1 stays below 0.3."""

    schedule: Schedule = Constant()
    """How the step size changes while training goes on."""

    weight_decay: NonNegativeFloat = 0.01
    """Pull of the weights towards 0, decoupled from the step. 0.05 against overfitting."""

    epochs: PositiveInt = 100
    """Passes over the training windows at most."""

    patience: PositiveInt = 5
    """Epochs without a lower validation loss before stopping; the best weights are restored."""

    optimizer: Literal["adamw"] = "adamw"
    """Loshchilov and Hutter (2019)."""

    loss: Literal["bce"] = "bce"
    """Binary cross-entropy."""

    gradient: GradientConfig = GradientConfig()
    """How the gradient of one step is gathered and bounded."""

    masks: MaskConfig = MaskConfig()
    """Where the masks of dropout come from."""

    shuffle: bool = False
    """False keeps the order of time; true draws a new order each epoch, from training windows alone."""

    max_windows_per_epoch: PositiveInt | None = None
    """Evenly spaced training windows per epoch, another set each epoch; null takes all."""

    loss_tolerance: Fraction = 0.001
    """Epochs whose validation loss is within this fraction of the lowest count as equal; the more precise one wins."""

    checkpoint_every_batches: PositiveInt = 200
    """Steps between two checkpoints: what a killed run loses at most."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU if there is one."""

    threads: PositiveInt = 1
    """CPU threads; another number changes the last bits. Two on busy cores wait for each other and are slower."""

    pin_memory: bool = True
    """Copy to the GPU from page-locked memory."""

    mixed_precision: bool = False
    """bf16 autocast, on devices that gain from it."""

    @property
    def precision(self) -> PrecisionConfig:
        """The number format of the forward pass."""
        return PrecisionConfig(format="bfloat16" if self.mixed_precision else "float32")

    @property
    def stopping(self) -> StoppingConfig:
        """When to stop."""
        return StoppingConfig(patience=self.patience)


class ThresholdConfig(Config):
    """How a probability becomes a decision: precision first."""

    calibration: Literal["platt", "none"] = "platt"
    """Platt (1999) scaling of the log-odds, fitted on the calibration zone."""

    min_recall: Share = 0.1
    """Share of the rising bars that must be caught. Higher gives more signals and less precision."""

    confidence: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95
    """Level of the Wilson bound by which thresholds are compared; it keeps three lucky hits from winning."""


class TargetsConfig(Config):
    """What the published system aims at. Bands for a reader; the gates never read them."""

    precision: Share = 0.7
    """Share of the signals that should be right."""

    f1: Share = 0.5
    """Harmonic mean of precision and recall."""


class PriceActionConfig(RecipeConfig):
    """Everything that decides one training of the price-action transformer."""

    model: ModelConfig = ModelConfig()
    """Sizes of the encoder."""

    train: TrainConfig = TrainConfig()
    """Optimisation."""

    threshold: ThresholdConfig = ThresholdConfig()
    """From probability to decision."""

    targets: TargetsConfig = TargetsConfig()
    """Published bands."""

    @model_validator(mode="after")
    def _the_next_bar_is_the_label(self) -> Self:
        if self.data.horizon != 1:
            raise ValueError(f"data.horizon must be 1, the next bar, was {self.data.horizon}")
        return self

    @model_validator(mode="after")
    def _slabs_fit(self) -> Self:
        rows = self.train.slab_rows
        if rows > 1 and self.model.form == "exact":
            raise ValueError(f"train.slab_rows must be 1 where model.form is exact, was {rows}; dense shares rows")
        if self.train.batch % rows:
            raise ValueError(f"train.batch must be a multiple of train.slab_rows, was {self.train.batch} with {rows}")
        return self
