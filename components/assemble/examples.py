"""From features to examples: what was known at each decision, what came of it, and who may see it."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.core import family as families
from components.core.errors import ArtifactError, DataError
from components.core.family import Family
from components.core.files import fresh_folder, read_json, sha256_of, write_json
from components.core.recipe import DataConfig
from components.core.run_context import open_run
from components.market.context import MARKET
from components.market.examples_manifest import examples_digest
from components.market.labels import next_direction, next_open_return
from components.market.splits import chronological
from feature_repo.definitions import TECHNICAL_VIEW
from feature_repo.place import Place
from feature_repo.store import apply, open_store, point_in_time

EMBARGO = "embargo"
SECONDS_PER_YEAR = 365.25 * 86_400


def read_features(folder: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return the feature table and its manifest.

    Raises:
        ArtifactError: If a file differs from the manifest.
    """
    manifest = read_json(folder / "manifest.json")
    for name, digest in manifest["files"].items():
        if sha256_of(folder / name) != digest:
            raise ArtifactError(f"{folder / name}: sha256 differs from the manifest. Run the features step again")
    path = folder / f"{TECHNICAL_VIEW}.parquet"
    return pq.read_table(path, page_checksum_verification=True), manifest


def labelled(table: pa.Table) -> pd.DataFrame:
    """Return the spine: symbol, timestamp, event_timestamp, label, forward_return.

    A row whose successor is not the next row of the shared calendar has no label: what came
    after a gap is not what the model predicts. Where a row was restated, there is one decision
    still, and its label is made of the prices as they were first known. Of a bar that came late
    there is none, and it is no successor: nobody knew it when it would have been decided.
    """
    frame = table.select(["symbol", "timestamp", "event_timestamp", "created", "open", "close"]).to_pandas()
    frame = frame.sort_values("created", kind="stable").drop_duplicates(["symbol", "timestamp"])
    frame = frame[frame["created"] <= frame["event_timestamp"]].sort_index(ignore_index=True)
    times, slot = np.unique(frame["timestamp"].to_numpy(), return_inverse=True)
    names, row = np.unique(frame["symbol"].to_numpy(dtype=str), return_inverse=True)
    opens, closes = (np.full((len(names), len(times)), np.nan) for _ in range(2))
    opens[row, slot] = frame["open"].to_numpy()
    closes[row, slot] = frame["close"].to_numpy()
    spine = frame[["symbol", "timestamp", "event_timestamp"]].copy()
    spine["label"] = next_direction(closes)[row, slot]
    spine["forward_return"] = next_open_return(opens)[row, slot]
    return spine


def zone_of(timestamps: npt.NDArray[np.datetime64], data: DataConfig) -> npt.NDArray[np.str_]:
    """Return the zone of each row: time is cut once, for all symbols; embargoed bars belong to none."""
    times, slot = np.unique(timestamps, return_inverse=True)
    zones = np.full(len(times), EMBARGO, dtype="<U11")
    for number, (name, rows) in enumerate(chronological(len(times), data.cut).items()):
        zones[rows.start + (data.embargo_bars if number else 0) : rows.stop] = name
    return zones[slot]


def examples_table(folder: Path, member: Family, data: DataConfig) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the examples of a family and the manifest of the features behind them.

    Raises:
        DataError: If no row is left after the warm-up of the features.
    """
    table, manifest = read_features(folder)
    columns = [column for names in member.columns.values() for column in names]
    with tempfile.TemporaryDirectory() as private:
        # A registry of this step's own: what another run registers meanwhile cannot change these rows.
        place = Place.embedded(Path(private))
        store = open_store(place, "examples")
        apply(store, place, folder)
        spine = labelled(table).assign(market=MARKET)
        joined = point_in_time(store, member.feature_service, spine).to_pandas()
    kept = joined[np.isfinite(joined[columns].to_numpy()).all(axis=1)]
    if kept.empty:
        raise DataError(
            f"{len(joined)} rows, none with all of {len(columns)} features",
            file=str(manifest["source"]),
            remedy="The longest indicator needs 200 bars of history: give longer series",
        )
    kept = kept.assign(zone=zone_of(kept["timestamp"].to_numpy(), data))
    order = ["symbol", "timestamp", "event_timestamp", *columns, "label", "forward_return", "zone"]
    examples = kept[order].rename(columns={"event_timestamp": "decision_time"})
    return examples.sort_values(["symbol", "timestamp"], ignore_index=True), manifest


def describe(examples: pd.DataFrame, member: Family, data: DataConfig, source: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of the examples, without the digests of its files."""
    times = np.unique(examples["timestamp"].to_numpy())
    span_s = float((times[-1] - times[0]) / np.timedelta64(1, "s")) if len(times) > 1 else SECONDS_PER_YEAR
    zones = {
        str(zone): {
            "rows": len(part),
            "timestamps": int(part["timestamp"].nunique()),
            "first": part["timestamp"].min().isoformat(),
            "last": part["timestamp"].max().isoformat(),
        }
        for zone, part in examples.groupby("zone")
    }
    return {
        "family": member.name,
        "service": member.feature_service,
        "columns": [column for names in member.columns.values() for column in names],
        "dataset": source["dataset"],
        "source": source["source"],
        "interval": source["interval"],
        "features_digest": source["digest"],
        "snapshot_digest": source["snapshot_digest"],
        "rows": len(examples),
        "symbols": sorted(examples["symbol"].unique().tolist()),
        "bars_per_year": (len(times) - 1) / (span_s / SECONDS_PER_YEAR) if len(times) > 1 else 1.0,
        "window": data.window,
        "horizon": data.horizon,
        "embargo_bars": data.embargo_bars,
        "purge": "windows and labels lie inside one zone",
        "zones": zones,
    }


def assemble(features: str, family: str, recipe: str, *, out: str, root: str, run_key: str) -> dict[str, Any]:
    """Write the examples to ``out`` and return their facts."""
    with open_run("assemble", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        examples, source = examples_table(Path(features), member, config.data)
        manifest = describe(examples, member, config.data, source)
        with fresh_folder(Path(out)) as folder:
            path = folder / "examples.parquet"
            table = pa.Table.from_pandas(examples, preserve_index=False)
            pq.write_table(table, path, compression="zstd", write_page_checksum=True)
            manifest["files"] = {path.name: sha256_of(path)}
            manifest["digest"] = examples_digest(manifest)
            write_json(folder / "manifest.json", manifest)
        facts = {key: manifest[key] for key in ("digest", "rows", "service", "zones")}
        run.record(**facts, columns=len(manifest["columns"]), num_symbols=len(manifest["symbols"]))
        return {"digest": manifest["digest"], "rows": manifest["rows"], "service": manifest["service"]}
