"""What was known when: the rows that a correction of the past changes, beside those that it replaces."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Bools = npt.NDArray[np.bool_]

KEYS: Final = ("symbol", "timestamp")


def differs(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> Bools:
    """Return where two columns differ; empty equals empty."""
    return (before != after) & ~(pd.isna(before) & pd.isna(after))


def recorded(history: pa.Table, before: pa.Table, after: pa.Table, at: np.datetime64) -> pa.Table:
    """Return ``history`` with what became known at ``at``, as a store with knowledge time holds it.

    ``before`` and ``after`` are the features of all bars, one row per bar, as they were known until
    ``at`` and from then on. What ``history`` knew by then stays; beside it come, ``created`` at
    ``at``, the rows of that time which are new or differ, and then the rows of ``after`` from ``at`` on.

    Raises:
        ValueError: If a row or column of ``before`` is not in ``after``.
    """
    past = _known(after) < at
    restated = after.filter(pa.array(past & _changed(before, after)))
    created = pa.array(np.full(restated.num_rows, at, dtype="datetime64[us]"))
    place = restated.column_names.index("created")
    restated = restated.set_column(place, "created", created.cast(after.schema.field("created").type))
    return pa.concat_tables([history.filter(pa.array(_known(history) < at)), restated, after.filter(pa.array(~past))])


def _known(table: pa.Table) -> npt.NDArray[np.datetime64]:
    """Return the time from which each row counts."""
    return np.maximum(table["event_timestamp"].to_numpy(), table["created"].to_numpy())


def _changed(before: pa.Table, after: pa.Table) -> Bools:
    """Return which rows of ``after`` are of no row of ``before``, or have other values."""
    old, new = (pd.MultiIndex.from_frame(table.select(list(KEYS)).to_pandas()) for table in (before, after))
    place = old.get_indexer(new)
    found = place >= 0
    missing = len(old) - int(np.count_nonzero(found))
    if missing or before.column_names != after.column_names:
        raise ValueError(
            f"{missing} of {len(old)} rows are missing, columns {before.column_names} -> {after.column_names}"
        )
    changed = ~found
    for name in after.column_names:
        if name not in KEYS and name != "created":
            values, others = (table[name].to_numpy(zero_copy_only=False) for table in (after, before))
            changed[found] |= differs(others[place[found]], values[found])
    return changed
