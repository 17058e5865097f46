"""From a snapshot to registered features and a filled online store."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import digest_of, fresh_folder, sha256_of, write_json
from components.core.run_context import open_run
from components.features.technical import technical_table
from components.market.snapshot import read_snapshot
from feature_repo.definitions import TECHNICAL_VIEW
from feature_repo.place import Place
from feature_repo.store import apply, materialize, open_store


def write_features(table: pa.Table, snapshot: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write the table and its manifest to ``out`` and return the manifest."""
    name = f"{TECHNICAL_VIEW}.parquet"
    with fresh_folder(out) as folder:
        pq.write_table(table, folder / name, compression="zstd", write_page_checksum=True)
        manifest = {
            "dataset": snapshot["dataset"],
            "source": snapshot["source"],
            "interval": snapshot["interval"],
            "snapshot_digest": snapshot["digest"],
            "rows": table.num_rows,
            "files": {name: sha256_of(folder / name)},
        }
        manifest["digest"] = digest_of([manifest["snapshot_digest"], manifest["files"]])
        write_json(folder / "manifest.json", manifest)
    return manifest


def build_features(snapshot: str, *, out: str, root: str, run_key: str) -> dict[str, Any]:
    """Write the features to ``out``, register and materialize them; return their facts."""
    with open_run("features", root=root, run_key=run_key) as run:
        bars, facts = read_snapshot(Path(snapshot))
        table = technical_table(bars)
        manifest = write_features(table, facts, Path(out))
        place = Place.of(run.workspace.feast, os.environ)
        store = open_store(place, facts["dataset"].replace("-", "_").replace(".", "_"))
        registered = apply(store, place, Path(out))
        moments = table.column("event_timestamp").to_pandas()
        first, last = moments.min().to_pydatetime(), moments.max().to_pydatetime()
        moved = materialize(store, place, first=first, last=last)
        if not moved:
            run.log.warning("online store is newer than %s already, left as it is", last)
        result = {
            "digest": manifest["digest"],
            "rows": manifest["rows"],
            "views": [view.name for view in registered.views],
            "online": "filled" if moved else "newer already",
        }
        run.record(**result)
        return result
