"""The rows of a dataset as flat arrays, and the series that their usable rows make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from components.market.bar_table import has_time, shared_codes, spacing_s
from components.market.bars import DAY_S
from components.market.checks import Rows, row_faults
from components.market.rules import RULES, Hits

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Observed:
    """All rows of a dataset, file after file, in the order of the files."""

    parts: Sequence[Rows]
    names: tuple[str, ...]
    symbol: Ints
    time: Times
    numbers: Mapping[str, Floats]
    """Only the columns that every file has."""
    events: Mapping[str, Floats]
    order: Ints
    """The rows that have a time, by symbol, time and place."""
    in_order: bool
    """Whether ``order`` is that of the files, and all rows have a time."""
    is_session: bool
    bar_seconds: int

    def hits(self, rule: str, column: str, rows: Ints, values: npt.NDArray[np.generic] | None = None) -> Hits:
        """Return the hits of a rule at ``rows``; the values are the column's if none are given."""
        held = values if values is not None else {**self.numbers, **self.events}.get(column, self.time)[rows]
        return Hits(RULES[rule], column, rows, self.symbol[rows], self.time[rows], held)


def observed(parts: Sequence[Rows]) -> Observed:
    """Return the rows of all files of a dataset."""
    names, symbol = shared_codes(parts)
    time = _joined([rows.timestamp for rows in parts])
    timed = _joined([has_time(rows) for rows in parts])
    shared = [name for name in parts[0].numbers if all(name in rows.numbers for rows in parts)]
    events = [name for name in parts[0].events if all(name in rows.events for rows in parts)]
    is_session = parts[0].is_session
    in_order = bool(timed.all()) and _is_sorted(symbol, time)
    kept = np.flatnonzero(timed)
    order = kept if in_order else kept[np.lexsort((time[kept], symbol[kept]))]
    return Observed(
        parts=parts,
        names=tuple(names),
        symbol=symbol,
        time=time,
        numbers={name: _joined([rows.numbers[name] for rows in parts]) for name in shared},
        events={name: _joined([rows.events[name] for rows in parts]) for name in events},
        order=order,
        in_order=in_order,
        is_session=is_session,
        bar_seconds=DAY_S if is_session else spacing_s(symbol[order], time[order]),
    )


def _joined(arrays: Sequence[npt.NDArray[Value]]) -> npt.NDArray[Value]:
    """Return the arrays as one; a single one is not copied."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _is_sorted(symbol: Ints, time: Times) -> bool:
    """Return whether the rows are by symbol and time, as in most files."""
    same = symbol[1:] == symbol[:-1]
    return bool(np.all((symbol[1:] > symbol[:-1]) | (same & (time[1:] >= time[:-1]))))


def single_row_hits(data: Observed, asof: datetime) -> list[Hits]:
    """Return the faults that the strict reader refuses too."""
    hits: list[Hits] = []
    offset = 0
    for part in data.parts:
        for fault in row_faults(part, asof=asof, bar_seconds=data.bar_seconds):
            places = np.flatnonzero(fault.rows)
            if places.size:
                rows = places + offset
                rule = RULES[fault.rule]
                hits.append(Hits(rule, fault.column, rows, data.symbol[rows], data.time[rows], fault.values[places]))
        offset += len(part.symbol)
    return hits


def repeat_hits(data: Observed, faulty: Bools) -> list[Hits]:
    """Return rows that repeat another in full, and sound rows that contradict each other.

    Of equal rows the first in the file is the one kept; of contradicting rows none is.
    """
    order = data.order
    same = _same_key(data, None if data.in_order else order)
    grouped = np.zeros(len(order), dtype=np.bool_)
    grouped[1:] |= same
    grouped[:-1] |= same
    rows = order[grouped]
    bits = [values[rows].view(np.int64) for values in (*data.numbers.values(), *data.events.values())]
    rank = np.lexsort((rows, *bits, data.time[rows], data.symbol[rows]))
    rows, bits = rows[rank], [values[rank] for values in bits]
    equal = np.zeros(len(rows), dtype=np.bool_)
    if len(rows):
        equal[1:] = _same_key(data, rows) & np.logical_and.reduce([values[1:] == values[:-1] for values in bits])
    rest = rows[~equal & ~faulty[rows]]
    clash = _same_key(data, rest)
    conflicting = np.zeros(len(rest), dtype=np.bool_)
    conflicting[1:] |= clash
    conflicting[:-1] |= clash
    return [
        data.hits("duplicate", "time", np.sort(rows[equal])),
        data.hits("conflict", "time", np.sort(rest[conflicting])),
    ]


def _same_key(data: Observed, rows: Ints | None) -> Bools:
    """Return where a row, of ``rows`` or of all, has the symbol and time of the one before, without the first."""
    symbol, time = (data.symbol, data.time) if rows is None else (data.symbol[rows], data.time[rows])
    return (symbol[1:] == symbol[:-1]) & (time[1:] == time[:-1])


@dataclass(frozen=True)
class Series:
    """Rows by symbol and time, repeats left out."""

    data: Observed
    row: Ints
    symbol: Ints
    time: Times
    first: Bools
    """Where a symbol's series starts."""
    whole: bool
    """Whether these are all rows, in the order of the files."""

    def values(self, name: str) -> Floats:
        """Return a column in this order; it is not to be written to."""
        return self.data.numbers[name] if self.whole else self.data.numbers[name][self.row]

    def event(self, name: str, nothing: float, places: Ints) -> Floats:
        """Return the corporate action at each of ``places``; ``nothing`` where the file has none."""
        if name not in self.data.events:
            return np.full(len(places), nothing)
        found = self.data.events[name][self.row[places]]
        return np.where(np.isfinite(found) & (found != 0), found, nothing)

    def acted(self) -> Ints:
        """Return the places at which the file may have a corporate action: a dividend, or a split other than 1:1."""
        where = np.zeros(len(self.row), dtype=np.bool_)
        for name, nothing in (("dividend", 0.0), ("split_factor", 1.0)):
            if name in self.data.events:
                held = self.data.events[name]
                found = held if self.whole else held[self.row]
                where |= (found != nothing) & (found != 0)
        return np.flatnonzero(where)

    def growth(self, values: Floats) -> Floats:
        """Return the values over those of the symbol one bar before, NaN at its start."""
        result = np.full(len(values), np.nan)
        np.divide(values[1:], values[:-1], out=result[1:])
        result[self.first] = np.nan
        return result

    def before(self, values: Floats, places: Ints) -> Floats:
        """Return the symbol's value one bar before each of ``places``, NaN at its start."""
        return np.where(self.first[places], np.nan, values[places - 1])

    def hits(self, rule: str, column: str, where: Bools | Ints, values: Floats | None = None) -> Hits:
        """Return the hits of a rule where ``where`` holds, or at these places; ``values`` are those of the hits."""
        return self.data.hits(rule, column, self.row[where], values)


def series(data: Observed, dropped: Bools, *, priced: bool) -> Series:
    """Return the series of the rows that are not dropped; if ``priced``, only those with a close above 0."""
    usable = ~dropped
    if priced:
        for name in ("close", "adj_close"):
            if name in data.numbers:
                values = data.numbers[name]
                usable &= (values > 0) & (values < np.inf)
    whole = data.in_order and bool(usable.all())
    rows = data.order if whole else data.order[usable[data.order]]
    symbol, time = (data.symbol, data.time) if whole else (data.symbol[rows], data.time[rows])
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = symbol[1:] != symbol[:-1]
    return Series(data, rows, symbol, time, first, whole)
