"""Settings of the regime family. Importing this loads no torch, pandas or numpy."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from components.core.config import Config
from components.core.judge import CLASS_GATES, GateConfig, JudgeConfig
from components.core.recipe import DataConfig, RecipeConfig
from components.learning.settings import LoopConfig

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class RegimeDataConfig(DataConfig):
    """Which sessions become one example, and how time is cut."""

    window: PositiveInt = 21
    """Sessions that one decision looks at; the features of each look back 21 more."""

    horizon: PositiveInt = 5
    """Sessions from the decision to the regime that is asked for: a week."""


class RegimeJudgeConfig(JudgeConfig):
    """How a model is judged. The defaults are meant to be kept; the verdict records every change."""

    gates: Annotated[tuple[GateConfig, ...], Field(min_length=1)] = CLASS_GATES
    """The questions; all must be answered with pass. Those about a champion are asked only if there is one."""


class ModelConfig(Config):
    """Sizes of the network."""

    type: Literal["gru", "transformer"] = "gru"
    """What reads the window; the transformer costs more and wants more history."""

    hidden: PositiveInt = 32
    """Width of the reader."""

    layers: PositiveInt = 1
    """Layers of the reader."""

    heads: PositiveInt = 4
    """Attention heads of the transformer; each gets hidden / heads columns."""

    dropout: Fraction = 0.1
    """Share of activations dropped in training."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"model.hidden must be divisible by model.heads, was {self.hidden} and {self.heads}")
        return self


class TrainConfig(LoopConfig):
    """How the weights are fitted, and when to stop."""

    class_weights: Literal["balanced", "none"] = "balanced"
    """balanced gives every regime the same part in the loss, so that the commonest years do not own it; none gives
    every session the same."""


class RegimeConfig(RecipeConfig):
    """Everything that decides one training of the regime classifier."""

    data: RegimeDataConfig = RegimeDataConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Windows and zones."""

    judge: RegimeJudgeConfig = RegimeJudgeConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Gates of the verdict."""

    model: ModelConfig = ModelConfig()
    """Sizes of the network."""

    train: TrainConfig = TrainConfig()
    """Optimisation."""

    calibration: Literal["temperature", "none"] = "temperature"
    """Whether one temperature is fitted on the calibration zone. Guo et al. (2017)."""
