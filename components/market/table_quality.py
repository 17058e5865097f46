"""How good a table that is no bars is: its kind, what its rules find, and how many rows no rule touches.

The kind is told by the columns that ``table_kinds`` declares. A table with those of none, or of several, is unknown.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import DataError
from components.market.calendars import Name
from components.market.observed import Bools
from components.market.rules import Severity
from components.market.table_catalogue import rule_of, unasked
from components.market.table_kinds import Kind, kind_of
from components.market.table_rows import numbers_of
from components.market.table_rules import NUM_EXAMPLES, TableFinding, repeated_keys
from components.market.times import parse_times

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")
UNKNOWN: Final = "unknown"


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


def assess_table(table: pa.Table, *, name: str, market: Name = "XNYS") -> TableQuality:
    """Return what the rules of its kind find in a table; ``name`` is what errors call it.

    ``market`` is the calendar of yields, options and volatilities: that of a synthetic market is 24/5. A
    short file does not show which one it keeps.

    Raises:
        DataError: If a column cannot hold what its name says.
    """
    kind = kind_of(table.column_names)
    if kind is None:
        return TableQuality(UNKNOWN, table.num_rows, 0, {}, (), (), None)
    table, timeless = _dated(_typed(table, kind, name), kind, name)
    kept = np.flatnonzero(~timeless)
    known = table.filter(pa.array(~timeless))
    found = _timeless(np.flatnonzero(timeless), kind)
    if known.num_rows:
        inside = repeated_keys(known, kind.keys) if "repeated_key" in kind.rules else []
        inside += kind.find(known, name, market)
        found += [replace(item, rows=kept[item.rows]) for item in inside]
    rank = {rule: place for place, rule in enumerate(kind.rules)}
    ordered = tuple(sorted(found, key=lambda item: rank[item.rule]))
    worst = _worst(table.num_rows, ordered)
    silent = {item.rule for item in ordered} | unasked(table.column_names)
    return TableQuality(
        kind=kind.name,
        rows=table.num_rows,
        clean=table.num_rows - sum(worst.values()),
        worst=worst,
        findings=ordered,
        absent=tuple(rule_of(rule).title for rule in kind.rules if rule not in silent),
        span=_span(known, kind),
    )


def _typed(table: pa.Table, kind: Kind, file: str) -> pa.Table:
    """Return the table with its other days and instants as such, however they were written."""
    for column in kind.numbers:
        if column in table.column_names:
            numbers_of(table, column, file=file)
    for column in kind.days:
        if column in table.column_names and not pa.types.is_temporal(held := table[column].type):
            try:
                times = table[column].cast(pa.timestamp("us"))
            except pa.ArrowException:
                remedy = "Write days such as 2024-01-02"
                raise DataError(f"holds {held} that is no day", file=file, column=column, remedy=remedy) from None
            table = table.set_column(table.column_names.index(column), column, times)
    return table


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
