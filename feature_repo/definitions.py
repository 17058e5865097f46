"""Entities, views and services. Every family that exists gets the service that it declares.

Names carry the schema's version: a breaking change is a new view, never an edit. TTL is the
longest legal gap between two rows. ``created`` is when the value was known, so that retrieval
can be asked what was known at a time, not only what was true of it.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.types import Float64, String

from components.core import family
from components.market.columns import PRICES, TECHNICAL

OWNER = "market-data"
TECHNICAL_VIEW = "technical_v1"

SYMBOL = Entity(name="symbol", join_keys=["symbol"], value_type=ValueType.STRING, description="A traded instrument.")


@dataclass(frozen=True)
class Definitions:
    """All that is registered, over the files below one folder."""

    entities: list[Entity]
    views: list[FeatureView]
    services: list[FeatureService]


def _unit(column: str) -> str:
    if column == "volume":
        return "shares"
    if column in {"rsi_14", "bb_percent", "bb_width"}:
        return "percent" if column == "rsi_14" else "fraction"
    return "price"


def technical(folder: Path) -> FeatureView:
    """Return the view of forward-adjusted prices and indicators, one row per symbol and bar."""
    return FeatureView(
        name=TECHNICAL_VIEW,
        entities=[SYMBOL],
        ttl=timedelta(days=5),
        owner=OWNER,
        tags={"cadence": "bar", "schema": "1", "inputs": ",".join(PRICES)},
        schema=[
            Field(name="symbol", dtype=String),
            *(Field(name=column, dtype=Float64, tags={"unit": _unit(column)}) for column in TECHNICAL),
        ],
        source=FileSource(
            name=f"{TECHNICAL_VIEW}_source",
            path=str(folder / f"{TECHNICAL_VIEW}.parquet"),
            file_format=ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        ),
    )


def definitions(folder: Path) -> Definitions:
    """Return everything that the store holds when its files lie in ``folder``."""
    views = {view.name: view for view in [technical(folder)]}
    services = [
        FeatureService(
            name=member.feature_service,
            features=[views[view][list(columns)] for view, columns in member.columns.items()],  # pyright: ignore[reportArgumentType]
            owner=OWNER,
            tags={"family": member.name},
        )
        for member in family.every()
    ]
    return Definitions(entities=[SYMBOL], views=list(views.values()), services=services)
