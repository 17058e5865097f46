"""The examples folder of the assemble step, checked, on the grid of its symbols and times."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import ArtifactError, DataError
from components.core.files import read_json, sha256_of
from components.market.examples_manifest import SEALED, TABLE, examples_digest
from components.market.windows import Panel, to_panel, window_ends

MANIFEST = "manifest.json"
TRAIN = "train"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Examples:
    """Features, labels and zones of one dataset; cells without a row are NaN."""

    digest: str
    """Identity of the data: what the manifest calls ``digest``."""
    columns: tuple[str, ...]
    """Names of the features, in the order of the panel's last axis."""
    symbols: tuple[str, ...]
    """Names, by the code that is the panel's first axis; sorted."""
    zones: tuple[str, ...]
    """Names of the zones, by code."""
    panel: Panel
    """Features [symbol, time, feature] in their own units."""
    zone: npt.NDArray[np.int64]
    """Code of the zone of each time."""
    label: Floats
    """[symbol, time]: 1.0 if the next close is higher, 0.0 if not, or a class's code, or a score, or a log return; NaN
    if unknown."""
    forward_return: Floats
    """[symbol, time]: next open to the open after it, a fraction; NaN if unknown, and beside labels without it."""
    now: Floats
    """[symbol, time]: class or score at the decision itself, beside a log return the past volatility of one bar; NaN if
    unknown, and beside directions."""
    move: Floats
    """[symbol, time]: the move behind an action, in past volatilities; NaN if unknown, and beside other labels."""
    classes: tuple[str, ...]
    """Names of the label's classes, by code; empty where it has none."""
    mean: Floats
    """[feature]: mean of the training rows; 0.0 of a feature that rows may lack."""
    std: Floats
    """[feature]: population standard deviation of the training rows; 1.0 where they do not vary or may lack it."""
    manifest: Mapping[str, Any]
    """What the assemble step recorded."""

    def windows(self, zone: str, window: int, horizon: int) -> npt.NDArray[np.int64]:
        """Return [n, 2] of (symbol, index of the last bar), by time and then by symbol.

        The bars and the label's bar lie in ``zone``. A zone that the dataset does not have gives n = 0.
        """
        if zone not in self.zones:
            return np.empty((0, 2), dtype=np.int64)
        times = np.flatnonzero(self.zone == self.zones.index(zone))
        span = slice(times[0], times[-1] + 1)
        ends = window_ends(self.panel.present[:, span], self.zone[span], window, horizon)
        ends[:, 1] += span.start
        symbol, end = ends[:, 0], ends[:, 1]
        keep = (self.zone[end] == self.zones.index(zone)) & np.isfinite(self.label[symbol, end])
        return ends[keep]

    def raw_windows(self, ends: npt.NDArray[np.int64], window: int) -> npt.NDArray[np.float32]:
        """Return the features [n, window, feature], in their own units, of the bars up to ``ends``."""
        bars = ends[:, 1, None] - np.arange(window)[::-1]
        return self.panel.values[ends[:, 0, None], bars]


def read_examples(folder: Path, *, holdout: bool = False) -> Examples:
    """Return the examples in ``folder``: those of the sealed holdout only if ``holdout`` says so.

    Without it the file of the holdout is not so much as opened.

    Raises:
        ArtifactError: If a parquet file or the manifest was altered.
        DataError: If a feature is not finite, a label is none of its kind, or there is no training row.
    """
    manifest = read_json(folder / MANIFEST)
    if manifest.get("digest") != examples_digest(manifest):
        raise ArtifactError(f"{folder / MANIFEST}: its digest does not fit it. Run the assemble step again")
    names = [TABLE, SEALED] if holdout and SEALED in manifest["files"] else [TABLE]
    table = pa.concat_tables([_read(folder / name, manifest) for name in names])
    return from_table(table, manifest, name=str(folder / names[-1]))


def _read(file: Path, manifest: Mapping[str, Any]) -> pa.Table:
    """Return the rows in ``file``, whose bytes are those that the manifest names."""
    if not file.is_file():
        raise ArtifactError(f"{file}: no such file. Run the assemble step again")
    if sha256_of(file) != manifest["files"].get(file.name):
        raise ArtifactError(f"{file}: sha256 differs from the manifest. It was altered; run the assemble step again")
    return pq.read_table(file)


def from_table(table: pa.Table, manifest: Mapping[str, Any], *, name: str) -> Examples:
    """Return the examples in ``table``; ``name`` is the file that messages name.

    Raises:
        DataError: As in ``read_examples``.
    """
    columns = tuple(cast("list[str]", manifest["columns"]))
    beside = "now" if "labeller" in manifest else "forward_return"
    wanted = (*columns, "symbol", "timestamp", "label", beside, "zone")
    if missing := [column for column in wanted if column not in table.column_names]:
        raise DataError("the column is missing", file=name, column=missing[0], remedy="Run the assemble step again")
    rows = np.column_stack([_floats(table, column) for column in columns])
    may_lack = np.isin(columns, manifest.get("optional", ()))
    _check_finite(rows, columns, may_lack, name)
    symbols, code = _codes(table, "symbol")
    zones, row_zone = _codes(table, "zone")
    timestamps: npt.NDArray[np.datetime64] = table["timestamp"].cast(pa.timestamp("us", "UTC")).to_numpy()
    timestamps = timestamps.astype("datetime64[us]")
    panel = to_panel(code, timestamps, rows)
    column = np.searchsorted(panel.timestamps, timestamps)
    zone = np.full(len(panel.timestamps), -1, dtype=np.int64)
    zone[column] = row_zone
    if not np.array_equal(zone[column], row_zone):
        raise DataError("one time has two zones", file=name, column="zone", remedy="All symbols share the cut in time")
    if TRAIN not in zones:
        raise DataError("no row is in zone 'train'", file=name, column="zone", remedy="Give train a larger share")
    mean, std = _moments(rows[row_zone == zones.index(TRAIN)])
    mean, std = np.where(may_lack, 0.0, mean), np.where(may_lack, 1.0, std)
    cells = {key: np.full(panel.present.shape, np.nan) for key in ("label", "forward_return", "now", "move")}
    for key, values in _labels(table, beside, manifest, file=name).items():
        cells[key][code, column] = values
    return Examples(
        digest=str(manifest["digest"]),
        columns=columns,
        symbols=symbols,
        zones=zones,
        panel=panel,
        zone=zone,
        **cells,
        classes=tuple(manifest.get("classes", ())),
        mean=mean,
        std=np.where(std > 0, std, 1.0),
        manifest=manifest,
    )


def _labels(table: pa.Table, beside: str, manifest: Mapping[str, Any], *, file: str) -> dict[str, Floats]:
    """Return the label of each row and what stands beside it; who cannot say what is cannot be asked what comes."""
    label, other = _floats(table, "label"), _floats(table, beside)
    _check_labels(label, manifest, file=file, column="label")
    more = {name: _floats(table, name) for name in ("forward_return", "move") if name in table.column_names}
    if beside == "now":
        _check_labels(other, manifest, file=file, column="now")
        label = np.where(np.isnan(other), np.nan, label)
    return {"label": label, beside: other, **more}


def _check_labels(labels: Floats, manifest: Mapping[str, Any], *, file: str, column: str) -> None:
    """Check that each label is NaN or of the manifest's kind: a class, a number, a score, or a direction."""
    if classes := manifest.get("classes"):
        fits, kind = np.isin(labels, np.arange(len(classes))), f"no code from 0 to {len(classes) - 1}"
    elif "label_unit" in manifest:
        fits, kind = np.isfinite(labels), "infinite"
    elif "labeller" in manifest:
        fits, kind = (labels >= 0) & (labels <= 1), "not between 0 and 1"
    else:
        fits, kind = (labels == 0) | (labels == 1), "neither 0 nor 1"
    if not np.all(fits | np.isnan(labels)):
        raise DataError(f"a label is {kind}", file=file, column=column, remedy="Run the assemble step again")


def _floats(table: pa.Table, column: str) -> Floats:
    values: npt.NDArray[np.floating] = table[column].to_numpy()
    return values.astype(np.float64, copy=False)


def _codes(table: pa.Table, column: str) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    encoded = table[column].cast(pa.string()).fill_null("").combine_chunks().dictionary_encode()
    names, rank = np.unique(np.array(encoded.dictionary.to_pylist(), dtype=np.str_), return_inverse=True)
    return tuple(names.tolist()), rank[encoded.indices.to_numpy()].astype(np.int64)


def _moments(rows: Floats) -> tuple[Floats, Floats]:
    """Return mean and population standard deviation of each column; ``rows`` is used up."""
    mean = rows.mean(axis=0)
    rows -= mean
    return mean, np.sqrt(np.square(rows, out=rows).mean(axis=0))


def _check_finite(rows: Floats, columns: tuple[str, ...], may_lack: npt.NDArray[np.bool_], name: str) -> None:
    finite = np.isfinite(rows) | (may_lack & np.isnan(rows))
    if not finite.all():
        bad = np.argwhere(~finite)
        row, column = int(bad[0, 0]), int(bad[0, 1])
        raise DataError(
            f"{rows[row, column]} is not a finite number ({len(bad)} such cells)",
            file=name,
            row=row + 1,
            column=columns[column],
            remedy="Drop warm-up rows in the assemble step",
        )
