"""Settings of the foundation. Importing this loads no torch, pandas or numpy."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from components.core.judge import QUANTILE_GATES, GateConfig, JudgeConfig
from components.core.recipe import DataConfig, RecipeConfig
from components.core.strict_yaml import load_file
from components.learning.settings import CosineAnnealing, LoopConfig, MaskConfig, Schedule, StoppingConfig
from components.learning.tft.config import Origins, TftConfig


class FoundationDataConfig(DataConfig):
    """Which bars become one example, and how time is cut."""

    window: PositiveInt = 60
    """Daily bars that one decision looks at; the features of each look back 252 more."""

    horizon: Annotated[PositiveInt, Field(ge=5, le=5)] = 5
    """Bars ahead that quantiles are asked of; the outputs are named for five."""


class FoundationJudgeConfig(JudgeConfig):
    """How a model is judged. The defaults are meant to be kept; the verdict records every change."""

    gates: Annotated[tuple[GateConfig, ...], Field(min_length=1)] = QUANTILE_GATES
    """The questions; all must be answered with pass. Those about a champion are asked only if there is one."""


class TrainConfig(LoopConfig):
    """How the weights are fitted, and when to stop."""

    batch: PositiveInt = 128
    """Samples per step: slabs times their windows."""

    lr: Annotated[float, Field(gt=0.0)] = 1e-3
    """Step size of AdamW (Loshchilov and Hutter 2019)."""

    schedule: Schedule = CosineAnnealing(type="cosine_annealing")
    """How the step size changes while training goes on."""

    stopping: StoppingConfig = StoppingConfig(patience=15)
    """When to stop before the last epoch."""

    slab_rows: PositiveInt = 16
    """Windows of one stock that share the work on their bars; 1 trains on windows drawn one by one, far slower."""

    slab_stride: Annotated[int, Field(ge=1, le=6)] = 4
    """Bars between the windows of a slab; closer ones share more work and teach less each. At most the horizon and
    one, so that no window ends where a slab cannot."""

    origins: Origins = "exact"
    """Whether training computes each window of a slab by itself, or the slab once with a forecast from every origin:
    quicker, and with a longer past than a window has. What is said and judged is always that of windows."""

    masks: MaskConfig = MaskConfig()
    """Where the masks of dropout come from."""

    @model_validator(mode="after")
    def _slabs_fill_batches(self) -> Self:
        if self.batch % self.slab_rows:
            raise ValueError(f"batch must be a multiple of slab_rows, was {self.batch} with {self.slab_rows}")
        return self

    def by_slab(self) -> LoopConfig:
        """Return the settings of a loop whose samples are slabs."""
        most = self.max_windows_per_epoch
        slabs = {"batch": self.batch // self.slab_rows, "max_windows_per_epoch": most and -(-most // self.slab_rows)}
        return self.model_copy(update=slabs)


class FoundationConfig(RecipeConfig):
    """Everything that decides one training of the foundation."""

    data: FoundationDataConfig = FoundationDataConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Windows and zones."""

    judge: FoundationJudgeConfig = FoundationJudgeConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Gates of the verdict."""

    model: TftConfig = TftConfig()
    """Sizes of the network."""

    train: TrainConfig = TrainConfig()
    """Optimisation."""


def load_config(path: Path) -> FoundationConfig:
    """Return the settings in a YAML file such as ``recipes/daily.yaml``.

    Raises:
        RecipeError: If it cannot be read, or a key or a value is none that there is.
    """
    return FoundationConfig.parse(load_file(path), name=str(path))
