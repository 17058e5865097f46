"""What every recipe says, whatever its family adds: the seed, the cut of the data, the judge."""

import math
import re
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, field_validator, model_validator

from components.core.config import Config
from components.core.judge import JudgeConfig

HOLDOUT = "holdout"
"""The sealed zone: its rows lie in a file of their own, which no trainer opens."""

ZONES = ("train", "validation", "calibration", "test", HOLDOUT)
"""Zones in the order of time."""


_CUT = {"train": 0.5, "validation": 0.15, "calibration": 0.1, "test": 0.15, HOLDOUT: 0.1}
_MODEL = r"^(s3://)?[\w\-][\w.\-]*(/[\w\-][\w.\-]*)*$"


class DataConfig(Config):
    """Which bars become one example, and how time is cut."""

    window: PositiveInt = 64
    """Bars that one decision looks at."""

    horizon: PositiveInt = 1
    """Bars from the end of the window to the bar of the label."""

    zones: dict[str, NonNegativeFloat] = Field(default_factory=lambda: dict(_CUT))
    """Share of the timestamps in each zone, in the order of time. More test: a surer verdict, an older model."""

    max_days: PositiveInt | None = None
    """Calendar days, counted back from the newest decision, that examples are made of; null takes all."""

    embargo_bars: NonNegativeInt = 0
    """Bars left out at the start of every zone but the first."""

    @model_validator(mode="after")
    def _zones_cover_time(self) -> Self:
        if unknown := sorted(self.zones.keys() - set(ZONES)):
            raise ValueError(f"zones.{unknown[0]}: no such zone; use {', '.join(ZONES)}")
        for needed in ("train", "validation"):
            if not self.zones.get(needed):
                raise ValueError(f"zones.{needed} must be > 0, was {self.zones.get(needed, 0)}; 0.15 is a good start")
        total = math.fsum(self.zones.values())
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"zones must sum to 1, was {total:.6g}; give every zone you want its share")
        return self

    @property
    def cut(self) -> dict[str, float]:
        """The zones that exist, in the order of time, with their shares."""
        return {name: self.zones[name] for name in ZONES if self.zones.get(name)}


class ForecastedDataConfig(DataConfig):
    """The same of a family that reads forecasts, and what makes them."""

    use_toto_forecasts: bool = True
    """Let Datadog's Toto forecast. Where it is not at hand, or this is false, the statistical approximation does."""

    toto_model_id: Annotated[str, Field(pattern=_MODEL)] = "Datadog/Toto-Open-Base-1.0"
    """Its weights: a folder below ``forecasters`` of the artifact root, or an s3:// prefix; nothing else is fetched."""

    toto_device: str = "cuda"
    """The GPU that it forecasts on, such as cuda or cuda:1."""

    toto_horizon: Annotated[int, Field(ge=5, le=64)] = 5
    """Bars ahead that it forecasts. The features read the first 5; all are in the forecast step's table."""

    toto_num_samples: Annotated[int, Field(ge=2)] = 2048
    """Paths that a mean and a standard deviation are taken of. Fewer take less memory and time, and are noisier."""

    @field_validator("toto_device")
    @classmethod
    def _a_gpu(cls, device: str) -> str:
        if not re.fullmatch(r"cuda(:\d+)?", device):
            raise ValueError(
                f"Toto forecasts on a GPU alone, was {device!r}. Use cuda, or data.use_toto_forecasts=false for the "
                "statistical approximation"
            )
        return device


class RecipeConfig(Config):
    """The settings of one run; a family's configuration adds its own groups."""

    seed: int = 0
    """Start of every random stream of the run; another seed is another run."""

    processes: Literal["auto"] | PositiveInt = "auto"
    """Training processes of this host that share each batch; auto is one per GPU, and one without. Another number
    changes the last bits."""

    experiment: str = Field(default="", max_length=80)
    """Name of the MLflow experiment that the run is recorded in; empty is the family's."""

    data: DataConfig = DataConfig()
    """Windows and zones."""

    judge: JudgeConfig = JudgeConfig()
    """Costs and gates of the verdict."""

    @property
    def views(self) -> tuple[str, ...]:
        """The optional views of its family that it reads."""
        return ()
