"""Settings of the pieces that a training loop composes, for recipes to embed. Importing this loads no torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from components.core.config import Config

Mode = Literal["min", "max"]


class Warmup(Config):
    """What every schedule starts with."""

    warmup: NonNegativeInt = 0
    """Counts over which the learning rate rises in equal parts to its base; the schedule starts after them."""

    unit: Literal["step", "epoch"] = "epoch"
    """What is counted."""


class Constant(Warmup):
    """The base learning rate throughout."""

    type: Literal["constant"] = "constant"
    """This schedule."""


class CosineAnnealing(Warmup):
    """Half a cosine from the base down to ``eta_min``. Loshchilov and Hutter (2017)."""

    type: Literal["cosine_annealing"]
    """This schedule."""

    t_max: PositiveInt = 100
    """Counts until ``eta_min``; after them the rate rises again."""

    eta_min: NonNegativeFloat = 1e-5
    """Lowest learning rate."""


class WarmRestarts(Warmup):
    """Cosines that start again at the base, each longer than the one before. Loshchilov and Hutter (2017)."""

    type: Literal["warm_restarts"]
    """This schedule."""

    t_0: PositiveInt = 10
    """Counts of the first cosine."""

    t_mult: PositiveInt = 2
    """How many times longer each next one is."""

    eta_min: NonNegativeFloat = 1e-6
    """Lowest learning rate."""


class Plateau(Warmup):
    """A lower rate whenever a metric of the epochs stands still."""

    type: Literal["plateau"]
    """This schedule."""

    metric: str = "val_loss"
    """Name of the number that is watched, as the history calls it."""

    mode: Mode = "min"
    """Whether a lower or a higher metric is better."""

    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """What the rate is multiplied by."""

    patience: NonNegativeInt = 5
    """Epochs without gain that are borne; the next one lowers the rate."""

    threshold: Annotated[float, Field(ge=0.0, lt=1.0)] = 1e-4
    """Gains below this fraction of the best metric do not count."""

    eta_min: NonNegativeFloat = 0.0
    """Lowest learning rate."""


Schedule = Annotated[Constant | CosineAnnealing | WarmRestarts | Plateau, Field(discriminator="type")]


class StoppingConfig(Config):
    """When training has gone on for long enough."""

    metric: str = "val_loss"
    """Name of the number that is watched, as the history calls it."""

    mode: Mode = "min"
    """Whether a lower or a higher metric is better."""

    patience: PositiveInt = 15
    """Epochs without gain before stopping."""

    min_gain: NonNegativeFloat = 0.0
    """How much better, in the metric's unit, counts as a gain; the published rule counts any."""

    restore_best: bool = True
    """Whether the weights of the best epoch are kept, or those of the last."""


class StepConfig(Config):
    """How the gradient of one step is gathered and bounded."""

    clip_norm: PositiveFloat = 1.0
    """Largest norm of one step's gradient."""

    accumulate: PositiveInt = 1
    """Parts that a batch is cut into, one after another: less memory, the same step."""


class GradientConfig(StepConfig):
    """The same for a deep stack of layers, which can pay for memory with time."""

    segments: PositiveInt | None = None
    """Segments of the layers whose activations are computed again in the backward pass; 4 where memory runs out."""


class SnapshotConfig(Config):
    """Which epochs' weights are kept for people; a run resumes from its checkpoints, whatever this says."""

    every_epochs: NonNegativeInt = 10
    """Epochs from one to the next; 0 keeps none."""

    best_only: bool = False
    """Whether the weights of the best epoch so far are kept then, not those of the epoch itself."""


class PrecisionConfig(Config):
    """Number format of the forward pass; weights and optimizer stay in float32."""

    format: Literal["float32", "bfloat16", "float16", "auto", "gpu"] = "float32"
    """auto takes what the device gains from: bfloat16, float16 on older GPUs, float32 on most CPUs. gpu does so on a
    GPU alone: recurrent layers are slower in 16 bits on every CPU."""


class MaskConfig(Config):
    """Where the masks of dropout come from."""

    source: Literal["auto", "fresh", "pool"] = "auto"
    """fresh draws every mask anew; pool reads them at random places of one large mask; auto does that on a CPU."""

    pool_elements: PositiveInt = 2**22
    """Elements of that mask, at 4 bytes each; twice the largest layer's output where that is more."""


Memory = Annotated[float, Field(ge=0.0, lt=1.0)]


class FitConfig(Config):
    """How the weights of networks are fitted, of one alone or of many at once, and when to stop."""

    batch: PositiveInt = 32
    """Samples per step. 16 where memory runs out."""

    lr: PositiveFloat = 1e-3
    """Step size of AdamW (Loshchilov and Hutter 2019)."""

    schedule: Schedule = Constant()
    """How the step size changes while training goes on."""

    weight_decay: NonNegativeFloat = 0.01
    """Pull of the weights towards 0, decoupled from the step. More against overfitting."""

    betas: tuple[Memory, Memory] = (0.9, 0.999)
    """How much of the mean and of the square of earlier gradients AdamW keeps from step to step."""

    epochs: PositiveInt = 100
    """Passes over the training samples at most."""

    stopping: StoppingConfig = StoppingConfig()
    """When to stop before that."""

    shuffle: bool = True
    """True draws a new order each epoch, from training samples alone; false keeps the order of time."""

    checkpoint_every_batches: PositiveInt = 200
    """Steps between two checkpoints: what a killed run loses at most."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU if there is one."""

    threads: PositiveInt = 1
    """CPU threads; another number changes the last bits."""


class LoopConfig(FitConfig):
    """How the weights of a network are fitted, and when to stop."""

    gradient: StepConfig = StepConfig()
    """How the gradient of one step is gathered and bounded."""

    precision: PrecisionConfig = PrecisionConfig()
    """Number format of the forward pass."""

    max_windows_per_epoch: PositiveInt | None = None
    """Evenly spaced training samples per epoch, another set each epoch; null takes all."""

    pin_memory: bool = True
    """Copy to the GPU from page-locked memory."""


class FleetConfig(FitConfig):
    """How many small networks are fitted as one batch; each is stopped, and its gradient bounded, by itself."""

    clip_norm: PositiveFloat = 1.0
    """Largest norm of one network's gradient in one step."""

    group: PositiveInt = 50
    """Networks that are stacked at once: memory grows with it, and beyond what fits a core's cache speed does not."""

    @model_validator(mode="after")
    def _one_rate_for_all(self) -> Self:
        if self.schedule.type == "plateau" or self.schedule.unit == "step":
            raise ValueError(
                f"schedule must count epochs, was {self.schedule.type} by {self.schedule.unit}: the networks of a "
                "fleet share one rate and do not take equally many steps. Use cosine_annealing by epoch"
            )
        return self
