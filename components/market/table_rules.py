"""Rules for tables that are no bars: yields, news, option chains, lists of companies and what they paid.

Each function returns one finding per rule and column that is broken, with the rows that break it. What is wrong
with an option chain is what ``option_chain`` leaves out, so the report and the features never disagree.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.market.calendars import Name, calendar
from components.market.context_files import UNPUBLISHED
from components.market.move_rules import is_rounded
from components.market.option_chain import MAX_VOL, MIN_VOL, marked
from components.market.rules import Severity
from components.market.table_catalogue import rule_of
from components.market.table_rows import is_numeric

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]

NARROW_CHAIN: Final = 50
"""Contracts a day below which put/call ratios and max pain are not those of the chain."""
NUM_EXAMPLES: Final = 3
CONTRACT: Final = ("underlying", "date", "expiration", "type", "strike")
SECTORS: Final = frozenset(
    {
        "Communication Services", "Consumer Discretionary", "Consumer Staples", "Energy", "Financials", "Health Care",
        "Industrials", "Information Technology", "Materials", "Real Estate", "Utilities",
    }
)  # fmt: skip
"""The eleven sectors of the Global Industry Classification Standard."""

_SNAPSHOT: Final = ("not_a_session", "repeated_snapshot", "partial_snapshot")
_COLUMN_OF: Final = {
    "bad_contract": "strike", "expired": "expiration", "not_a_session": "date", "repeated_snapshot": "date",
    "partial_snapshot": "date", "no_bid": "bid", "no_ask": "ask", "crossed": "bid", "no_implied_vol": "implied_vol",
    "implied_vol_too_low": "implied_vol", "implied_vol_too_high": "implied_vol", "no_volume": "volume",
    "stale_volume": "volume", "no_open_interest": "open_interest",
}  # fmt: skip
"""The column of each reason of ``option_chain.marked``; what is repeated is found by the key of the table."""


@dataclass(frozen=True)
class TableFinding:
    """One rule that a column of a table breaks."""

    rule: str
    column: str
    count: int
    """Places: rows; or the snapshots, days, names or columns that the rule is about."""
    examples: tuple[str, ...]
    """Up to three of them."""
    rows: npt.NDArray[np.int64] = field(compare=False, repr=False)
    """Rows that break it, from 0; none where the fault is that a row is missing."""

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return rule_of(self.rule).severity

    @property
    def title(self) -> str:
        """The rule in words."""
        return rule_of(self.rule).title

    @property
    def remedy(self) -> str:
        """What to do."""
        return rule_of(self.rule).remedy


def _at(table: pa.Table, rule: str, column: str, where: Bools, *shown: str) -> list[TableFinding]:
    """Return the finding of the rows ``where``, told by the cells of the columns ``shown``, if there are any."""
    rows = np.flatnonzero(where)
    examples = tuple(" ".join(_text(table[name][int(row)]) for name in shown) for row in rows[:NUM_EXAMPLES])
    return [TableFinding(rule, column, len(rows), examples, rows)] if len(rows) else []


def _text(cell: pa.Scalar) -> str:
    value = cell.as_py()
    shown = f"{value:%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00") if isinstance(value, datetime) else str(value)
    return shown[:40]


def _lacking(rule: str, column: str, places: Sequence[str]) -> list[TableFinding]:
    """Return the finding of places that no row stands for, if there are any."""
    examples = tuple(places[:NUM_EXAMPLES])
    return [TableFinding(rule, column, len(places), examples, np.empty(0, np.int64))] if places else []


def _days(table: pa.Table, name: str = "date") -> Days:
    return table[name].to_numpy().astype("datetime64[D]")


def _numbers(table: pa.Table, name: str) -> Floats:
    return table[name].cast(pa.float64(), safe=False).to_numpy()


def _texts(table: pa.Table, name: str) -> npt.NDArray[np.str_]:
    return table[name].cast(pa.string()).fill_null("").to_numpy().astype(str)


def repeated_keys(table: pa.Table, keys: Sequence[str]) -> list[TableFinding]:
    """Return the rows whose keys stand in an earlier row."""
    place = pa.array(np.arange(table.num_rows))
    first = table.select(list(keys)).append_column("row", place).group_by(list(keys)).aggregate([("row", "min")])
    repeated = np.ones(table.num_rows, dtype=np.bool_)
    repeated[first["row_min"].to_numpy()] = False
    return _at(table, "repeated_key", keys[0], repeated, *keys)


def absent_days(table: pa.Table, market: Name, owner: str = "") -> list[TableFinding]:
    """Return the days on which the market was open and the table, or a name in its column ``owner``, has no row.

    The days of a name count from its first to its last.
    """
    days = _days(table)
    names = _texts(table, owner) if owner else np.full(len(days), "")
    is_open = calendar(market, days).days
    absent: list[str] = []
    for name in np.unique(names):
        mine = days[names == name]
        due = is_open[(is_open >= mine.min()) & (is_open <= mine.max())]
        absent += [f"{name} {day}".strip() for day in np.setdiff1d(due, mine)]
    return _lacking("absent_day", "date", absent)


def empty_cells(table: pa.Table) -> list[TableFinding]:
    """Return the columns of numbers without a single value, and the empty cells of the others."""
    found: list[TableFinding] = []
    for name in table.column_names:
        if is_numeric(table[name].type):
            empty = np.isnan(_numbers(table, name))
            if empty.all():
                found += _lacking("empty_column", name, [name])
            else:
                found += _at(table, "missing_value", name, empty, "date")
    return found


def yield_findings(table: pa.Table) -> list[TableFinding]:
    """Return the zeros of a table of yields by their two meanings: not published, and a yield of nought."""
    days = _days(table)
    found: list[TableFinding] = []
    for name in [name for name in table.column_names if name.startswith("y_")]:
        zero, (first, last) = _numbers(table, name) == 0, UNPUBLISHED.get(name, ("NaT", "NaT"))
        unpublished = (days >= np.datetime64(first)) & (days <= np.datetime64(last))
        found += _at(table, "unpublished_yield", name, zero & unpublished, "date")
        found += _at(table, "zero_yield", name, zero & ~unpublished, "date")
    return found


def chain_findings(table: pa.Table, *, file: str, market: Name) -> list[TableFinding]:
    """Return what is odd about option chains of a market: contracts, quotes, volatilities, snapshots.

    Raises:
        DataError: If a column of a chain is missing.
    """
    days = _days(table)
    reasons = marked(table, file=file, sessions=calendar(market, days).days)
    found: list[TableFinding] = []
    for reason, column in _COLUMN_OF.items():
        if column not in table.column_names:
            continue
        if reason in _SNAPSHOT:
            found += _snapshots(table, reason, reasons[reason])
        else:
            found += _at(table, reason, column, reasons[reason], *CONTRACT)
    if "timestamp" in table.column_names:
        late = _days(table, "timestamp") > days
        found += _at(table, "late_capture", "timestamp", late, "underlying", "date", "timestamp")
    names, code = np.unique(_texts(table, "underlying"), return_inverse=True)
    dates, day = np.unique(days, return_inverse=True)
    count = np.zeros((len(names), len(dates)), dtype=np.int64)
    np.add.at(count, (code, day), 1)
    absent = [f"{names[place]} {dates[when]}" for place, when in np.argwhere(count == 0)]
    found += _lacking("absent_snapshot", "date", absent)
    return found + _snapshots(table, "narrow_chain", (count < NARROW_CHAIN)[code, day])


def _snapshots(table: pa.Table, rule: str, where: Bools) -> list[TableFinding]:
    """Return the snapshots, an underlying on a day each, to which the rows belong."""
    rows = np.flatnonzero(where)
    chosen = table.select(["underlying", "date"]).take(rows)
    kept = chosen.group_by(["underlying", "date"], use_threads=False).aggregate([])
    first = kept.slice(0, NUM_EXAMPLES).to_pylist()
    examples = tuple(f"{item['underlying']} {item['date']:%Y-%m-%d}" for item in first)
    return [TableFinding(rule, "date", kept.num_rows, examples, rows)] if len(rows) else []


def totals_findings(table: pa.Table) -> list[TableFinding]:
    """Return the days of a table of chain totals whose open interest is not there."""
    none = (_numbers(table, "total_open_interest") == 0) | np.isnan(_numbers(table, "put_to_call_open_interest"))
    return _at(table, "empty_totals", "total_open_interest", none, "date")


def volatility_findings(table: pa.Table) -> list[TableFinding]:
    """Return the implied volatilities, annual fractions, that are none."""
    values, shown = _numbers(table, "implied_vol"), ("symbol", "date", "implied_vol")
    found = _at(table, "no_implied_vol", "implied_vol", np.isnan(values), *shown)
    found += _at(table, "implied_vol_too_low", "implied_vol", values < MIN_VOL, *shown)
    return found + _at(table, "implied_vol_too_high", "implied_vol", values > MAX_VOL, *shown)


def membership_findings(table: pa.Table) -> list[TableFinding]:
    """Return the spans that cannot be, those cut by the start of the list, and the symbols that came back.

    A symbol that came back may be another company under an old ticker.
    """
    names, start, end = _texts(table, "symbol"), _days(table, "start_date"), _days(table, "end_date")
    order = np.lexsort((start, names))
    again, overlaps = np.zeros(len(order), dtype=np.bool_), np.zeros(len(order), dtype=np.bool_)
    same, before, after = names[order[1:]] == names[order[:-1]], order[:-1], order[1:]
    again[after] = same
    overlaps[after] = same & ~(start[after] > end[before])
    shown = ("symbol", "start_date", "end_date")
    found = _at(table, "bad_span", "end_date", overlaps | (end < start), *shown)
    found += _at(table, "returned_symbol", "symbol", again, *shown)
    first = start == start.min()
    return found + _at(table, "cut_start", "start_date", first & (np.count_nonzero(first) > 1), *shown)


def action_findings(table: pa.Table) -> list[TableFinding]:
    """Return the corporate actions that are none, and the splits with a vendor's rounding."""
    kind, value = _texts(table, "type"), _numbers(table, "value")
    shown, split = ("symbol", "date", "type", "value"), kind == "split"
    bad = ~np.isin(kind, ("dividend", "split")) | ~(np.isfinite(value) & (value > 0)) | (split & (value == 1))
    found = _at(table, "bad_action", "value", bad, *shown)
    return found + _at(table, "rounded_split", "value", split & ~bad & is_rounded(value), *shown)


def constituent_findings(table: pa.Table) -> list[TableFinding]:
    """Return what keeps lists of companies from being counted or joined as they are."""
    shown = ("list", "symbol")
    unknown = ~np.isin(_texts(table, "sector"), list(SECTORS))
    found = _at(table, "unknown_sector", "sector", unknown, *shown, "sector")
    if "cik" in table.column_names:
        empty = table["cik"].is_null().to_numpy()
        found += _at(table, "no_identifier", "cik", empty, *shown)
    if "founded" in table.column_names:
        year = pc.match_substring_regex(table["founded"].cast(pa.string()), r"^\d{4}$")
        found += _at(table, "free_text", "founded", ~year.fill_null(fill_value=True).to_numpy(), *shown, "founded")
    once = table.select(["list", "symbol"]).group_by(["list", "symbol"]).aggregate([])
    names, count = np.unique(_texts(once, "symbol"), return_counts=True)
    return found + _lacking("in_two_lists", "symbol", [str(name) for name in names[count > 1]])
