"""Does a feature see the future? Change the future, compute again, and compare the past bit for bit.

A feature f is honest if f(data to t) at t equals f(all data) at t. Every value that a table claims to
know at a cut is compared with the same value computed after the bars that came later were changed,
and once more after they were removed: the first finds a value that looks ahead, the second also a
length, a rank or a last row. For features that are made of tables beside the bars, these change too.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
import contextlib
import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from components.market.asof import Times
from components.market.knowledge import KEYS, differs
from components.market.probes import Finding, Report
from components.market.probes.beside import Tables, changed_beside, complete_from, known_beside, times_beside

Compute = Callable[[pa.Table], pa.Table]
Bools = npt.NDArray[np.bool_]

CLAIMS: Final = ("event_timestamp", "created", "known_at")
"""Columns that say from when a row counts; the latest of them holds."""
NUM_CUTS: Final = 4

_CHECK: Final = "look-ahead"
_REMEDY: Final = "Use what was known at t only: a trailing window, a join by known time, no shift by a negative number"


@dataclass
class _Column:
    """What is known of one column after some of the cuts."""

    num_compared: int = 0
    first: int | None = None
    cut: np.datetime64 | None = None
    bars_ahead: int = 0

    def note(self, rows: npt.NDArray[np.int64], past: Bools, cut: np.datetime64, index: pd.Index) -> None:
        """Remember the first guilty row of all cuts, and the farthest look ahead of those at both ends."""
        if self.first is None or rows[0] < self.first:
            self.first, self.cut = int(rows[0]), cut
        self.bars_ahead = max(self.bars_ahead, *(_bars_ahead(int(row), past, index) for row in (rows[0], rows[-1])))


def cuts_of(bars: pa.Table, num_cuts: int = NUM_CUTS) -> list[np.datetime64]:
    """Return instants spread over the bars, and one before the last of them became known.

    Each lies 1 us before some bars became known, so that a row that claims to know them early is caught.
    """
    return _spread(bars["known_at"].to_numpy(), num_cuts)


def cuts_beside(rows: pa.Table, bars: pa.Table, beside: Tables, num_cuts: int = NUM_CUTS) -> list[np.datetime64]:
    """Return such instants for each input of ``rows``, the bars and every table, between the first row and the last.

    What becomes known at its own time of day has cuts before that time. None comes before there is a bar, and the
    tables have something of all their symbols.
    """
    first, last = rows["event_timestamp"].to_numpy().min(), rows["event_timestamp"].to_numpy().max()
    first = max(first, complete_from(beside), bars["known_at"].to_numpy().min())
    inputs = [bars["known_at"].to_numpy(), *times_beside(beside)]
    within = [np.append(times[(times > first) & (times <= last)], first) for times in inputs]
    return sorted({cut for times in within for cut in _spread(times, num_cuts)})


def _spread(times: Times, num_cuts: int) -> list[np.datetime64]:
    known = np.unique(times)
    places = [len(known) * part // (num_cuts + 1) for part in range(1, num_cuts + 1)]
    return [known[place] - np.timedelta64(1, "us") for place in sorted({*places, len(known) - 1} - {0})]


def changed_after(bars: pa.Table, cut: np.datetime64, rng: np.random.Generator) -> pa.Table:
    """Return the bars with other prices and volumes in every row that was not known at ``cut``; still valid candles."""
    return rewritten(bars, bars["known_at"].to_numpy() > cut, rng)


def rewritten(bars: pa.Table, rows: Bools, rng: np.random.Generator) -> pa.Table:
    """Return the bars with each price and volume of ``rows`` between half and double of what it was."""
    factor = np.where(rows, np.exp2(rng.uniform(-1, 1, (6, len(rows)))), 1.0)
    opening, close = (bars[name].to_numpy() * factor[place] for place, name in enumerate(("open", "close")))
    widest, lowest = np.maximum(opening, close), np.minimum(opening, close)
    values = {
        "open": opening,
        "close": close,
        "high": np.where(rows, widest * np.maximum(factor[2], 1 / factor[2]), bars["high"].to_numpy()),
        "low": np.where(rows, lowest * np.minimum(factor[3], 1 / factor[3]), bars["low"].to_numpy()),
        "volume": bars["volume"].to_numpy() * factor[4],
        "adj_close": bars["adj_close"].to_numpy() * factor[5],
    }
    for name, column in values.items():
        bars = bars.set_column(bars.column_names.index(name), name, pa.array(column))
    return bars


@contextlib.contextmanager
def warned_already() -> Generator[None]:
    """Keep still what a first computation warned of: the same one follows for every cut."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def lookahead(
    compute: Callable[..., pa.Table],
    bars: pa.Table,
    cuts: Sequence[np.datetime64],
    *,
    beside: Tables | None = None,
    name: str = "features",
    seed: int = 0,
    tolerance: float = 0.0,
    empty_is: Literal["note", "finding"] = "note",
) -> Report:
    """Return one finding per column of ``compute(bars)`` that bars after a cut reach.

    ``compute`` takes a table of bars and gives a table with one row per ``symbol`` and ``timestamp``;
    where that has ``event_timestamp`` or ``created``, a row counts from them, else from its bar's
    ``known_at``. With ``beside`` it takes these tables too, and their future is another one as well.
    ``tolerance`` is relative; 0 asks for equal bits. A column that is empty up to every cut cannot be
    judged, which is a finding too; with the tables beside, which may lack inputs, one without a single
    value is a note, unless ``empty_is`` a finding.

    Raises:
        ValueError: If ``compute`` gives a (symbol, timestamp) twice, or not at all.
    """
    whole = _indexed(compute(bars, beside) if beside else compute(bars), bars)
    known, columns = whole.pop("__known").to_numpy(), {str(column): _Column() for column in whole.columns}
    rng = np.random.default_rng(seed)
    for cut in cuts:
        past = known <= cut
        for other in _futures(bars, beside, cut, rng):
            again = _indexed(compute(*other), other[0]).reindex(whole.index)
            for column, found in columns.items():
                moved = past & _differs(whole[column].to_numpy(), again[column].to_numpy(), tolerance)
                found.num_compared += int(np.count_nonzero(past & whole[column].notna().to_numpy()))
                if moved.any():
                    found.note(np.flatnonzero(moved), past, cut, whole.index)
    inputs = ", ".join(["bars", *(beside or {})])
    checked = f"{len(columns)} columns, {len(whole):,} rows, {inputs} after {len(cuts)} cuts changed and removed"
    empty = [column for column in columns if beside and empty_is == "note" and whole[column].isna().all()]
    judged = {column: found for column, found in columns.items() if column not in empty}
    notes = tuple(f"column {column!r} has no value in any row, so nothing could be compared" for column in empty)
    return Report(name, _findings(judged, whole.index), (checked,), notes=notes)


def _futures(
    bars: pa.Table, beside: Tables | None, cut: np.datetime64, rng: np.random.Generator
) -> list[tuple[Any, ...]]:
    """Return what is computed from, once with another future and once with none."""
    changed, removed = changed_after(bars, cut, rng), bars.filter(pa.array(bars["known_at"].to_numpy() <= cut))
    if beside:
        return [(changed, changed_beside(beside, cut, rng)), (removed, known_beside(beside, cut))]
    return [(changed,), (removed,)]


def _indexed(table: pa.Table, bars: pa.Table) -> pd.DataFrame:
    """Return the feature columns by symbol and timestamp, and when each row was known."""
    frame = table.to_pandas().set_index(list(KEYS))
    if not frame.index.is_unique:
        raise ValueError(f"{int(frame.index.duplicated().sum())} (symbol, timestamp) are computed twice")
    claims = [claim for claim in CLAIMS if claim in frame.columns]
    if claims:
        known = frame[claims].max(axis=1)
    else:
        known = bars.select([*KEYS, "known_at"]).to_pandas().set_index(list(KEYS))["known_at"].reindex(frame.index)
    if known.isna().any():
        raise ValueError(f"{int(known.isna().sum())} rows are of no bar, or do not say when they were known")
    return frame.drop(columns=claims).assign(__known=known.dt.tz_convert(None).to_numpy("datetime64[us]"))


def _differs(before: npt.NDArray[Any], after: npt.NDArray[Any], tolerance: float) -> Bools:
    """Return where two columns differ by more than the tolerance; empty equals empty."""
    found = differs(before, after)
    if tolerance and before.dtype.kind == "f":
        found &= ~(np.abs(before - after) <= tolerance * np.abs(before))
    return found


def _bars_ahead(row: int, past: Bools, index: pd.Index) -> int:
    """Return how far the first bar after the cut lies after ``row``, in bars of its symbol."""
    symbol, time = index[row]
    later = (index.get_level_values(0) == symbol) & (index.get_level_values(1) > time)
    return int(np.count_nonzero(past & later)) + 1


def _findings(columns: dict[str, _Column], index: pd.Index) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    for column, found in columns.items():
        if found.first is not None:
            symbol, time = index[found.first]
            problem = (
                f"{symbol} {time:%Y-%m-%dT%H:%M}Z changes with data known after {found.cut} UTC; "
                f"it sees at least {found.bars_ahead} {'bar' if found.bars_ahead == 1 else 'bars'} ahead"
            )
            findings.append(Finding(_CHECK, column, found.first + 1, problem, _REMEDY))
        elif found.num_compared == 0:
            problem = "no value up to any cut, so nothing could be compared"
            findings.append(Finding(_CHECK, column, None, problem, "Give more bars than the warm-up needs"))
    return tuple(findings)
