"""Checks on the rows of one file before anything is computed from them.

Every fault of a file is looked for; the error names the first faulty row and counts the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.core.errors import DataError
from components.core.files import SYMBOL
from components.market.bars import OHLC, Input

Floats = npt.NDArray[np.float64]

OUTSIDE_TOLERANCE: Final = 1e-6
"""Of the price, by which open or close may leave [low, high]: what float32 or seven digits round away."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault and the rows that have it."""

    column: str
    rows: npt.NDArray[np.bool_]
    problem: str
    """What is wrong, as it reads before ', was <value>'."""
    values: npt.NDArray[Any]
    """What the rows hold, for the message."""
    remedy: str


@dataclass(frozen=True)
class Rows:
    """The parsed rows of one file, not yet believed."""

    file: str
    number: npt.NDArray[np.int64]
    """Place in the file: 1 is the first row below the header."""
    names: tuple[str, ...]
    """All symbols of the file, by code, chosen or not."""
    symbol: npt.NDArray[np.int64]
    """Code of each row's symbol."""
    timestamp: npt.NDArray[np.datetime64]
    """Start of each bar, datetime64[us], UTC."""
    time_column: str
    is_session: bool
    """Whether the time is a session date."""
    numbers: Mapping[str, Floats]
    """Open, high, low, close, volume and, where the file has it, adj_close."""
    faults: Sequence[Fault]
    """What parsing the times found already."""
    source: Input
    """The file, for the manifest."""


def check(rows: Rows, *, asof: datetime, bar_seconds: int) -> None:
    """Refuse the rows unless all of them can be trusted.

    Raises:
        DataError: Naming file, row, column and remedy of the first faulty row, and how many there are.
    """
    faults = [*_symbol_faults(rows), *rows.faults, *_future_faults(rows, asof, bar_seconds)]
    faults += [*_number_faults(rows), *_shape_faults(rows), *_repeat_faults(rows)]
    faults = [fault for fault in faults if fault.rows.any()]
    if not faults:
        return
    first = min(faults, key=lambda fault: int(np.argmax(fault.rows)))
    row = int(np.argmax(first.rows))
    total = int(np.count_nonzero(np.logical_or.reduce([fault.rows for fault in faults])))
    others = f" ({total} faulty rows in this file)" if total > 1 else ""
    raise DataError(
        f"{first.problem}, was {_shown(first.values[row])}{others}",
        file=rows.file,
        row=int(rows.number[row]),
        column=first.column,
        remedy=first.remedy,
    )


def _shown(value: object) -> str:
    """Quote texts, which may hold anything; numbers and times speak for themselves."""
    return f"{value!r:.60}" if isinstance(value, str) else str(value)


def _symbol_faults(rows: Rows) -> list[Fault]:
    bad = np.array([SYMBOL.fullmatch(name) is None for name in rows.names], dtype=np.bool_)
    names = np.array(rows.names, dtype=object)
    remedy = "Use A-Z, 0-9 and at most one '.' or '-', such as AAPL, BRK.B or BF-B"
    return [Fault("symbol", bad[rows.symbol], "the symbol is not allowed", names[rows.symbol], remedy)]


def _future_faults(rows: Rows, asof: datetime, bar_seconds: int) -> list[Fault]:
    now = np.datetime64(asof.astimezone(UTC).replace(tzinfo=None), "us")
    if rows.is_session:
        future = rows.timestamp > now.astype("datetime64[D]")
    else:
        future = rows.timestamp + np.timedelta64(bar_seconds, "s") > now
    remedy = "Remove the bars that were not complete by then, or give a later asof"
    return [Fault(rows.time_column, future, f"future-dated: not known at {now} UTC", rows.timestamp, remedy)]


def _number_faults(rows: Rows) -> list[Fault]:
    faults: list[Fault] = []
    for name, values in rows.numbers.items():
        if name == "volume":
            bad = ~(np.isfinite(values) & (values >= 0))
            faults.append(Fault(name, bad, "volume must be a number >= 0", values, "Correct or remove the row"))
        else:
            bad = ~(np.isfinite(values) & (values > 0))
            faults.append(Fault(name, bad, "a price must be a number > 0", values, "Correct or remove the row"))
    return faults


def _shape_faults(rows: Rows) -> list[Fault]:
    """Compare with NaN as false: a missing price is a fault of its own."""
    high, low = rows.numbers["high"], rows.numbers["low"]
    remedy = "Correct the row; high and low must enclose open and close, all adjusted alike"
    faults = [Fault("high", high < low, "high is below low", high, remedy)]
    for name in (OHLC[0], OHLC[3]):
        values = rows.numbers[name]
        outside = (values > high * (1 + OUTSIDE_TOLERANCE)) | (values < low * (1 - OUTSIDE_TOLERANCE))
        faults.append(Fault(name, outside, f"{name} is outside low to high", values, remedy))
    return faults


def _repeat_faults(rows: Rows) -> list[Fault]:
    """Mark all but the first row of each (symbol, time) pair, in the order of the file."""
    repeated = np.zeros(len(rows.symbol), dtype=np.bool_)
    order = np.lexsort((rows.timestamp, rows.symbol))
    symbol, timestamp = rows.symbol[order], rows.timestamp[order]
    repeated[order[1:]] = (symbol[1:] == symbol[:-1]) & (timestamp[1:] == timestamp[:-1])
    remedy = "Keep one row per symbol and time"
    return [Fault(rows.time_column, repeated, "duplicate (symbol, time)", rows.timestamp, remedy)]
