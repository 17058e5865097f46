"""Checks on the rows of one file before anything is computed from them.

Every fault of a file is looked for; the error names the first faulty row and counts the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    rule: str
    """Name of the rule in ``rules.RULES`` that it breaks."""
    fatal: bool = False
    """Whether it makes the file unusable rather than the row."""


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
    events: Mapping[str, Floats] = field(default_factory=dict[str, Floats])
    """Cash dividend per share and split factor (new shares per old) that go ex on the bar, where the file has them."""


def row_faults(rows: Rows, *, asof: datetime, bar_seconds: int) -> list[Fault]:
    """Return what is wrong with rows taken one by one; repeated keys are no such fault."""
    faults = [*_symbol_faults(rows), *rows.faults, *_future_faults(rows, asof, bar_seconds)]
    return [*faults, *_number_faults(rows), *_shape_faults(rows)]


def check(rows: Rows, *, asof: datetime, bar_seconds: int) -> None:
    """Refuse the rows unless all of them can be trusted.

    Raises:
        DataError: Naming file, row, column and remedy of the first faulty row, and how many there are.
    """
    refuse(rows, [*row_faults(rows, asof=asof, bar_seconds=bar_seconds), *_repeat_faults(rows)])


def refuse_unusable(rows: Rows) -> None:
    """Refuse a file that no choice of rows can repair: times without a zone, symbols that are none.

    Raises:
        DataError: As in ``check``.
    """
    refuse(rows, [fault for fault in (*_symbol_faults(rows), *rows.faults) if fault.fatal])


def refuse(rows: Rows, found: Sequence[Fault]) -> None:
    """Raise for the first row of ``found``, if there is any.

    Raises:
        DataError: Naming file, row, column and remedy, and how many rows are faulty.
    """
    faults = [fault for fault in found if fault.rows.any()]
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
    if not bad.any():
        return []
    names = np.array(rows.names, dtype=object)
    remedy = "Use A-Z, 0-9 and at most one '.' or '-', such as AAPL, BRK.B or BF-B"
    problem = "the symbol is not allowed"
    return [Fault("symbol", bad[rows.symbol], problem, names[rows.symbol], remedy, "bad_symbol", fatal=True)]


def _future_faults(rows: Rows, asof: datetime, bar_seconds: int) -> list[Fault]:
    now = np.datetime64(asof.astimezone(UTC).replace(tzinfo=None), "us")
    if rows.is_session:
        future = rows.timestamp > now.astype("datetime64[D]")
    else:
        future = rows.timestamp + np.timedelta64(bar_seconds, "s") > now
    remedy = "Remove the bars that were not complete by then, or give a later asof"
    return [Fault(rows.time_column, future, f"future-dated: not known at {now} UTC", rows.timestamp, remedy, "future")]


def _number_faults(rows: Rows) -> list[Fault]:
    faults: list[Fault] = []
    for name, values in rows.numbers.items():
        if name == "volume":
            bad = ~((values >= 0) & (values < np.inf))
            problem, rule = "volume must be a number >= 0", "bad_volume"
        else:
            bad = ~((values > 0) & (values < np.inf))
            problem, rule = "a price must be a number > 0", "bad_price"
        faults.append(Fault(name, bad, problem, values, "Correct or remove the row", rule))
    return faults


def _shape_faults(rows: Rows) -> list[Fault]:
    """Compare with NaN as false: a missing price is a fault of its own."""
    high, low = rows.numbers["high"], rows.numbers["low"]
    remedy = "Correct the row; high and low must enclose open and close, all adjusted alike"
    crossed = high < low
    faults = [Fault("high", crossed, "high is below low", high, remedy, "high_below_low")]
    top, bottom = high * (1 + OUTSIDE_TOLERANCE), low * (1 - OUTSIDE_TOLERANCE)
    for name in (OHLC[0], OHLC[3]):
        values = rows.numbers[name]
        outside = (values > top) | (values < bottom)
        problem = f"{name} is outside low to high"
        faults.append(Fault(name, outside & ~crossed, problem, values, remedy, "outside_range"))
    return faults


def _repeat_faults(rows: Rows) -> list[Fault]:
    """Mark all but the first row of each (symbol, time) pair, in the order of the file."""
    repeated = np.zeros(len(rows.symbol), dtype=np.bool_)
    order = np.lexsort((rows.timestamp, rows.symbol))
    symbol, timestamp = rows.symbol[order], rows.timestamp[order]
    repeated[order[1:]] = (symbol[1:] == symbol[:-1]) & (timestamp[1:] == timestamp[:-1])
    remedy = "Keep one row per symbol and time"
    return [Fault(rows.time_column, repeated, "duplicate (symbol, time)", rows.timestamp, remedy, "duplicate")]
