"""From features to predictions: every window that is complete, through the champion or the baseline."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.core import family as families
from components.core.errors import DataError
from components.core.family import Family
from components.core.files import digest_of, fresh_folder, sha256_of, write_json
from components.core.run_context import RunContext, open_run
from components.market.columns import FORECASTS_BY
from components.market.views import FORECASTS_VIEW
from components.market.windows import Panel, to_panel, window_ends
from components.score.rows import known_rows
from components.serving.source import Answer, ModelSource
from feature_repo.definitions import MODEL_VERSION
from feature_repo.place import Place, project_of
from feature_repo.push import push
from feature_repo.store import open_store

TABLE: Final = "predictions.parquet"
CHUNK: Final = 4096
"""Windows that are copied out of the panel at a time."""

Ends = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """The rows that can be in a window, symbols x times."""

    symbols: tuple[str, ...]
    panel: Panel
    known: npt.NDArray[np.datetime64]
    """[symbol, time]: when the row was known."""

    @classmethod
    def of(cls, rows: pd.DataFrame, columns: list[str]) -> "Grid":
        """Return the grid of the rows that have all of their features."""
        code, names = pd.factorize(rows["symbol"], sort=True)
        in_utc = (rows[name].dt.tz_convert(None).to_numpy() for name in ("timestamp", "event_timestamp"))
        times, known = (moments.astype("datetime64[us]") for moments in in_utc)
        panel = to_panel(code, times, rows[columns].to_numpy())
        moments = np.full(panel.present.shape, np.datetime64("NaT"), dtype="datetime64[us]")
        moments[code, np.searchsorted(panel.timestamps, times)] = known
        return cls(tuple(names), panel, moments)

    def ends(self, window: int, *, every: bool) -> Ends:
        """Return [n, 2] of (symbol, index of the last bar), by time, then symbol: all, or each symbol's newest."""
        calendar = np.zeros(len(self.panel.timestamps), dtype=np.int64)
        found = window_ends(self.panel.present, calendar, window, 0)
        if every:
            return found
        newest = {int(symbol): place for place, symbol in enumerate(found[:, 0])}
        return found[sorted(newest.values())]


def predict(answer: Answer, values: npt.NDArray[np.float32], ends: Ends, window: int) -> dict[str, npt.NDArray[Any]]:
    """Return each output by name for the windows of ``values`` [symbol, time, feature] that end at ``ends``."""
    view = np.lib.stride_tricks.sliding_window_view(values, window, axis=1)
    parts = [
        answer.predict(np.moveaxis(view[part[:, 0], part[:, 1] - window + 1], -1, -2))
        for part in np.split(ends, range(CHUNK, len(ends), CHUNK))
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def tabled(grid: Grid, ends: Ends, found: dict[str, npt.NDArray[Any]], answer: Answer, member: Family) -> pa.Table:
    """Return one row per window: its symbol and last bar, when that was known, the outputs, and who said it."""
    symbol, end = ends[:, 0], ends[:, 1]
    columns: dict[str, npt.NDArray[Any]] = {}
    for output in (item for item in member.outputs if item.tabled):
        values = found[output.name].astype(np.float64).reshape(len(ends), len(output.columns))
        columns |= dict(zip(output.columns, values.T, strict=True))
    return pa.table(
        {
            "symbol": np.array(grid.symbols)[symbol],
            "timestamp": pa.array(grid.panel.timestamps[end], type=pa.timestamp("us", "UTC")),
            "event_timestamp": pa.array(grid.known[symbol, end], type=pa.timestamp("us", "UTC")),
            **columns,
            MODEL_VERSION: np.full(len(ends), answer.version, dtype=np.int64),
            "bundle": pa.array([answer.digest] * len(ends)),
            "reason": pa.array([answer.reason] * len(ends)),
        }
    )


def write(table: pa.Table, out: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the predictions and their manifest to ``out``; return the manifest."""
    with fresh_folder(out) as folder:
        pq.write_table(table, folder / TABLE, compression="zstd", write_page_checksum=True)
        manifest = {**facts, "rows": table.num_rows, "files": {TABLE: sha256_of(folder / TABLE)}}
        manifest["digest"] = digest_of(manifest)
        write_json(folder / "manifest.json", manifest)
    return manifest


def publish(run: RunContext, member: Family, dataset: str, table: pa.Table) -> bool:
    """Write each symbol's newest prediction to the online store; return False if it holds newer ones already."""
    place = Place.of(run.workspace.feast, os.environ)
    store = open_store(place, project_of(dataset))
    columns = [*member.output_units, MODEL_VERSION]
    rows = table.to_pandas().drop_duplicates("symbol", keep="last")
    rows = rows[["symbol", "event_timestamp", *columns]].astype(dict.fromkeys(columns, np.float64))
    moved = push(store, place, member.predictions_view, rows, created=run.clock())
    if not moved:
        run.log.warning("the online store holds newer predictions already, left as they are")
    return moved


def score(
    features: str,
    *,
    out: str,
    family: str,
    dataset: str,
    every_window: bool,
    max_age_days: float,
    root: str,
    run_key: str,
) -> dict[str, Any]:
    """Write the predictions to ``out`` and the newest to the online store; return their facts.

    Raises:
        SystemExit: With 65 if the features cannot be trusted or no symbol has a whole window.
    """
    with open_run("score", root=root, run_key=run_key) as run:
        member = families.find(family)
        max_age = timedelta(days=max_age_days) if max_age_days else None
        rows, manifest = known_rows(Path(features), member)
        by = manifest[FORECASTS_BY] if FORECASTS_VIEW in member.columns else None
        champion = ModelSource(root, member.name, dataset, max_age=max_age, clock=run.clock, forecast_source=by)
        answer = champion.current()
        window = answer.served.signature.window if answer.served else member.recipe(member.default_recipe).data.window
        grid = Grid.of(rows, [column for names in member.columns.values() for column in names])
        ends = grid.ends(window, every=every_window)
        if not len(ends):
            raise DataError(
                f"no symbol has {window} bars in a row with all features",
                file=str(manifest["source"]),
                remedy="Give longer series, or leave out --symbols and --asof",
            )
        found = predict(answer, grid.panel.values, ends, window)
        table = tabled(grid, ends, found, answer, member)
        said = {"family": member.name, "reason": answer.reason, "version": answer.version, "bundle": answer.digest}
        written = write(table, Path(out), {**said, "features_digest": manifest["digest"]})
        moved = publish(run, member, manifest["dataset"], table)
        facts = {
            **said,
            "digest": written["digest"],
            "rows": table.num_rows,
            "num_symbols": len(np.unique(ends[:, 0])),
            "newest": str(grid.panel.timestamps[ends[:, 1].max()]),
            "online": "filled" if moved else "newer already",
        }
        run.record(**facts, path=str(Path(out) / TABLE))
        return facts
