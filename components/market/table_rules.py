"""Rules for tables that are no bars: yields, news, option chains, index membership.

Each function returns one finding per rule that is broken, with the rows that break it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.market.calendars import Name, calendar
from components.market.rules import Severity

Column = npt.NDArray[Any]
Columns = Mapping[str, Column]

UNPUBLISHED: Final = {
    "y_1m": ("1900-01-01", "2001-07-31"),
    "y_20y": ("1987-01-01", "1993-10-01"),
    "y_30y": ("2002-02-19", "2006-02-09"),
}
"""US Treasury: from, and up to before, which day a constant maturity yield was not published."""
LOW_VOLATILITY, HIGH_VOLATILITY = 1e-4, 3.0
"""Implied volatilities, annual fractions, outside which no quote stands behind the number."""
THIN_CHAIN: Final = 0.75
"""Share of an underlying's usual contracts below which a snapshot is incomplete."""
NARROW_CHAIN: Final = 50
"""Contracts a day below which put/call ratios and max pain are not those of the chain."""


@dataclass(frozen=True)
class TableFinding:
    """One rule that a table breaks."""

    rule: str
    severity: Severity
    column: str
    count: int
    examples: tuple[str, ...]
    """Up to three of the days, names or values that break it."""
    remedy: str


def _finding(rule: str, severity: Severity, column: str, values: Column, remedy: str) -> list[TableFinding]:
    examples = tuple(str(value)[:40] for value in values[:3])
    return [TableFinding(rule, severity, column, len(values), examples, remedy)] if len(values) else []


def _days(column: Column) -> npt.NDArray[np.datetime64]:
    return column.astype("datetime64[D]")


def absent_days(date: Column, name: Name) -> list[TableFinding]:
    """Return the days on which the market ``name`` was open and the table has no row."""
    days = np.unique(_days(date))
    absent = np.setdiff1d(calendar(name, days).days, days)
    return _finding("absent_day", "warning", "date", absent, "Carry the last value, and say so")


def empty_columns(columns: Columns) -> list[TableFinding]:
    """Return the columns of numbers without a single value."""
    empty = [name for name, values in columns.items() if values.dtype.kind == "f" and np.isnan(values).all()]
    return _finding("empty_column", "warning", ", ".join(empty), np.array(empty), "Do not read the column")


def yield_findings(columns: Columns) -> list[TableFinding]:
    """Return the zeros of a table of yields by their two meanings: not published, and a yield of nought."""
    days = _days(columns["date"])
    found: list[TableFinding] = []
    for name, values in columns.items():
        if name == "date":
            continue
        first, after = UNPUBLISHED.get(name, ("1900-01-01", "1900-01-01"))
        unpublished = (days >= np.datetime64(first)) & (days < np.datetime64(after))
        zero = values == 0
        found += _finding("unpublished_yield", "error", name, days[zero & unpublished], "Read it as missing")
        found += _finding("zero_yield", "note", name, days[zero & ~unpublished], "Keep it: a true yield of 0.00 %")
    return found


def chain_findings(columns: Columns, *, underlying: str = "underlying") -> list[TableFinding]:
    """Return what is odd about option chains: quotes, volatilities, snapshots."""
    days, names = _days(columns["date"]), columns[underlying]
    bid, ask, volatility = columns["bid"], columns["ask"], columns["implied_vol"]
    found = _finding("crossed_quote", "error", "bid", bid[bid > ask], "Leave the contract out")
    found += _finding("no_bid", "note", "bid", bid[bid == 0], "The mid is no price: use the ask as a bound")
    missing, low, high = np.isnan(volatility), volatility < LOW_VOLATILITY, volatility > HIGH_VOLATILITY
    found += _finding("no_volatility", "warning", "implied_vol", volatility[missing], "Leave it out, or solve it")
    found += _finding("low_volatility", "error", "implied_vol", volatility[low], "No quote is behind it: leave it out")
    found += _finding("high_volatility", "warning", "implied_vol", volatility[high], "Check the quote; cap it")
    if "volume" in columns and columns["volume"].dtype.kind == "f":
        volume = columns["volume"]
        found += _finding("no_volume", "note", "volume", volume[np.isnan(volume)], "Read it as 0 contracts traded")
    if "timestamp" in columns:
        late = _days(columns["timestamp"]) != days
        found += _finding("late_capture", "note", "timestamp", days[late], "Know it at the capture, not on its date")
    open_days = calendar("XNYS", days).days
    closed = ~np.isin(days, open_days)
    found += _finding("closed_market", "error", "date", days[closed], "An echo of the day before: leave it out")
    return found + _snapshot_findings(days, names)


def _snapshot_findings(days: npt.NDArray[np.datetime64], names: Column) -> list[TableFinding]:
    """Return the underlyings and days that hold too few contracts, or none."""
    known, name_code = np.unique(names.astype(str), return_inverse=True)
    dates, day_code = np.unique(days, return_inverse=True)
    count = np.zeros((len(known), len(dates)), dtype=np.int64)
    np.add.at(count, (name_code, day_code), 1)
    usual = np.array([np.median(row[row > 0]) for row in count])[:, None]
    label = np.array([[f"{name} {day}" for day in dates] for name in known])
    found = _finding("absent_snapshot", "warning", "date", label[count == 0], "The day has no chain: no features")
    thin = (count > 0) & (count < THIN_CHAIN * usual)
    found += _finding("thin_snapshot", "warning", "date", label[thin], "Leave the day out: open interest is partial")
    narrow = (count > 0) & (count < NARROW_CHAIN)
    return found + _finding("narrow_chain", "warning", "date", label[narrow], "Do not take chain totals from it")


def interest_findings(columns: Columns) -> list[TableFinding]:
    """Return the days of a table of chain totals whose open interest is not there."""
    days = _days(columns["date"])
    none = (columns["total_open_interest"] == 0) | np.isnan(columns["put_to_call_open_interest"])
    return _finding("no_open_interest", "error", "total_open_interest", days[none], "Read it as missing")


def membership_findings(columns: Columns) -> list[TableFinding]:
    """Return the symbols that left an index and came back: perhaps another company under an old ticker."""
    names, count = np.unique(columns["symbol"].astype(str), return_counts=True)
    remedy = "Compare price levels across the gap before the two are joined"
    return _finding("returned_symbol", "warning", "symbol", np.repeat(names, count - 1), remedy)
