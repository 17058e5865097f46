"""Entities, views and services. Every family that exists gets the service that it declares.

Names carry the schema's version: a breaking change is a new view, never an edit. TTL is the
longest legal gap between two rows. ``created`` is when the value was known, so that retrieval
can be asked what was known at a time, not only what was true of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.types import Float64, String

from components.core import family
from components.core.family import Family
from components.market.columns import (
    CHARACTERISTICS,
    CONTEXT,
    FORECASTS,
    MACD,
    PRICES,
    RETURNS,
    SPECTRAL,
    TECHNICAL,
)
from components.market.option_fields import OPTION_FEATURES
from components.market.views import (
    CHARACTERISTICS_VIEW,
    CONTEXT_VIEW,
    FORECASTS_VIEW,
    OPTIONS_VIEW,
    RETURNS_VIEW,
    SPECTRAL_VIEW,
    TECHNICAL_VIEW,
)

OWNER = "market-data"

MODEL_VERSION = "model_version"
"""Column of every view of predictions."""

SYMBOL = Entity(name="symbol", join_keys=["symbol"], value_type=ValueType.STRING, description="A traded instrument.")
MARKET = Entity(name="market", join_keys=["market"], value_type=ValueType.STRING, description="A market, such as US.")

UNITS: Mapping[str, Mapping[str, str]] = {
    TECHNICAL_VIEW: {
        **dict.fromkeys((*TECHNICAL, *MACD), "price"),
        "volume": "shares",
        "rsi_14": "percent",
        "bb_width": "fraction",
        "bb_percent": "fraction",
    },
    RETURNS_VIEW: {**dict.fromkeys(RETURNS, "fraction"), **dict.fromkeys(("vol_21d", "vol_63d"), "fraction per year")},
    CHARACTERISTICS_VIEW: dict(
        zip(CHARACTERISTICS, ("ratio", "exponent", "regime: 0 low, 1 normal, 2 high"), strict=True)
    ),
    SPECTRAL_VIEW: {
        **dict.fromkeys(SPECTRAL, "fraction"),
        **{name: "log price" for name in SPECTRAL if name.startswith("wavelet")},
        "fractal_dimension_126": "dimension",
        "correlation_30": "correlation",
    },
    FORECASTS_VIEW: dict.fromkeys(FORECASTS, "fraction"),
    CONTEXT_VIEW: {
        **dict.fromkeys(CONTEXT, "fraction"),
        "spy_vol_21d": "fraction per year",
        "yield_slope": "percentage points",
        "gdelt_avg_tone": "GDELT tone points",
    },
    OPTIONS_VIEW: {feature.name: feature.unit for feature in OPTION_FEATURES},
}
"""The columns of each view, in their order, with their units."""


@dataclass(frozen=True)
class Definitions:
    """All that is registered, over the files below one folder."""

    entities: list[Entity]
    views: list[FeatureView]
    services: list[FeatureService]


def _view(
    name: str, folder: Path, *, entity: Entity, cadence: str, tags: Mapping[str, str], units: Mapping[str, str]
) -> FeatureView:
    return FeatureView(
        name=name,
        entities=[entity],
        ttl=timedelta(days=5),
        owner=OWNER,
        tags={"cadence": cadence, "schema": "1", **tags},
        schema=[
            Field(name=entity.name, dtype=String),
            *(Field(name=column, dtype=Float64, tags={"unit": unit}) for column, unit in units.items()),
        ],
        source=FileSource(
            name=f"{name}_source",
            path=str(folder / f"{name}.parquet"),
            file_format=ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        ),
    )


def _views(folder: Path) -> list[FeatureView]:
    """Return all views; each symbol view has one row per symbol and bar, the context one per session."""
    of_bars = {"inputs": ",".join(PRICES)}
    of_market = {"inputs": "close,benchmark"}
    return [
        _view(TECHNICAL_VIEW, folder, entity=SYMBOL, cadence="bar", tags=of_bars, units=UNITS[TECHNICAL_VIEW]),
        _view(SPECTRAL_VIEW, folder, entity=SYMBOL, cadence="bar", tags=of_market, units=UNITS[SPECTRAL_VIEW]),
        _view(RETURNS_VIEW, folder, entity=SYMBOL, cadence="day", tags=of_market, units=UNITS[RETURNS_VIEW]),
        _view(
            CHARACTERISTICS_VIEW,
            folder,
            entity=SYMBOL,
            cadence="day",
            tags={"inputs": "close,volume,benchmark"},
            units=UNITS[CHARACTERISTICS_VIEW],
        ),
        _view(
            FORECASTS_VIEW,
            folder,
            entity=SYMBOL,
            cadence="day",
            tags={"inputs": "close"},  # what made them is in the manifest of the features
            units=UNITS[FORECASTS_VIEW],
        ),
        _view(
            OPTIONS_VIEW,
            folder,
            entity=SYMBOL,
            cadence="day",
            tags={"inputs": "chain,rate,realised_vol"},
            units=UNITS[OPTIONS_VIEW],
        ),
        _view(
            CONTEXT_VIEW,
            folder,
            entity=MARKET,
            cadence="day",
            tags={"inputs": "funds,yields,tone"},
            units=UNITS[CONTEXT_VIEW],
        ),
    ]


def _predictions(member: Family, folder: Path) -> FeatureView:
    """Return the view of what a family says of the newest windows; only its online side is ever filled."""
    units = {**member.output_units, MODEL_VERSION: "number of the promoted version, 0 for the baseline"}
    tags = {"family": member.name}
    return _view(member.predictions_view, folder, entity=SYMBOL, cadence="bar", tags=tags, units=units)


def definitions(folder: Path) -> Definitions:
    """Return everything that the store holds when its files lie in ``folder``.

    A view without a file there (intraday bars have no daily features) is registered, but cannot be read.
    """
    views = {view.name: view for view in _views(folder)}
    services = [
        FeatureService(
            name=member.feature_service,
            features=[views[view][list(columns)] for view, columns in member.columns.items()],  # pyright: ignore[reportArgumentType]
            owner=OWNER,
            tags={"family": member.name},
        )
        for member in family.every()
    ]
    predictions = [_predictions(member, folder) for member in family.every() if member.outputs]
    services += [FeatureService(name=view.name, features=[view], owner=OWNER, tags=view.tags) for view in predictions]
    return Definitions(entities=[SYMBOL, MARKET], views=[*views.values(), *predictions], services=services)
