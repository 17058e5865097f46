"""From a snapshot to registered features and a filled online store."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false, reportAttributeAccessIssue=false

import itertools
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.files import fresh_folder, sha256_of, write_json
from components.core.lineage import SNAPSHOT, carry, features_digest
from components.core.run_context import open_run
from components.features.forecasts import STATISTICAL, Forecasts, read_forecasts
from components.features.foresight import foresight
from components.features.market_tables import Companions, companion_tables
from components.features.tables import Tables, bar_panel, feature_tables
from components.features.versions import feature_versions
from components.market.columns import FORECASTS_BY
from components.market.companions import tables_beside
from components.market.snapshot import read_later, read_snapshot
from components.market.views import FORECASTS_VIEW
from feature_repo.place import Place, project_of
from feature_repo.store import apply, materialize, open_store


def write_features(
    tables: Iterable[tuple[str, pa.Table]],
    snapshot: dict[str, Any],
    out: Path,
    *,
    lookahead: Mapping[str, Any] | None = None,
    forecasts: Forecasts = STATISTICAL,
) -> dict[str, Any]:
    """Write one parquet file per feature view and their manifest to ``out``; return the manifest.

    Who made the forecasts among them, and why, is in it. ``lookahead`` is what ``foresight`` says of the code that made
    the tables; without it no model of them passes.
    """
    with fresh_folder(out) as folder:
        files: dict[str, str] = {}
        moments: list[datetime] = []
        for view, table in tables:
            moments += pc.min_max(table["created"]).as_py().values()
            path = folder / f"{view}.parquet"
            pq.write_table(table, path, compression="zstd", write_page_checksum=True)
            files[path.name] = sha256_of(path)
        manifest = {
            "dataset": snapshot["dataset"],
            "source": snapshot["source"],
            "interval": snapshot["interval"],
            "snapshot_digest": snapshot["digest"],
            "snapshot_seal": snapshot.get("seal"),
            "files": files,
            "lookahead": lookahead,
            "known": [moment.isoformat() for moment in (min(moments), max(moments))],
        }
        if f"{FORECASTS_VIEW}.parquet" in files:
            manifest |= {FORECASTS_BY: forecasts.source, "forecast_reason": forecasts.reason}
        manifest["digest"] = features_digest(manifest)
        write_json(folder / "manifest.json", manifest)
    return manifest


def features_of(
    snapshot: Path,
    out: Path,
    *,
    tables: Tables = feature_tables,
    companions: Companions = companion_tables,
    forecasts: Path | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the features of a snapshot to ``out``, registered nowhere; return their manifest and what there is to say.

    ``tables`` makes those of the bars, ``companions`` those of the tables beside them; whether they see the future is
    in the manifest. ``forecasts`` is what the forecast step wrote; without it they are the statistical ones.

    Raises:
        ArtifactError: If a file of the snapshot or of the forecasts is missing or altered, or they are of other bars.
    """
    bars, facts = read_snapshot(snapshot)
    made = read_forecasts(forecasts, snapshot_digest=facts["digest"]) if forecasts else STATISTICAL
    tables = made.beside(tables)
    later, panel = read_later(snapshot), bar_panel(bars)
    form = {"interval": facts["interval"], "bar_seconds": facts["bar_seconds"]}
    versions = feature_versions(panel, bars, later, **form, tables=tables)
    beside = companions(snapshot, panel, facts["interval"])
    seen = foresight(bars, tables_beside(snapshot), facts["interval"], tables=tables, companions=companions)
    views = itertools.chain(versions, made.rows(), beside)
    manifest = write_features(views, facts, out, lookahead=made.probed(seen), forecasts=made)
    carry(snapshot, SNAPSHOT, out)
    said = {"rows": bars.num_rows, "corrections": later.num_rows, "benchmark": panel.benchmark_name}
    return manifest, {"digest": manifest["digest"], **said}


def build_features(snapshot: str, *, out: str, root: str, run_key: str, forecasts: str | None = None) -> dict[str, Any]:
    """Write the features to ``out``, register and materialize them; return their facts.

    ``forecasts`` is what the forecast step wrote, if the pipeline has one.
    """
    with open_run("features", root=root, run_key=run_key) as run:
        manifest, facts = features_of(Path(snapshot), Path(out), forecasts=Path(forecasts) if forecasts else None)
        for finding in manifest["lookahead"]["findings"]:
            run.log.warning("%s", finding["problem"])
        place = Place.of(run.workspace.feast, os.environ)
        store = open_store(place, project_of(manifest["dataset"]))
        registered = apply(store, place, Path(out))
        first, last = (datetime.fromisoformat(moment) for moment in manifest["known"])
        views = [name.removesuffix(".parquet") for name in manifest["files"]]
        moved = materialize(store, place, views=views, first=first, last=last)
        if not moved:
            run.log.warning("online store is newer than %s already, left as it is", last)
        result = {
            **facts,
            "views": [view.name for view in registered.views],
            "filled": views,
            "online": "filled" if moved else "newer already",
        }
        run.record(**result)
        return result
