"""Two questions that no skill answers: is a feature made of what came later, and does an answer depend on it?

They are asked of every bundle, whatever gates its recipe names: a model that knows the future passes all others.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.family import Family
from components.core.files import sha256_of, write_json
from components.market.examples_manifest import examples_digest
from components.validate.case import Answer, Unanswered
from components.validate.measures import Measured
from components.validate.zone import Rows

CUTS: Final = (1 / 3, 2 / 3)
"""Places in the zone after which everything is changed."""
REACH: Final = 20
"""Decision times after a cut that stay in the zone, for an answer that looks ahead to find something there."""

_TABLE, _LEFT_OUT = "examples.parquet", "embargo"
_OUTCOMES: Final = frozenset({"symbol", "timestamp", "label", "forward_return"})

Say = Callable[[Path], Any]
Flags = npt.NDArray[np.bool_]


def feature_causality(manifest: Mapping[str, Any], family: Family) -> Answer:
    """Return whether the look-ahead probe of the features step found a column that the family reads.

    Fails if a view that the family reads was not probed, or the manifest of the examples does not tell of the probe.
    """
    probe: dict[str, Any] | None = manifest.get("lookahead")
    if probe is None:
        return Unanswered("fail", "Fails closed: nobody probed the features. Run the features step again.")
    silent = [view for view in family.columns if view not in probe["views"]]
    if silent:
        reason = f"Fails closed: nobody probed {', '.join(silent)}. Run the features step again."
        return Unanswered("fail", reason)
    read = {(view, name) for view, names in family.columns.items() for name in names}
    guilty = [item["problem"] for item in probe["findings"] if (item["view"], item["column"]) in read]
    notes = [*guilty[:1], f"{len(guilty)} of {len(read)} columns moved when later data were changed and removed"]
    return _exact(len(guilty), "; ".join(notes))


def answer_causality(zone: Rows[Any], say: Say, examples: Path, manifest: Mapping[str, Any], *, seed: int) -> Answer:
    """Return by how much answers move, at most, if every row and every label known only later is another one.

    ``say`` gives the family's table of the test zone from a folder of examples. After each of two cuts the features
    are those of other rows, drawn at random, and what the labels say is turned round.
    """
    if not zone.num_rows or zone.defect():
        return Unanswered("fail", "Fails closed: there are no usable answers to compare.")
    table, rng, moved = pq.read_table(examples / _TABLE), np.random.default_rng(seed), 0.0
    for share in CUTS:
        cut = zone.times[int(share * (zone.num_times - 1))]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _write(folder, examples, changed_after(table, manifest, cut, rng), manifest)
            said = type(zone)(say(folder))
        moved = max(moved, _largest_move(zone, said, cut))
    if not np.isfinite(moved):
        return Unanswered("fail", "Fails closed: other rows are answered when what came later is changed.")
    return _exact(moved, f"answers up to {len(CUTS)} cuts, when all that was known only after them was changed")


def _exact(value: float, note: str) -> Measured:
    return Measured(value, value, value, note)


def changed_after(
    table: pa.Table, manifest: Mapping[str, Any], cut: np.datetime64, rng: np.random.Generator
) -> pa.Table:
    """Return the examples with other features after ``cut``, and other labels where they were not known at it.

    Rows more than ``REACH`` decision times after the cut leave the zone, so that nobody computes their answers.
    """
    frame = table.to_pandas()
    times, place = np.unique(_naive(frame["timestamp"]), return_inverse=True)
    at, horizon = int(np.searchsorted(times, cut)), int(manifest.get("horizon", 1))
    later, unknown = place > at, place > at - horizon
    columns = list(manifest["columns"])
    values = frame[columns].to_numpy()
    values[later] = values[rng.integers(len(values), size=int(later.sum()))]
    frame[columns] = values
    label, num_classes = frame["label"].to_numpy(), len(manifest.get("classes", ()))
    other = (label + 1) % num_classes if num_classes else 1 - label
    frame["label"] = np.where(unknown, other, label)
    if "forward_return" in frame:
        back = 1 / (1 + frame["forward_return"].to_numpy()) - 1  # stays above -1
        frame["forward_return"] = np.where(unknown, back, frame["forward_return"].to_numpy())
    frame.loc[place > at + horizon + REACH, "zone"] = _LEFT_OUT
    return pa.Table.from_pandas(frame, schema=table.schema, preserve_index=False)


def _naive(stamps: "pd.Series[Any]") -> npt.NDArray[np.datetime64]:
    return pd.to_datetime(stamps, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")


def _write(folder: Path, examples: Path, table: pa.Table, manifest: Mapping[str, Any]) -> None:
    """Write an examples folder like ``examples`` with another table."""
    shutil.copytree(examples, folder, dirs_exist_ok=True)
    pq.write_table(table, folder / _TABLE)
    altered = {**manifest, "files": {**manifest["files"], _TABLE: sha256_of(folder / _TABLE)}}
    write_json(folder / "manifest.json", altered | {"digest": examples_digest(altered)})


def _largest_move(before: Rows[Any], after: Rows[Any], cut: np.datetime64) -> float:
    """Return the largest difference of the answers up to ``cut``; infinity if they are of other rows."""
    old, new = (zone.rows(np.flatnonzero(zone.predictions.timestamp <= cut)).predictions for zone in (before, after))
    if not (np.array_equal(old.timestamp, new.timestamp) and np.array_equal(old.symbol, new.symbol)):
        return np.inf
    said = [item.name for item in fields(old) if item.name not in _OUTCOMES]
    pairs = [(getattr(old, name), getattr(new, name)) for name in said]
    return max(float(np.abs(a - b).max()) for a, b in pairs if isinstance(a, np.ndarray))
