"""What a source says now against what it said before: new rows, a restated past, rows that are gone.

Bars stay as they were first known. What became known only later, a correction or a bar that was
missing, is kept as a version of its own with the later ``known_at``, so that a row of training
data never changes after the fact. A vendor's adjusted close is rescaled as a whole by every
dividend; only a change of its course, not of its level, is a restatement.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.market.bars import OHLC, SCHEMA

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

ADJUSTED_TOLERANCE: Final = 1e-4
"""Of the adjusted close, by which two downloads may differ beside their common factor: vendors round it."""
_EXAMPLES: Final = 20

RESTATED: Final = pa.schema(
    [SCHEMA.field("symbol"), SCHEMA.field("timestamp"), ("column", pa.string()), ("old", pa.float64()),
     ("new", pa.float64())]
)  # fmt: skip
"""One row per value that changed."""


@dataclass(frozen=True)
class Change:
    """How a new table of bars differs from what was known; all tables are sorted by symbol and time."""

    added: pa.Table
    """New bars after the last, before the first, or of a new symbol."""
    late: pa.Table
    """New bars between two that were known: missing then."""
    revised: pa.Table
    """Whole rows as they read now, of which a value changed."""
    restated: pa.Table
    """The values that changed, as ``RESTATED``."""
    removed: pa.Table
    """Symbol and timestamp of known bars that the new table leaves out of the span it covers."""
    removed_symbols: tuple[str, ...]
    """Known symbols that the new table does not have at all."""
    rescaled: Mapping[str, float]
    """Symbol -> factor by which its adjusted close moved as a whole; undone in the tables above."""
    num_compared: int
    """Known bars in the span that the new table covers."""

    @property
    def share_restated(self) -> float:
        """The share of the compared bars that changed or are gone."""
        return (self.revised.num_rows + self.removed.num_rows) / self.num_compared if self.num_compared else 0.0

    def facts(self) -> dict[str, Any]:
        """Return the change in numbers, with the first examples, for a manifest."""
        columns = pc.value_counts(self.restated["column"]).to_pylist()
        return {
            "added": self.added.num_rows,
            "late": self.late.num_rows,
            "restated": self.revised.num_rows,
            "restated_by_column": {item["values"]: item["counts"] for item in columns},
            "restated_first": [_plain(row) for row in self.restated.slice(0, _EXAMPLES).to_pylist()],
            "removed": self.removed.num_rows,
            "removed_first": [_plain(row) for row in self.removed.slice(0, _EXAMPLES).to_pylist()],
            "removed_symbols": list(self.removed_symbols),
            "rescaled": dict(self.rescaled),
            "compared": self.num_compared,
        }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "timestamp": row["timestamp"].isoformat()}


def newest(bars: pa.Table, later: pa.Table) -> pa.Table:
    """Return one row per bar as it is known last: ``bars`` with the versions of ``later`` in their place."""
    table = pa.concat_tables([bars, later]).sort_by(
        [("symbol", "ascending"), ("timestamp", "ascending"), ("known_at", "ascending")]
    )
    if not later.num_rows:
        return table
    code, time = _codes(table["symbol"], _names(table)), _times(table)
    last = np.append((code[1:] != code[:-1]) | (time[1:] != time[:-1]), True)
    return table.filter(pa.array(last))


def compare(previous: pa.Table, new: pa.Table) -> Change:
    """Return how ``new`` differs from ``previous``; both hold one row per bar, sorted by symbol and time."""
    names = sorted({*_names(previous), *_names(new)})
    old_code, new_code = _codes(previous["symbol"], names), _codes(new["symbol"], names)
    old_time, new_time = _times(previous), _times(new)
    calendar = np.unique(np.concatenate([old_time, new_time]))
    old_key = old_code * len(calendar) + np.searchsorted(calendar, old_time)
    new_key = new_code * len(calendar) + np.searchsorted(calendar, new_time)
    _, old_at, new_at = np.intersect1d(old_key, new_key, assume_unique=True, return_indices=True)

    ratio = new["adj_close"].to_numpy()[new_at] / previous["adj_close"].to_numpy()[old_at]
    factors = _factors(ratio, new_code[new_at], len(names))
    adjusted = new["adj_close"].to_numpy() / factors[new_code]
    new = new.set_column(new.schema.get_field_index("adj_close"), SCHEMA.field("adj_close"), pa.array(adjusted))
    restated, revised = _restated(previous, new, old_at, new_at)

    fresh = np.ones(new.num_rows, dtype=np.bool_)
    fresh[new_at] = False
    first, last = _span(old_code, old_time, len(names))
    late = fresh & (new_time > first[new_code]) & (new_time < last[new_code])
    covered = old_time >= _span(new_code, new_time, len(names))[0][old_code]
    gone = covered.copy()
    gone[old_at] = False
    return Change(
        added=new.filter(pa.array(fresh & ~late)),
        late=new.filter(pa.array(late)),
        revised=revised,
        restated=restated,
        removed=previous.filter(pa.array(gone)).select(["symbol", "timestamp"]),
        removed_symbols=tuple(sorted({*_names(previous)} - {*_names(new)})),
        rescaled={name: float(factor) for name, factor in zip(names, factors, strict=True) if factor != 1.0},
        num_compared=int(np.count_nonzero(covered)),
    )


def merged(bars: pa.Table, later: pa.Table, change: Change, *, moment: datetime) -> tuple[pa.Table, pa.Table]:
    """Return ``bars`` with the added rows, and ``later`` with what became known only at ``moment``.

    No row of either is changed or removed.
    """
    order = [("symbol", "ascending"), ("timestamp", "ascending")]
    versions = pa.concat_tables([change.late, change.revised])
    known = pa.array([moment] * versions.num_rows, SCHEMA.field("known_at").type)
    versions = versions.set_column(versions.schema.get_field_index("known_at"), SCHEMA.field("known_at"), known)
    return (
        pa.concat_tables([bars, change.added]).sort_by(order),
        pa.concat_tables([later, versions]).sort_by([*order, ("known_at", "ascending")]),
    )


def _names(table: pa.Table) -> list[str]:
    return sorted(pc.unique(table["symbol"]).to_pylist())


def _codes(symbols: pa.ChunkedArray, names: list[str]) -> npt.NDArray[np.int64]:
    return pc.index_in(symbols, value_set=pa.array(names, pa.string())).to_numpy().astype(np.int64)


def _times(table: pa.Table) -> npt.NDArray[np.int64]:
    return table["timestamp"].cast(pa.int64()).to_numpy()


def _span(
    code: npt.NDArray[np.int64], time: npt.NDArray[np.int64], num_symbols: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the first and last time of each symbol; of one without rows, an empty span."""
    limits = np.iinfo(np.int64)
    first = np.full(num_symbols, limits.max)
    last = np.full(num_symbols, limits.min)
    np.minimum.at(first, code, time)
    np.maximum.at(last, code, time)
    return first, last


def _factors(ratio: Floats, code: npt.NDArray[np.int64], num_symbols: int) -> Floats:
    """Return by which factor each symbol's adjusted close moved as a whole: the median, 1 if it did not."""
    factors = np.ones(num_symbols)
    starts = np.searchsorted(code, np.arange(num_symbols + 1))
    for symbol, (start, stop) in enumerate(itertools.pairwise(starts)):
        if stop > start:
            factor = np.median(ratio[start:stop])
            factors[symbol] = factor if abs(factor - 1) > ADJUSTED_TOLERANCE else 1.0
    return factors


def _restated(
    previous: pa.Table, new: pa.Table, old_at: npt.NDArray[np.intp], new_at: npt.NDArray[np.intp]
) -> tuple[pa.Table, pa.Table]:
    """Return the values that changed and the whole new rows that hold them."""
    pieces: list[pa.Table] = []
    changed = np.zeros(len(new_at), dtype=np.bool_)
    for name in (*OHLC, "volume", "adj_close"):
        old_values, new_values = previous[name].to_numpy()[old_at], new[name].to_numpy()[new_at]
        differs = old_values != new_values
        if name == "adj_close":
            differs = np.abs(new_values / old_values - 1) > ADJUSTED_TOLERANCE
        changed |= differs
        at = pa.array(new_at[differs])
        columns = [new["symbol"].take(at), new["timestamp"].take(at), pa.array([name] * len(at), pa.string())]
        columns += [pa.array(old_values[differs]), pa.array(new_values[differs])]
        pieces.append(pa.table(columns, schema=RESTATED))
    order = [("symbol", "ascending"), ("timestamp", "ascending")]
    return pa.concat_tables(pieces).sort_by(order), new.take(pa.array(new_at[changed]))
