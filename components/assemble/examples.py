"""From features to examples: what was known at each decision, what came of it, and who may see it."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.assemble.labellers import Labeller, labeller_of
from components.core import family as families
from components.core.errors import ArtifactError, DataError
from components.core.family import Family
from components.core.files import fresh_folder, read_json, sha256_of, write_json
from components.core.lineage import FEATURES, carry
from components.core.recipe import HOLDOUT, DataConfig, RecipeConfig
from components.core.run_context import open_run
from components.market.columns import FORECASTS_BY
from components.market.context import MARKET
from components.market.examples_manifest import SEALED, TABLE, examples_digest
from components.market.splits import chronological
from components.market.views import CONTEXT_VIEW, FORECASTS_VIEW, OPTIONS_VIEW
from feature_repo.place import Place
from feature_repo.store import apply, open_store, point_in_time

EMBARGO = "embargo"
SECONDS_PER_YEAR = 365.25 * 86_400

_REMEDY = {
    CONTEXT_VIEW: "Run the daily ingestion again with --context, the folder with funds, yields and news tone",
    OPTIONS_VIEW: "Run the ingestion again with --options, the file of option chains",
}


def read_manifest(folder: Path, member: Family, recipe: RecipeConfig) -> dict[str, Any]:
    """Return the manifest of the features, whose files were checked against it.

    Raises:
        ArtifactError: If a file differs from the manifest.
        DataError: If a view that the recipe reads was not filled.
    """
    manifest = read_json(folder / "manifest.json")
    for name, digest in manifest["files"].items():
        if sha256_of(folder / name) != digest:
            raise ArtifactError(f"{folder / name}: sha256 differs from the manifest. Run the features step again")
    for view in member.reads(recipe):
        if f"{view}.parquet" not in manifest["files"]:
            raise DataError(
                f"no rows of {view}, which {member.name} reads",
                file=str(manifest["source"]),
                remedy=_REMEDY.get(view, "It is made of daily bars: ingest those"),
            )
    return manifest


def decisions(folder: Path, member: Family, labeller: Labeller) -> pd.DataFrame:
    """Return symbol, timestamp, event_timestamp, created and the labeller's inputs of the rows to be labelled.

    Of a family of the market as a whole, the market's name stands for the symbol.
    """
    table = pq.read_table(folder / f"{labeller.view}.parquet", page_checksum_verification=True)
    if member.unit == "market":
        day = table["date"].cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        table = table.append_column("symbol", table["market"]).append_column("timestamp", day)
    return table.select(["symbol", "timestamp", "event_timestamp", "created", *labeller.inputs]).to_pandas()


def labelled(frame: pd.DataFrame, labeller: Labeller, horizon: int) -> pd.DataFrame:
    """Return the spine: symbol, timestamp, event_timestamp, and the labeller's columns, ``label`` first.

    A row whose label's row is not that many rows on in the shared calendar has no label: what came
    after a gap is not what the model predicts. Where a row was restated, there is one decision
    still, and its label is made of the values as they were first known. Of a row that came late
    there is none, and it is nobody's label: nobody knew it when it would have been decided.
    """
    frame = frame.sort_values("created", kind="stable").drop_duplicates(["symbol", "timestamp"])
    frame = frame[frame["created"] <= frame["event_timestamp"]].sort_index(ignore_index=True)
    times, slot = np.unique(frame["timestamp"].to_numpy(), return_inverse=True)
    names, row = np.unique(frame["symbol"].to_numpy(dtype=str), return_inverse=True)
    inputs = np.full((len(names), len(times), len(labeller.inputs)), np.nan)
    inputs[row, slot] = frame[list(labeller.inputs)].to_numpy()
    columns = {name: values[row, slot] for name, values in labeller.label(inputs, horizon).items()}
    return frame[["symbol", "timestamp", "event_timestamp"]].assign(**columns)


def zone_of(timestamps: npt.NDArray[np.datetime64], data: DataConfig) -> npt.NDArray[np.str_]:
    """Return the zone of each row: time is cut once, for all symbols; embargoed bars belong to none."""
    times, slot = np.unique(timestamps, return_inverse=True)
    zones = np.full(len(times), EMBARGO, dtype="<U11")
    for number, (name, rows) in enumerate(chronological(len(times), data.cut).items()):
        zones[rows.start + (data.embargo_bars if number else 0) : rows.stop] = name
    return zones[slot]


def examples_table(folder: Path, member: Family, recipe: RecipeConfig) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the examples of a family and the manifest of the features behind them.

    Raises:
        DataError: If a view that the recipe reads was not filled, or no row is left after its warm-up.
    """
    manifest, labeller, data = read_manifest(folder, member, recipe), labeller_of(member), recipe.data
    needed, columns = columns_of(member.columns), columns_of(member.reads(recipe))
    wanted = service_of(member, recipe)
    with tempfile.TemporaryDirectory() as private:
        # A registry of this step's own: what another run registers meanwhile cannot change these rows.
        place = Place.embedded(Path(private))
        store = open_store(place, "examples")
        apply(store, place, folder)
        spine = labelled(decisions(folder, member, labeller), labeller, data.horizon)
        labels = list(spine.columns[3:])
        spine = spine.assign(market=MARKET)
        joined = point_in_time(store, wanted, spine).to_pandas()
    kept = joined[np.isfinite(joined[needed].to_numpy()).all(axis=1)]
    if kept.empty:
        raise DataError(
            f"{len(joined)} rows, none with all of {len(needed)} features",
            file=str(manifest["source"]),
            remedy="The longest indicator needs 200 bars of history: give longer series, of every companion too",
        )
    if data.max_days is not None:
        kept = kept[kept["timestamp"] > kept["timestamp"].max() - pd.Timedelta(days=data.max_days)]
    kept = kept.assign(zone=zone_of(kept["timestamp"].to_numpy(), data))
    order = ["symbol", "timestamp", "event_timestamp", *columns, *labels, "zone"]
    examples = kept[order].rename(columns={"event_timestamp": "decision_time"})
    return examples.sort_values(["symbol", "timestamp"], ignore_index=True), manifest


def columns_of(views: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the columns of all views, in their order."""
    return [column for names in views.values() for column in names]


def service_of(member: Family, recipe: RecipeConfig) -> str | list[str]:
    """Return what is asked of the feature store: the family's service, or each column where a view is added to it."""
    if not recipe.views:
        return member.feature_service
    return [f"{view}:{column}" for view, columns in member.reads(recipe).items() for column in columns]


def left_out(folder: Path, member: Family, examples: pd.DataFrame) -> list[str]:
    """Return the symbols that have features and yet no example: of those that come short, somebody must hear."""
    view = labeller_of(member).view
    unit = "market" if member.unit == "market" else "symbol"
    names = pq.read_table(folder / f"{view}.parquet", columns=[unit])[unit].unique().to_pylist()
    return sorted(set(names) - set(examples["symbol"]))


def describe(examples: pd.DataFrame, member: Family, recipe: RecipeConfig, source: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of the examples, without the digests of its files."""
    data, times = recipe.data, np.unique(examples["timestamp"].to_numpy())
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
        "service": "+".join([member.feature_service, *recipe.views]),
        "columns": columns_of(member.reads(recipe)),
        "dataset": source["dataset"],
        "source": source["source"],
        "interval": source["interval"],
        "features_digest": source["digest"],
        "snapshot_digest": source["snapshot_digest"],
        "snapshot_seal": source.get("snapshot_seal"),
        "rows": len(examples),
        "symbols": sorted(examples["symbol"].unique().tolist()),
        "bars_per_year": (len(times) - 1) / (span_s / SECONDS_PER_YEAR) if len(times) > 1 else 1.0,
        "window": data.window,
        "horizon": data.horizon,
        "embargo_bars": data.embargo_bars,
        "purge": "windows and labels lie inside one zone; before the holdout, returns too",
        "lookahead": source.get("lookahead"),
        "zones": zones,
        **({"optional": columns_of({view: member.optional[view] for view in recipe.views})} if recipe.views else {}),
        **labeller_of(member).facts,
        **({FORECASTS_BY: source[FORECASTS_BY]} if FORECASTS_VIEW in member.columns else {}),
    }


def blinded(examples: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Return the examples without the outcomes that are made of sealed days, for rows before those.

    A direction's return is earned up to the open after its label's bar: one bar more than the horizon.
    """
    sealed = (examples["zone"] == HOLDOUT).to_numpy()
    if not sealed.any():
        return examples
    _, slot = np.unique(examples["timestamp"].to_numpy(), return_inverse=True)
    near = ~sealed & (slot >= slot[sealed].min() - horizon - 1)
    outcomes = [name for name in ("label", "move", "forward_return") if name in examples]
    return examples.assign(**{name: examples[name].where(~near) for name in outcomes})


def write_tables(folder: Path, examples: pd.DataFrame) -> dict[str, str]:
    """Write the rows, those of the holdout apart, and return the sha256 of each file."""
    sealed = examples["zone"] == HOLDOUT
    files: dict[str, str] = {}
    for name, rows in ((TABLE, examples[~sealed]), (SEALED, examples[sealed])):
        if len(rows):
            table = pa.Table.from_pandas(rows, preserve_index=False)
            pq.write_table(table, folder / name, compression="zstd", write_page_checksum=True)
            files[name] = sha256_of(folder / name)
    return files


def write_examples(folder: Path, examples: pd.DataFrame, manifest: dict[str, Any], features: Path) -> dict[str, Any]:
    """Write the examples, their manifest and those of what they were made of; return the manifest, with its digest."""
    manifest = {**manifest, "files": write_tables(folder, blinded(examples, manifest["horizon"]))}
    manifest["digest"] = examples_digest(manifest)
    write_json(folder / "manifest.json", manifest)
    carry(features, FEATURES, folder)
    return manifest


def assemble(features: str, family: str, recipe: str, *, out: str, root: str, run_key: str) -> dict[str, Any]:
    """Write the examples to ``out`` and return their facts."""
    with open_run("assemble", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        examples, source = examples_table(Path(features), member, config)
        manifest = describe(examples, member, config, source)
        if absent := left_out(Path(features), member, examples):
            run.log.warning(
                "no example of %s: no row has all of %s. Give longer histories, or leave them out with --symbols",
                ", ".join(absent), ", ".join(member.columns),
            )  # fmt: skip
        with fresh_folder(Path(out)) as folder:
            manifest = write_examples(folder, examples, manifest, Path(features))
        facts = {key: manifest[key] for key in ("digest", "rows", "service", "zones")}
        run.record(**facts, columns=len(manifest["columns"]), num_symbols=len(manifest["symbols"]))
        return {"digest": manifest["digest"], "rows": manifest["rows"], "service": manifest["service"]}
