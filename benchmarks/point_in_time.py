"""A training set of 630,000 rows x 88 features, as known at each decision: our store, Feast's and bare polars.

500 symbols x 1,260 days: 40 columns of the close at 22:00 UTC, 40 of options stamped 02:00 the next day with
5 % of the rows missing, and 8 of the whole market. Values live 7 days. The stores read the same parquet files
through the same Feast API; bare polars has the join keys and columns written down by hand and is the limit.
"""

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import measure

# isort: split
import duckdb
import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.repo_config import RepoConfig
from feast.types import Float32, String

TTL = timedelta(days=7)
ROUNDS = 3
OURS = "feature_repo.asof.AsofOfflineStore"
COLUMNS = {"technical": 40, "options": 40, "context": 8}
ENTITIES = {"technical": "symbol", "options": "symbol", "context": "market"}


def days(count: int) -> pd.DatetimeIndex:
    """Return the decision times: 22:00 UTC of ``count`` weekdays."""
    return pd.bdate_range("2017-01-02", periods=count, tz="UTC").as_unit("us") + pd.Timedelta(hours=22)


def write(folder: Path, symbols: int, num_days: int) -> pd.DataFrame:
    """Write the three feature files to ``folder`` and return the spine."""
    rng = np.random.default_rng(0)
    times, names = days(num_days), [f"SYN{number:03d}" for number in range(symbols)]
    spine = pd.DataFrame({"symbol": np.repeat(names, num_days), "event_timestamp": np.tile(times, symbols)})
    spine["market"] = "US"
    shifts = {"technical": timedelta(0), "options": timedelta(hours=4), "context": timedelta(0)}
    for view, width in COLUMNS.items():
        keys = [ENTITIES[view], "event_timestamp"]
        rows = spine[keys].drop_duplicates(ignore_index=True)
        if view == "options":
            rows = rows[rng.random(len(rows)) >= 0.05]  # noqa: PLR2004
        rows = rows.assign(event_timestamp=rows["event_timestamp"] + shifts[view])
        values = rng.standard_normal((width, len(rows)), dtype=np.float32)
        table = pa.Table.from_pandas(rows.assign(created=rows["event_timestamp"]), preserve_index=False)
        for number in range(width):
            table = table.append_column(f"{view}_{number:02d}", pa.array(values[number]))
        pq.write_table(table, folder / f"{view}.parquet", compression="zstd")
    return spine


def store(folder: Path, kind: str) -> FeatureStore:
    """Return a store of that kind over the files in ``folder``."""
    place = folder / kind
    place.mkdir(exist_ok=True)
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{place}/registry.sqlite"},
        offline_store={"type": kind},
        online_store={"type": "sqlite", "path": str(place / "online.db")},
        entity_key_serialization_version=3,
        repo_path=place,
    )
    entities = {name: Entity(name=name, join_keys=[name], value_type=ValueType.STRING) for name in ("symbol", "market")}
    views = [
        FeatureView(
            name=view,
            entities=[entities[ENTITIES[view]]],
            ttl=TTL,
            schema=[
                Field(name=ENTITIES[view], dtype=String),
                *(Field(name=f"{view}_{number:02d}", dtype=Float32) for number in range(width)),
            ],
            source=FileSource(
                name=f"{view}_source",
                path=str(folder / f"{view}.parquet"),
                file_format=ParquetFormat(),
                timestamp_field="event_timestamp",
                created_timestamp_column="created",
            ),
        )
        for view, width in COLUMNS.items()
    ]
    opened = FeatureStore(config=config)
    opened.apply([*entities.values(), *views])
    return opened


def from_store(opened: FeatureStore, spine: pd.DataFrame, *, known: bool) -> pa.Table:
    """Return the training set through Feast's API."""
    wanted = [f"{view}:{view}_{number:02d}" for view, width in COLUMNS.items() for number in range(width)]
    job = opened.get_historical_features(entity_df=spine, features=wanted, filter_by_created_timestamp=known)
    return job.to_arrow()


def by_hand(folder: Path, spine: pd.DataFrame) -> pa.Table:
    """Return the training set by polars alone, for these files and no others."""
    rows = pl.from_pandas(spine).with_row_index("row").sort("event_timestamp")
    for view, key in ENTITIES.items():
        history = pl.read_parquet(folder / f"{view}.parquet").drop("created").sort("event_timestamp")
        rows = rows.join_asof(history, on="event_timestamp", by=key, tolerance=TTL, check_sortedness=False)
    return rows.sort("row").drop("row").to_arrow()


def in_order(table: pa.Table) -> dict[str, np.ndarray]:
    """Return the columns with rows by symbol and time, NaN where empty."""
    sorted_rows = table.sort_by([("symbol", "ascending"), ("event_timestamp", "ascending")])
    return {
        name: sorted_rows[name].to_numpy(zero_copy_only=False)
        for name in sorted_rows.column_names
        if name[-2:].isdigit()
    }


def check(folder: Path, stores: dict[str, FeatureStore], spine: pd.DataFrame) -> None:
    """Compare every value of the three ways."""
    expected = in_order(by_hand(folder, spine))
    for kind, opened in stores.items():
        found = in_order(from_store(opened, spine, known=False))
        assert set(found) == set(expected), kind
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, err_msg=f"{kind} {name}")
    share = np.isfinite(expected["options_00"]).mean()
    print(f"{len(spine)} rows x {len(expected)} features, all equal; {share:.1%} of the option rows have a value")


def ways(folder: Path, spine: pd.DataFrame, stores: dict[str, FeatureStore]) -> dict[str, Callable[[], pa.Table]]:
    """Return the contenders; the last is the peer."""
    return {
        "ours, by event and knowledge time": lambda: from_store(stores[OURS], spine, known=True),
        "ours, by event time": lambda: from_store(stores[OURS], spine, known=False),
        "polars by hand, by event time": lambda: by_hand(folder, spine),
        f"Feast's duckdb store {duckdb.__version__}": lambda: from_store(stores["duckdb"], spine, known=False),
    }


def compare(symbols: int, num_days: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spine = write(folder, symbols, num_days)
        spine.to_parquet(folder / "spine.parquet")
        stores = {kind: store(folder, kind) for kind in (OURS, "duckdb")}
        check(folder, stores, spine)
        rows, columns = len(spine), sum(COLUMNS.values())
        contenders = ways(folder, spine, stores)
        results = measure.measure(
            {title: measure.Contender(run, rows, columns) for title, run in contenders.items()}, rounds=ROUNDS
        )
        *mine, peer = contenders
        measure.show(f"Point in time, {rows} rows x {columns} features", results, against=dict.fromkeys(mine, peer))
        limit = results["polars by hand, by event time"]
        print(f"  ours, by event time / polars by hand: {measure.ratio(results['ours, by event time'], limit):.2f}x")
        for title in contenders:
            print(f"  peak of a process that does only this: {title} {alone_mib(title, folder):.0f} MiB")


def alone_mib(title: str, folder: Path) -> float:
    """Return the peak memory of a process that does one job once."""
    return measure.peak_alone_mib(__file__, "--alone", title, str(folder))


def alone(title: str, folder: Path) -> None:
    """Do one job once."""
    stores = {kind: store(folder, kind) for kind in (OURS, "duckdb")}
    measure.run_alone(ways(folder, pd.read_parquet(folder / "spine.parquet"), stores)[title])


def main() -> None:
    """Compare, by default at full size; arguments: the number of symbols and of days."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    connection = ibis.duckdb.connect(threads=1)
    ibis.set_backend(connection)
    if sys.argv[1:2] == ["--alone"]:
        alone(sys.argv[2], Path(sys.argv[3]))
    else:
        compare(*(map(int, sys.argv[1:]) if sys.argv[1:] else (500, 1260)))
    ibis.options.default_backend = None
    connection.disconnect()


if __name__ == "__main__":
    main()
