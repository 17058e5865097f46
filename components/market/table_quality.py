"""How good a table that is no bars is: its kind, what its rules find, and how many rows no rule touches.

The kind is told by the columns declared here. A table that has those of none, or of several, is of no known kind.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUnknownLambdaType=false, reportAttributeAccessIssue=false
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.market.context_files import TONES
from components.market.observed import Bools, Observed
from components.market.quality import assess
from components.market.rules import RULES, Hits, Severity
from components.market.table_catalogue import NEEDS, rule_of
from components.market.table_rows import numbers_of, price_rows
from components.market.table_rules import (
    CONTRACT,
    NUM_EXAMPLES,
    TableFinding,
    absent_days,
    action_findings,
    chain_findings,
    constituent_findings,
    empty_cells,
    membership_findings,
    repeated_keys,
    totals_findings,
    volatility_findings,
    yield_findings,
)
from components.market.times import parse_times

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")
UNKNOWN: Final = "unknown"

_NO_CLOCK: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Whether rows are of the future is asked where the table is read, by who knows as of when."""


@dataclass(frozen=True)
class Kind:
    """What tells a kind of table, and what is asked of it."""

    name: str
    keys: tuple[str, ...]
    """Columns that tell its rows apart."""
    texts: tuple[str, ...]
    """Its other columns that hold texts or days."""
    numbers: tuple[str, ...]
    find: Callable[[pa.Table, str], list[TableFinding]]
    """What is wrong with a table, read from the file of that name, whose days are days."""
    rules: tuple[str, ...]
    """All that is asked, in the order of the report."""
    time: str = "date"
    """The column of days; empty if there is none."""

    @property
    def columns(self) -> frozenset[str]:
        """The columns that a table of this kind has."""
        return frozenset((*self.keys, *self.texts, *self.numbers))


@dataclass(frozen=True)
class TableQuality:
    """What the rules found in one table."""

    kind: str
    """``unknown``: nothing was asked, so no row counts as clean."""
    rows: int
    clean: int
    """Rows that no rule touches, not even a note."""
    worst: dict[Severity, int]
    """Rows by the worst that touches them; with the clean ones they make all rows of a known kind."""
    findings: tuple[TableFinding, ...]
    """In the order of the rules."""
    absent: tuple[str, ...]
    """Titles of the rules that were asked and found nothing."""
    span: tuple[str, str] | None
    """First and last day."""

    def count(self, rule: str, column: str | None = None) -> int:
        """Return how many places break a rule, in one column or in all."""
        return sum(item.count for item in self.findings if item.rule == rule and column in (None, item.column))

    def facts(self) -> dict[str, Any]:
        """Return the numbers for a manifest."""
        found = [
            {"rule": it.rule, "severity": it.severity, "column": it.column, "count": it.count, "rows": len(it.rows)}
            for it in self.findings
        ]
        numbers = {"kind": self.kind, "rows": self.rows, "clean": self.clean, "worst": self.worst}
        return numbers | {"span": list(self.span or ()), "findings": found}


def _closes(table: pa.Table, file: str) -> list[TableFinding]:
    """Return what the rules of bars find."""
    found = assess([price_rows(table, file=file)], asof=_NO_CLOCK)
    return [_of_hits(found.data, hits) for hits in found.hits if hits.rule.name not in _unasked(table)]


def _unasked(table: pa.Table) -> frozenset[str]:
    """Return the rules that need a column that the table lacks."""
    return frozenset(rule for column, rules in NEEDS.items() if column not in table.column_names for rule in rules)


def _of_hits(data: Observed, hits: Hits) -> TableFinding:
    """Return the hits of one rule and column; where a symbol is set aside all its rows are touched."""
    examples: list[str] = []
    for place in range(min(NUM_EXAMPLES, len(hits.row))):
        where = f"{data.names[int(hits.symbol[place])]} {str(hits.time[place])[:10]}"
        examples.append(where if hits.column == "time" else f"{where} {str(hits.value[place])[:12]}")
    rows = hits.row[hits.row >= 0]
    if hits.rule.scope == "symbol":
        rows = np.flatnonzero(np.isin(data.symbol, hits.symbol))
    return TableFinding(hits.rule.name, hits.column, len(hits.row), tuple(examples), rows)


_CHAIN_RULES: Final = (
    "bad_contract", "expired", "not_a_session", "repeated_snapshot", "crossed", "implied_vol_too_low",
    "implied_vol_too_high", "partial_snapshot", "absent_snapshot", "narrow_chain", "no_implied_vol", "no_bid",
    "no_ask", "no_volume", "stale_volume", "no_open_interest", "late_capture",
)  # fmt: skip
_KEYED: Final = ("bad_time", "repeated_key")

KINDS: Final = (
    Kind(
        "treasury yields", ("date",), (), ("y_2y", "y_10y"),
        lambda table, _: yield_findings(table) + empty_cells(table) + absent_days(table, "XNYS"),
        (*_KEYED, "unpublished_yield", "absent_day", "empty_column", "missing_value", "zero_yield"),
    ),
    Kind(
        "news tone", ("date",), (), TONES,
        lambda table, _: empty_cells(table) + absent_days(table, "24/7"),
        (*_KEYED, "absent_day", "empty_column", "missing_value"),
    ),
    Kind(
        "news sentiment", ("date",), (), ("news_sentiment",),
        lambda table, _: empty_cells(table) + absent_days(table, "24/7"),
        (*_KEYED, "absent_day", "empty_column", "missing_value"),
    ),
    Kind(
        "option chain", CONTRACT, (), ("bid", "ask", "underlying_price"),
        lambda table, file: chain_findings(table, file=file), (*_KEYED, *_CHAIN_RULES),
    ),
    Kind(
        "option totals", ("date",), (), ("total_open_interest", "put_to_call_open_interest"),
        lambda table, _: totals_findings(table) + absent_days(table, "XNYS"), (*_KEYED, "empty_totals", "absent_day"),
    ),
    Kind(
        "implied volatility", ("symbol", "date"), (), ("implied_vol",),
        lambda table, _: volatility_findings(table) + absent_days(table, "XNYS", "symbol"),
        (*_KEYED, "implied_vol_too_low", "implied_vol_too_high", "absent_day", "no_implied_vol"),
    ),
    Kind(
        "index membership", ("symbol", "start_date"), ("end_date",), (), lambda table, _: membership_findings(table),
        (*_KEYED, "bad_span", "returned_symbol", "cut_start"), time="start_date",
    ),
    Kind(
        "constituents", ("list", "symbol"), ("name", "sector"), (), lambda table, _: constituent_findings(table),
        ("repeated_key", "unknown_sector", "no_identifier", "free_text", "in_two_lists"), time="",
    ),
    Kind(
        "corporate actions", ("symbol", "date", "type"), (), ("value",), lambda table, _: action_findings(table),
        (*_KEYED, "bad_action", "rounded_split"),
    ),
    Kind("closes", ("symbol", "date"), (), ("close",), _closes, tuple(rule for rule in RULES if rule != "future")),
)  # fmt: skip
"""Every kind that is known."""


def kind_of(columns: Collection[str]) -> Kind | None:
    """Return the kind whose columns are all there, or none where there is none or more than one."""
    found = [kind for kind in KINDS if kind.columns <= set(columns)]
    return found[0] if len(found) == 1 else None


def assess_table(table: pa.Table, *, name: str) -> TableQuality:
    """Return what the rules of its kind find in a table; ``name`` is what errors call it.

    Raises:
        DataError: If a column cannot hold what its name says.
    """
    kind = kind_of(table.column_names)
    if kind is None:
        return TableQuality(UNKNOWN, table.num_rows, 0, {}, (), (), None)
    for column in kind.numbers:
        numbers_of(table, column, file=name)
    table, timeless = _dated(table, kind, name)
    kept = np.flatnonzero(~timeless)
    known = table.filter(pa.array(~timeless))
    found = _timeless(np.flatnonzero(timeless), kind)
    if known.num_rows:
        inside = repeated_keys(known, kind.keys) if "repeated_key" in kind.rules else []
        inside += kind.find(known, name)
        found += [replace(item, rows=kept[item.rows]) for item in inside]
    rank = {rule: place for place, rule in enumerate(kind.rules)}
    ordered = tuple(sorted(found, key=lambda item: rank[item.rule]))
    worst = _worst(table.num_rows, ordered)
    silent = {item.rule for item in ordered} | _unasked(table)
    return TableQuality(
        kind=kind.name,
        rows=table.num_rows,
        clean=table.num_rows - sum(worst.values()),
        worst=worst,
        findings=ordered,
        absent=tuple(rule_of(rule).title for rule in kind.rules if rule not in silent),
        span=_span(known, kind),
    )


def _dated(table: pa.Table, kind: Kind, file: str) -> tuple[pa.Table, Bools]:
    """Return the table with its days as times, however they were written, and which rows have none."""
    if not kind.time:
        return table, np.zeros(table.num_rows, dtype=np.bool_)
    times, faults = parse_times(table[kind.time], is_session=True, file=file, name=kind.time)
    dated = table.set_column(table.column_names.index(kind.time), kind.time, pa.chunked_array([times]))
    return dated, np.logical_or.reduce([fault.rows for fault in faults])


def _timeless(rows: npt.NDArray[np.int64], kind: Kind) -> list[TableFinding]:
    examples = tuple(f"row {row + 1}" for row in rows[:NUM_EXAMPLES])
    return [TableFinding("bad_time", kind.time, len(rows), examples, rows)] if len(rows) else []


def _worst(num_rows: int, found: Sequence[TableFinding]) -> dict[Severity, int]:
    """Return how many rows an error touches, how many a warning at worst, and how many a note at worst."""
    free = np.ones(num_rows, dtype=np.bool_)
    worst: dict[Severity, int] = {}
    for severity in SEVERITIES:
        touched = np.zeros(num_rows, dtype=np.bool_)
        for item in found:
            if item.severity == severity:
                touched[item.rows] = True
        worst[severity] = int(np.count_nonzero(touched & free))
        free &= ~touched
    return worst


def _span(table: pa.Table, kind: Kind) -> tuple[str, str] | None:
    if not kind.time or not table.num_rows:
        return None
    ends = pc.min_max(table[kind.time])
    return str(ends["min"])[:10], str(ends["max"])[:10]
