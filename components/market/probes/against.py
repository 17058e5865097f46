"""Two sources of one market held against each other: names, closes, dividends and splits."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from components.core.errors import DataError
from components.market.action_agreement import ActionAgreement, Actions, booked, compare_actions, listed
from components.market.agreement import Agreement, Kind, closest
from components.market.observed import observed
from components.market.probes import Finding, Report
from components.market.table_kinds import kind_of
from components.market.table_rows import numbers_of, price_rows
from components.market.times import Times, parse_times

NUM_NAMED: Final = 10
"""Names and days that one line tells."""

_CHECK: Final = "against"
_ORDER: Final[tuple[Kind, ...]] = ("other", "factor", "equal")
_WORDS: Final[Mapping[Kind, tuple[str, str]]] = {
    "other": ("another series", "It is another company, or another kind of price: do not join the two"),
    "factor": ("a factor parts them", "One source takes a split, spin-off or dividend into account: adjust both alike"),
    "equal": ("equal on nearly all days", "Look at the days on which the returns are apart"),
}


def against(first: pa.Table, second: pa.Table, *, names: tuple[str, str]) -> Report:
    """Return how the first table compares with the second; ``names`` are what they are called.

    A name that the second lacks is a finding, one that the first lacks a note. Closes are compared where both have
    them, each of close and adj_close, by the pair whose returns are least apart; dividends and splits where one
    is a table of corporate actions and the other has them too.

    Raises:
        DataError: If one has no names, or a column cannot hold what its name says.
    """
    lists, other_lists = _lists(first, names[0]), _lists(second, names[1])
    mine, other = (frozenset[str]().union(*found.values()) for found in (lists, other_lists))
    findings, summary = _lacking(lists, other, names[1])
    notes: list[str] = []
    if extra := sorted(other - mine):
        notes.append(f"{names[1]} alone has {len(extra):,}: {_some(extra)}")
    if "close" in first.column_names and "close" in second.column_names:
        found = _closes(first, second, names)
        summary, findings, notes = [*summary, *found.summary], [*findings, *found.findings], [*notes, *found.notes]
    actions = [_actions(table, name) for table, name in zip((first, second), names, strict=True)]
    if actions[0] and actions[1] and "type" in {*first.column_names, *second.column_names}:
        for item in compare_actions(actions[0], actions[1]):
            summary.append(f"{item.type}s: {item.num_equal:,} are the same in both, of the days that both cover")
            findings += _action_findings(item, names)
    checked = f"{first.num_rows:,} rows against {second.num_rows:,}, shared names: {len(mine & other):,}"
    return Report(names[0], tuple(findings), (checked,), tuple(summary), tuple(notes))


def _lists(table: pa.Table, name: str) -> dict[str, frozenset[str]]:
    """Return the names of each list of a table, or all under no name."""
    column = next((column for column in ("symbol", "underlying") if column in table.column_names), None)
    if column is None:
        raise DataError("no column symbol or underlying", file=name, remedy="Sources are compared by their names")
    if "list" not in table.column_names:
        return {"": frozenset(table[column].drop_null().unique().to_pylist())}
    rows = table.select(["list", column]).group_by("list").aggregate([(column, "distinct")]).sort_by("list")
    return {str(of["list"]): frozenset(of[f"{column}_distinct"]) - {None} for of in rows.to_pylist()}


def _lacking(lists: Mapping[str, frozenset[str]], other: frozenset[str], name: str) -> tuple[list[Finding], list[str]]:
    """Return the names of each list that the other source lacks, and a summary of each list."""
    findings: list[Finding] = []
    summary: list[str] = []
    for of, known in lists.items():
        lacking, label = sorted(known - other), f"list {of}: " if of else ""
        summary.append(f"{label}{name} has {len(known) - len(lacking):,} of {len(known):,} names")
        if lacking:
            problem = f"{label}{name} lacks {len(lacking):,} of {len(known):,}: {_some(lacking)}"
            findings.append(Finding(_CHECK, "symbol", None, problem, "Load them, or leave them out of the list"))
    return findings, summary


def _some(names: Sequence[str]) -> str:
    rest = len(names) - NUM_NAMED
    return ", ".join(names[:NUM_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def _closes(first: pa.Table, second: pa.Table, names: tuple[str, str]) -> Report:
    """Return how the closes of each symbol compare, the worst first."""
    sources = [observed([price_rows(table, file=name)]) for table, name in zip((first, second), names, strict=True)]
    columns, found = closest(*sources)
    days, equal, apart = (sum(getattr(item, name) for item in found) for name in ("num_days", "num_equal", "num_apart"))
    if not days:
        problem = f"no symbol has a day in common with {names[1]}, so no close was compared"
        return Report(names[0], (Finding(_CHECK, "close", None, problem, "Give two sources of one time"),), ())
    kinds = ", ".join(f"{sum(item.kind == kind for item in found):,} {_WORDS[kind][0]}" for kind in _ORDER)
    summary = (
        f"closes ({columns[0]} against {columns[1]}) of {len(found):,} shared symbols, {days:,} rows: "
        f"{equal / days:.1%} equal within 0.1 %, returns apart by more than 0.5 % on {apart:,}; symbols: {kinds}"
    )
    ranked = sorted(found, key=lambda item: (_ORDER.index(item.kind), -item.num_apart, item.symbol))
    faults = [item for item in ranked if item.kind == "other" or item.num_apart]
    findings = tuple(Finding(_CHECK, columns[0], None, _told(item), _WORDS[item.kind][1]) for item in faults)
    notes = tuple(_told(item) for item in ranked if item not in faults)
    return Report(names[0], findings, (), (summary,), notes)


def _told(item: Agreement) -> str:
    share = item.num_equal / item.num_days
    return (
        f"{item.symbol}: {_WORDS[item.kind][0]}, {item.num_days:,} days, {share:.1%} equal, factor {item.factor:.4g}, "
        f"returns apart on {item.num_apart:,}"
    )


def _actions(table: pa.Table, name: str) -> Actions | None:
    """Return the dividends and splits of a table of them, or of bars that carry them."""
    kind = kind_of(table.column_names)
    if kind is not None and kind.name == "corporate actions":
        texts = {column: table[column].to_numpy(zero_copy_only=False) for column in ("symbol", "type")}
        return listed({**texts, "date": _days(table, name), "value": numbers_of(table, "value", file=name)})
    if "close" not in table.column_names:
        return None
    rows = price_rows(table, file=name)
    if not rows.events or not rows.is_session:
        return None
    return booked({"symbol": np.array(rows.names)[rows.symbol], "date": rows.timestamp, **rows.events})


def _days(table: pa.Table, name: str) -> Times:
    days, faults = parse_times(table["date"], is_session=True, file=name, name="date")
    if (bad := np.logical_or.reduce([fault.rows for fault in faults])).any():
        row = int(np.argmax(bad)) + 1
        raise DataError("not a day", file=name, row=row, column="date", remedy="Write days such as 2024-01-02")
    return days


def _action_findings(item: ActionAgreement, names: tuple[str, str]) -> list[Finding]:
    told = {
        f"values differ, {names[0]} first": (item.differing, "Ask a third source"),
        f"only in {names[0]}": (item.only_first, "Load them, or ask a third source"),
        f"only in {names[1]}": (item.only_second, "Load them, or ask a third source"),
    }
    return [
        Finding(_CHECK, item.type, None, f"{words}: {len(places):,}, {_some(places)}", remedy)
        for words, (places, remedy) in told.items()
        if places
    ]
