"""Filling an online store with the newest of 630,000 rows: ours, and Feast's way with its duckdb offline store.

500 symbols x 1,260 days of the technical view, the same parquet file, the same definitions, each into a SQLite
online store of its own, empty before every run. What the stores serve afterwards is compared, value by value. Feast
as it comes pulls all rows and drops the older ones; told to (``pull_latest_features``), duckdb finds the newest.
"""

import contextlib
import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import measure

# isort: split
import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore
from feast.repo_config import RepoConfig

from components.market.columns import MACD, TECHNICAL
from feature_repo.definitions import TECHNICAL_VIEW, definitions
from feature_repo.place import Place
from feature_repo.store import apply, materialize, open_store

ROUNDS = 5
COLUMNS = (*TECHNICAL, *MACD)


def write(folder: Path, symbols: int, num_days: int) -> tuple[datetime, datetime]:
    """Write the view's file to ``folder``; return the times of its first and last rows."""
    rng = np.random.default_rng(0)
    times = pd.bdate_range("2017-01-02", periods=num_days, tz="UTC").as_unit("us") + pd.Timedelta(hours=22)
    moments = pa.array(np.tile(times.to_numpy(), symbols), pa.timestamp("us", "UTC"))
    names = [f"SYN{number:03d}" for number in range(symbols)]
    table = pa.table({"symbol": np.repeat(names, num_days), "event_timestamp": moments, "created": moments})
    for name in COLUMNS:
        table = table.append_column(name, pa.array(rng.standard_normal(table.num_rows)))
    pq.write_table(table, folder / f"{TECHNICAL_VIEW}.parquet", compression="zstd")
    return times[0].to_pydatetime(), times[-1].to_pydatetime()


def feast_store(folder: Path, features: Path, *, newest: bool) -> FeatureStore:
    """Return Feast's own kind of store, with the product's definitions registered."""
    folder.mkdir()
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{folder}/registry.sqlite"},
        offline_store={"type": "duckdb"},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        materialization={"pull_latest_features": newest},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    store, wanted = FeatureStore(config=config), definitions(features)
    store.apply([*wanted.entities, *wanted.views, *wanted.services], skip_feature_view_validation=True)
    return store


def our_store(folder: Path, features: Path) -> tuple[FeatureStore, Place]:
    """Return the product's store, with its definitions registered."""
    place = Place.embedded(folder)
    store = open_store(place, "benchmark")
    apply(store, place, features)
    return store, place


def served(store: FeatureStore, symbols: int) -> pd.DataFrame:
    """Return what the online store holds for every symbol."""
    rows = [{"symbol": f"SYN{number:03d}"} for number in range(symbols)]
    wanted = [f"{TECHNICAL_VIEW}:{name}" for name in COLUMNS]
    return store.get_online_features(features=wanted, entity_rows=rows).to_df()


def fill_ours(prepared: Iterator[tuple[FeatureStore, Place]], span: tuple[datetime, datetime]) -> FeatureStore:
    """Fill the next store by the product's function."""
    store, place = next(prepared)
    with contextlib.redirect_stdout(io.StringIO()):
        filled = materialize(store, place, views=[TECHNICAL_VIEW], first=span[0], last=span[1])
    assert filled
    return store


def fill_feast(prepared: Iterator[FeatureStore], span: tuple[datetime, datetime]) -> FeatureStore:
    """Fill the next store by Feast's function."""
    store, second = next(prepared), timedelta(seconds=1)
    with contextlib.redirect_stdout(io.StringIO()):
        store.materialize(start_date=span[0] - second, end_date=span[1] + second, feature_views=[TECHNICAL_VIEW])
    ibis.options.default_backend = None
    return store


def ways(folder: Path, features: Path, span: tuple[datetime, datetime]) -> dict[str, Callable[[], FeatureStore]]:
    """Return the contenders, each with enough empty stores."""
    runs = range(ROUNDS + 2)
    ours = iter([our_store(folder / f"ours{run}", features) for run in runs])
    newest = iter([feast_store(folder / f"newest{run}", features, newest=True) for run in runs])
    every = iter([feast_store(folder / f"every{run}", features, newest=False) for run in range(3)])
    return {
        "ours": lambda: fill_ours(ours, span),
        "Feast, duckdb, newest rows": lambda: fill_feast(newest, span),
        "Feast, duckdb, as it comes": lambda: fill_feast(every, span),
    }


def main(symbols: int, num_days: int) -> None:
    """Compare and print."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        span = write(folder, symbols, num_days)
        contenders = ways(folder, folder, span)
        found = {title: served(run(), symbols) for title, run in contenders.items()}
        mine, *others = found.values()
        assert mine.notna().to_numpy().all()
        for other in others:
            pd.testing.assert_frame_equal(mine, other)
        print(f"{len(mine)} symbols x {len(COLUMNS)} features served, all equal")
        rows = symbols * num_days
        results = measure.measure(
            {
                title: measure.Contender(run, rows, len(COLUMNS), 1 if "comes" in title else None)
                for title, run in contenders.items()
            },
            rounds=ROUNDS,
        )
        ours, *peers = contenders
        measure.show(
            f"Online store filled from {rows} rows x {len(COLUMNS)} features", results, against={ours: peers[0]}
        )
        print(f"  {ours} / {peers[1]}: {measure.ratio(results[ours], results[peers[1]]):.1f}x")


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:]) if sys.argv[1:] else (500, 1260)))
