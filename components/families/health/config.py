"""Settings of the health family. Importing this loads no torch, pandas or numpy."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from components.core.config import Config
from components.core.judge import SCORE_GATES, GateConfig, JudgeConfig
from components.core.recipe import DataConfig, RecipeConfig
from components.learning.settings import LoopConfig


class HealthDataConfig(DataConfig):
    """Which bars become one example, and how time is cut."""

    window: PositiveInt = 21
    """Daily bars that one decision looks at; the features of each look back 63 more."""

    horizon: PositiveInt = 63
    """Bars from the decision to the score that is asked for: a quarter, so that no day of it is known at the
    decision. With 21 two thirds of it are, and a market of pure noise passes."""


class HealthJudgeConfig(JudgeConfig):
    """How a model is judged. The defaults are meant to be kept; the verdict records every change."""

    gates: Annotated[tuple[GateConfig, ...], Field(min_length=1)] = SCORE_GATES
    """The questions; all must be answered with pass. Those about a champion are asked only if there is one."""


class ModelConfig(Config):
    """Sizes of the network. Its latent always has 16 numbers."""

    type: Literal["autoencoder", "vae"] = "autoencoder"
    """Whether the latent is a point, or a normal distribution that is drawn from in training."""

    hidden: PositiveInt = 64
    """Units of the layer on either side of the latent."""


class TrainConfig(LoopConfig):
    """How the weights are fitted, and when to stop."""

    batch: PositiveInt = 64
    """Samples per step. 16 where memory runs out."""

    score_weight: NonNegativeFloat = 10.0
    """What a squared error of the score counts, beside one of the reconstruction."""

    beta: NonNegativeFloat = 0.1
    """What the divergence of a vae's latent from the standard normal counts; 1 is the bound on the likelihood."""


class HealthConfig(RecipeConfig):
    """Everything that decides one training of the health scorer."""

    data: HealthDataConfig = HealthDataConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Windows and zones."""

    judge: HealthJudgeConfig = HealthJudgeConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Gates of the verdict."""

    model: ModelConfig = ModelConfig()
    """Sizes of the network."""

    train: TrainConfig = TrainConfig()
    """Optimisation."""
