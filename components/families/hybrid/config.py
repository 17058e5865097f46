"""Settings of the hybrid family. Importing this loads no torch, pandas or numpy."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from components.core.config import Config
from components.core.judge import ACTION_GATES, GateConfig, JudgeConfig
from components.core.recipe import DataConfig, RecipeConfig
from components.learning.settings import (
    CosineAnnealing,
    GradientConfig,
    LoopConfig,
    PrecisionConfig,
    Schedule,
    SnapshotConfig,
    StoppingConfig,
)

METRICS = ("accuracy", "precision", "recall", "f1_score", "mse", "mae", "sharpe_ratio")
"""What an epoch records of validation beside its loss. Epochs are chosen there, so it proves nothing."""

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class CNNConfig(Config):
    """The convolutions, and the attention over their time."""

    input_channels: PositiveInt | None = None
    """Columns of the feature view; null takes as many as there are, another number than that is refused."""

    hidden_dim: PositiveInt = 256
    """Width of all convolutions together; each has an equal part."""

    filter_sizes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (3, 5, 7, 11)
    """Bars that each of the parallel convolutions looks at."""

    num_heads: PositiveInt = 8
    """Heads of the attention over time."""

    dropout: Fraction = 0.1
    """Share of the attention weights dropped in training."""

    @model_validator(mode="after")
    def _parts_are_whole(self) -> Self:
        for name, parts in (("num_heads", self.num_heads), ("the number of filter_sizes", len(self.filter_sizes))):
            if self.hidden_dim % parts:
                raise ValueError(f"model.cnn.hidden_dim must be divisible by {name}, was {self.hidden_dim} and {parts}")
        return self


class LSTMConfig(Config):
    """The recurrent layers."""

    hidden_dim: PositiveInt = 128
    """Width of one direction."""

    num_layers: PositiveInt = 2
    """Layers, one above the other."""

    bidirectional: bool = True
    """Whether the window is read backwards too; all of it is past."""

    dropout: Fraction = 0.2
    """Share of activations dropped between layers."""

    @property
    def width(self) -> int:
        """Width of all directions together."""
        return self.hidden_dim * (2 if self.bidirectional else 1)


class FusionConfig(Config):
    """The cross-attention: the convolutions ask, the recurrent layers answer."""

    output_dim: PositiveInt = 256
    """Width of the features that both heads read."""

    num_heads: PositiveInt = 8
    """Heads of the cross-attention."""

    dropout: Fraction = 0.1
    """Share of its weights dropped in training."""


class ModelConfig(Config):
    """Sizes of the network."""

    type: Literal["hybrid_cnn_lstm"] = "hybrid_cnn_lstm"
    """The network."""

    cnn: CNNConfig = CNNConfig()
    """Convolutions."""

    lstm: LSTMConfig = LSTMConfig()
    """Recurrent layers."""

    fusion: FusionConfig = FusionConfig()
    """Cross-attention."""

    dropout: Fraction = 0.2
    """Share of the fused features dropped before the heads. 0.3 against overfitting."""

    batch_norm: bool = True
    """Whether the inputs are normalised by the batch in training, by running moments afterwards."""

    layer_norm: bool = True
    """Whether each stage ends in a layer norm."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.lstm.width % self.fusion.num_heads:
            raise ValueError(
                f"the width of model.lstm must be divisible by model.fusion.num_heads, was {self.lstm.width} and "
                f"{self.fusion.num_heads}"
            )
        return self


class LossWeights(Config):
    """What each task counts in the loss."""

    classification: NonNegativeFloat = 0.6
    """Of the cross-entropy of buy, hold and sell, in nats."""

    regression: NonNegativeFloat = 0.4
    """Of the squared error of the move, in past volatilities."""

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if self.classification + self.regression == 0:
            raise ValueError("train.loss_weights are both 0, so there is nothing to learn; 0.6 and 0.4 are published")
        return self


class AugmentationConfig(Config):
    """How training windows, and no others, are altered; anew in each step."""

    noise_std: NonNegativeFloat = 0.01
    """Standard deviation of the noise added to each scaled value. 0.02 against overfitting."""

    time_shift_max: NonNegativeInt = 5
    """Bars that a window may be moved into the past at most, its oldest bars repeated. 10 against overfitting."""

    magnitude_warp: bool = True
    """Whether scaled values are multiplied by a smooth random curve around 1."""


class TrainConfig(LoopConfig):
    """How the weights are fitted, and when to stop."""

    optimizer: Literal["adamw"] = "adamw"
    """Loshchilov and Hutter (2019)."""

    schedule: Schedule = CosineAnnealing(type="cosine_annealing", t_max=100, eta_min=1e-5)
    """How the step size changes while training goes on; constant, warm_restarts and plateau are the others."""

    stopping: StoppingConfig = StoppingConfig(patience=10)
    """When to stop before the last epoch: by val_loss, or by another number of the history such as val_sharpe_ratio."""

    gradient: GradientConfig = GradientConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """How the gradient of one step is gathered and bounded; 4 segments save memory for time."""

    precision: PrecisionConfig = PrecisionConfig(format="gpu")
    """Number format of the forward pass: 16 bits on a GPU."""

    loss_weights: LossWeights = LossWeights()
    """Parts of the loss."""

    augmentation: AugmentationConfig = AugmentationConfig()
    """What is done to training windows."""

    workers: NonNegativeInt = 4
    """Threads that gather and augment coming batches during a step; 0 does so in the step, with the same bits."""

    compile: bool = False
    """Whether torch.compile turns the network into kernels of its own: minutes at the start, for long runs on a GPU."""

    snapshots: SnapshotConfig = SnapshotConfig()
    """Weights of some epochs, kept for people."""


class HybridDataConfig(DataConfig):
    """Which bars become one example, and how time is cut."""

    window: PositiveInt = 60
    """Bars that one decision looks at."""


class HybridJudgeConfig(JudgeConfig):
    """How a model is judged. The defaults are meant to be kept; the verdict records every change."""

    gates: Annotated[tuple[GateConfig, ...], Field(min_length=1)] = ACTION_GATES
    """The questions; all must be answered with pass. Those about a champion are asked only if there is one."""


class FoldsConfig(Config):
    """How ``qf cv`` cuts time. Random folds do not exist: they train on labels that overlap the test."""

    num_folds: Annotated[int, Field(ge=2)] = 5
    """Parts that are tested in turn, none of them of the test zone or the holdout."""

    method: Literal["walk_forward", "combinatorial_purged"] = "walk_forward"
    """walk_forward trains on the past of each part; combinatorial_purged on all else that is purged of overlap."""


class HybridConfig(RecipeConfig):
    """Everything that decides one training of the hybrid network."""

    data: HybridDataConfig = HybridDataConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Windows and zones."""

    judge: HybridJudgeConfig = HybridJudgeConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Gates of the verdict."""

    model: ModelConfig = ModelConfig()
    """Sizes of the network."""

    train: TrainConfig = TrainConfig()
    """Optimisation."""

    folds: FoldsConfig = FoldsConfig()
    """Cross-validation."""
