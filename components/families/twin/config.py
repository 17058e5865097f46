"""Settings of the twin family. Importing this loads no torch, pandas or numpy."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from components.core.config import Config
from components.core.files import SYMBOL, digest_of
from components.core.judge import QUANTILE_GATES, GateConfig, JudgeConfig
from components.core.recipe import DataConfig, RecipeConfig
from components.learning.settings import FleetConfig, StoppingConfig

OPTIONS_VIEW = "options_v1"
"""What a recipe with options reads beside the bars."""

_CUT = {"train": 0.6, "validation": 0.15, "test": 0.15, "holdout": 0.1}


class TwinDataConfig(DataConfig):
    """Which days of a stock its twin learns from. Window and horizon are the foundation's."""

    window: PositiveInt = 60
    """Bars that one decision looks at; the foundation's."""

    horizon: PositiveInt = 5
    """Bars ahead; the foundation's."""

    zones: dict[str, NonNegativeFloat] = Field(default_factory=lambda: dict(_CUT))
    """Share of the timestamps in each zone. The test must begin where the foundation's did, or later: what it was
    trained on cannot judge its twins."""

    max_days: PositiveInt | None = 1500
    """Calendar days, counted back from the newest decision: with more, the days that a twin learns from are older."""

    lookback_days: PositiveInt = 180
    """Newest decisions of the training zone that a twin learns from. With fewer than that it is flagged, with fewer
    than 60 refused."""


class TwinJudgeConfig(JudgeConfig):
    """How a twin is judged. The defaults are meant to be kept; the verdict records every change."""

    gates: Annotated[tuple[GateConfig, ...], Field(min_length=1)] = QUANTILE_GATES
    """The questions; all must be answered with pass. Those about a champion are asked only if there is one."""


class ModelConfig(Config):
    """What a twin puts on the foundation."""

    adapter: PositiveInt = 8
    """Width of the bottleneck that bends what the foundation sees."""

    correction: PositiveInt = 32
    """Width of the layer that corrects its quantiles."""

    regime_weight: NonNegativeFloat = 0.1
    """Part of the regime's cross-entropy in the loss, beside that of the quantiles."""

    options_enabled: bool = False
    """Whether the stock's options are read: their encoder, the pull to max pain and the gate of put/call sentiment."""


class TrainConfig(FleetConfig):
    """How the twins are fitted, all as one batch, and when each stops."""

    batch: PositiveInt = 64
    """Samples per step, of each twin."""

    lr: PositiveFloat = 5e-4
    """Step size of AdamW (Loshchilov and Hutter 2019)."""

    weight_decay: NonNegativeFloat = 1e-5
    """Pull of the weights towards 0, decoupled from the step. More against overfitting."""

    epochs: PositiveInt = 20
    """Passes over the training samples at most."""

    stopping: StoppingConfig = StoppingConfig(patience=5)
    """When a twin stops before that."""


class TwinConfig(RecipeConfig):
    """Everything that decides one training of a fleet of twins."""

    data: TwinDataConfig = TwinDataConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Days and zones."""

    judge: TwinJudgeConfig = TwinJudgeConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Gates of the verdict."""

    model: ModelConfig = ModelConfig()
    """What stands on the foundation."""

    train: TrainConfig = TrainConfig()
    """Optimisation."""

    foundation: str = ""
    """Folder of a foundation's bundle; empty is the champion on the same dataset."""

    tickers: tuple[Annotated[str, Field(max_length=20)], ...] = ()
    """The stocks that get a twin; empty is all of the examples."""

    @field_validator("tickers")
    @classmethod
    def _are_symbols(cls, tickers: tuple[str, ...]) -> tuple[str, ...]:
        if bad := [ticker for ticker in tickers if not SYMBOL.fullmatch(ticker)]:
            raise ValueError(f"tickers holds {bad[0]!r}; use A-Z, 0-9 and one '.' or '-'")
        if len(set(tickers)) < len(tickers):
            raise ValueError("tickers names a stock twice; keep one")
        return tickers

    @property
    def of_each(self) -> str:
        """The digest of what decides one twin: which others there are, and how it is judged, does not."""
        return digest_of(self.model_dump(mode="json", exclude={"tickers", "foundation", "judge", "processes"}))

    @property
    def views(self) -> tuple[str, ...]:
        """The views that it reads beside those that every twin does."""
        return (OPTIONS_VIEW,) if self.model.options_enabled else ()
