"""Settings of the health family. Importing this loads no torch, pandas or numpy."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveInt

from components.core.config import Config
from components.core.recipe import DataConfig, RecipeConfig
from components.learning.settings import LoopConfig


class HealthDataConfig(DataConfig):
    """Which bars become one example, and how time is cut."""

    window: PositiveInt = 21
    """Daily bars that one decision looks at; the features of each look back 63 more."""

    horizon: PositiveInt = 21
    """Bars from the decision to the score that is asked for: a month."""


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

    model: ModelConfig = ModelConfig()
    """Sizes of the network."""

    train: TrainConfig = TrainConfig()
    """Optimisation."""
