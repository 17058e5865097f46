"""Reading the online store with an eye on the clock: Feast serves a value of any age."""
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from feast import FeatureStore


@dataclass(frozen=True)
class OnlineRow:
    """The newest features of one symbol, or why there are none to use."""

    symbol: str
    features: dict[str, float] | None
    """By column; None unless ``reason`` is ``fresh``."""
    event_timestamp: datetime | None
    """When the oldest of them became known."""
    reason: Literal["fresh", "absent", "incomplete", "stale"]


def read_online(
    store: FeatureStore, service: str, symbols: Sequence[str], *, now: datetime, max_age: timedelta
) -> list[OnlineRow]:
    """Return one row per symbol, in their order; values older than ``max_age`` at ``now`` are stale.

    Raises:
        ValueError: If ``now`` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError(f"now {now} has no time zone")
    found = store.get_online_features(
        features=store.get_feature_service(service), entity_rows=[{"symbol": symbol} for symbol in symbols]
    ).to_dict(include_event_timestamps=True)
    columns = [name for name in found if name != "symbol" and not name.endswith("__ts")]
    return [_row(symbol, number, found, columns, now - max_age) for number, symbol in enumerate(symbols)]


def _row(
    symbol: str, number: int, found: dict[str, list[float | None]], columns: list[str], oldest: datetime
) -> OnlineRow:
    values = {name: found[name][number] for name in columns}
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return OnlineRow(symbol, None, None, "absent")
    seconds = min(found[f"{name}__ts"][number] or 0 for name in known)
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    if len(known) < len(values):
        return OnlineRow(symbol, None, moment, "incomplete")
    return OnlineRow(symbol, known, moment, "fresh") if moment >= oldest else OnlineRow(symbol, None, moment, "stale")
