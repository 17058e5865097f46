"""Rows for the quality gate: a quiet market to plant one fault in."""

from dataclasses import replace
from datetime import UTC, datetime

import exchange_calendars
import numpy as np
import numpy.typing as npt

from components.market.bars import Input
from components.market.checks import Rows

ASOF = datetime(2027, 1, 1, tzinfo=UTC)
Times = npt.NDArray[np.datetime64]


def sessions(first: str, last: str) -> Times:
    """Return the days on which New York traded."""
    found = exchange_calendars.get_calendar("XNYS", start="2000-01-03", end="2026-12-31").sessions
    days = found.to_numpy().astype("datetime64[D]")
    return days[(days >= np.datetime64(first)) & (days <= np.datetime64(last))].astype("datetime64[us]")


def minutes(day: str, num: int, *, first: str = "14:30") -> Times:
    """Return ``num`` minutes from the open of New York in winter, UTC."""
    return np.datetime64(f"{day}T{first}", "us") + np.arange(num) * np.timedelta64(60, "s")


def rows(
    times: dict[str, Times],
    *,
    is_session: bool = True,
    seed: int = 7,
    adjusted: bool = True,
    **events: npt.NDArray[np.float64],
) -> Rows:
    """Return a random walk of 1 % steps per symbol, every bar sound, 1,000 shares each."""
    generator = np.random.default_rng(seed)
    step = 0.01 if is_session else 0.0005
    close = np.concatenate([50 * np.exp(np.cumsum(generator.normal(0, step, len(time)))) for time in times.values()])
    opened = close * np.exp(generator.normal(0, step / 4, len(close)))
    numbers = {
        "open": opened,
        "high": np.maximum(opened, close) * (1 + step / 4),
        "low": np.minimum(opened, close) * (1 - step / 4),
        "close": close,
        "volume": np.full(len(close), 1000.0),
    }
    if adjusted:
        numbers["adj_close"] = close.copy()
    return Rows(
        file="planted.parquet",
        number=np.arange(1, len(close) + 1),
        names=tuple(times),
        symbol=np.repeat(np.arange(len(times)), [len(time) for time in times.values()]),
        timestamp=np.concatenate(list(times.values())),
        time_column="date" if is_session else "timestamp",
        is_session=is_session,
        numbers=numbers,
        faults=[],
        source=Input("planted.parquet", "plain", len(close)),
        events=events,
    )


def planted(clean: Rows, place: int, **values: float) -> Rows:
    """Return the rows with some numbers of one of them overwritten."""
    numbers = {name: column.copy() for name, column in clean.numbers.items()}
    for name, value in values.items():
        numbers[name][place] = value
    return replace(clean, numbers=numbers)


def scaled(clean: Rows, places: slice, factor: float, *, but: tuple[str, ...] = ("volume",)) -> Rows:
    """Return the rows with the prices of a stretch multiplied."""
    numbers = {name: column.copy() for name, column in clean.numbers.items()}
    for name in numbers.keys() - set(but):
        numbers[name][places] *= factor
    return replace(clean, numbers=numbers)


def chosen(clean: Rows, places: npt.NDArray[np.int64]) -> Rows:
    """Return some of the rows, in the given order, numbered anew."""
    return replace(
        clean,
        number=np.arange(1, len(places) + 1),
        symbol=clean.symbol[places],
        timestamp=clean.timestamp[places],
        numbers={name: column[places] for name, column in clean.numbers.items()},
        events={name: column[places] for name, column in clean.events.items()},
    )
