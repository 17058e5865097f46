"""What a source of context or option chains changed of the past since the snapshot before."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import DataError
from components.market.companions import OPTIONS_FILE
from components.market.context import FUNDS_FILE, TONE_FILE, YIELDS_FILE
from components.market.increment import ADJUSTED_TOLERANCE

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    FUNDS_FILE: ("symbol", "date"),
    YIELDS_FILE: ("date",),
    TONE_FILE: ("date",),
    OPTIONS_FILE: ("underlying", "date", "expiration", "type", "strike"),
}


def companion_changes(before: Path, after: Mapping[str, pa.Table], *, max_restated: float) -> dict[str, dict[str, int]]:
    """Return by file how many rows were added, restated and removed since the snapshot in ``before``.

    A fund's closes may all move by one factor, as adjusted prices do at a dividend. The new table is kept as it is:
    the old one stays in its own snapshot.

    Raises:
        DataError: If more than ``max_restated`` of a table's known rows changed or are gone.
    """
    found: dict[str, dict[str, int]] = {}
    for name, table in after.items():
        if not (before / name).is_file():
            continue
        known = pq.read_table(before / name, page_checksum_verification=True)
        changes = found[name] = _changes(known.to_pandas(), table.to_pandas(), list(KEYS[name]))
        gone = changes["restated"] + changes["removed"]
        if gone > max_restated * known.num_rows:
            raise DataError(
                f"the past was restated: {changes['restated']} of {known.num_rows} known rows changed and "
                f"{changes['removed']} are gone, {gone / known.num_rows:.2%} where {max_restated:.2%} may",
                file=name,
                remedy="Find out why; then allow it with --max-restated 1, or ingest it as another --dataset",
            )
    return found


def _changes(before: pd.DataFrame, after: pd.DataFrame, keys: list[str]) -> dict[str, int]:
    values = [name for name in before.columns if name not in keys]
    both: Any = before.merge(after, on=keys, how="outer", suffixes=("", "_new"), indicator="side")
    shared = both[both["side"] == "both"]
    if keys == ["symbol", "date"]:
        ratio = shared["close_new"] / shared["close"]
        factor = ratio.groupby(shared["symbol"]).transform("median")
        differs = ((ratio / factor - 1).abs() > ADJUSTED_TOLERANCE).to_numpy()
    else:
        differs = np.zeros(len(shared), dtype=np.bool_)
        for name in (name for name in values if f"{name}_new" in shared):
            old, new = shared[name], shared[f"{name}_new"]
            differs |= ((old != new) & ~(old.isna() & new.isna())).to_numpy()
    sides = both["side"].value_counts()
    removed, added = int(sides["left_only"]), int(sides["right_only"])
    return {"added": added, "restated": int(differs.sum()), "removed": removed}
