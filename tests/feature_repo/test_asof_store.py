"""The as-of store equals a brute-force oracle, and Feast's own DuckDB store where that one is right."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.repo_config import RepoConfig
from feast.types import Float64, String

START = datetime(2024, 1, 1, tzinfo=UTC)
KEY = Entity(name="symbol", join_keys=["symbol"], value_type=ValueType.STRING)


@dataclasses.dataclass(frozen=True)
class Case:
    """Random history with gaps, nulls and restatements, and a spine that asks of it."""

    history: pd.DataFrame
    spine: pd.DataFrame


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for symbol in ("AAA", "BBB", "CCC"):
        for day in range(30):
            if rng.random() < 0.3:
                continue
            event = START + timedelta(days=day)
            for version in range(1 + int(rng.integers(0, 3))):
                created = event + timedelta(hours=1, days=version * int(rng.integers(1, 9)))
                value = None if rng.random() < 0.1 else float(rng.integers(0, 10**6))
                rows.append({"symbol": symbol, "event_timestamp": event, "created": created, "value": value})
    history = (
        pd.DataFrame(rows).drop_duplicates(["symbol", "event_timestamp", "created"]).sample(frac=1, random_state=seed)
    )
    asked = [
        (symbol, START + timedelta(hours=float(hour)))
        for symbol in ("AAA", "BBB", "CCC", "ZZZ")
        for hour in rng.integers(-48, 40 * 24, 25)
    ]
    spine = pd.DataFrame(asked, columns=["symbol", "event_timestamp"])
    spine = pd.concat([spine, spine.head(2)], ignore_index=True)
    for frame in (history, spine):
        for column in frame.columns.intersection(["event_timestamp", "created"]):
            frame[column] = pd.to_datetime(frame[column], utc=True).dt.as_unit("us")
    return Case(history, spine)


def oracle(case: Case, ttl: timedelta, *, known: bool) -> list[float]:
    """Return each spine row's value by looking at every row of the history."""
    answers: list[float] = []
    for symbol, asked in zip(case.spine["symbol"], case.spine["event_timestamp"], strict=True):
        best: tuple[object, object] | None = None
        answer = float("nan")
        for row in case.history[case.history["symbol"] == symbol].itertuples():
            if row.event_timestamp > asked or (known and row.created > asked):
                continue
            if ttl and row.event_timestamp < asked - ttl:
                continue
            if best is None or (row.event_timestamp, row.created) > best:
                best, answer = (row.event_timestamp, row.created), row.value
        answers.append(answer)
    return answers


def answers(folder: Path, case: Case, ttl: timedelta, *, kind: str, known: bool) -> list[float]:
    case.history.to_parquet(folder / "history.parquet")
    config = RepoConfig(
        project="case",
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{folder}/registry.sqlite"},
        offline_store={"type": kind},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    view = FeatureView(
        name="view",
        entities=[KEY],
        ttl=ttl,
        schema=[Field(name="symbol", dtype=String), Field(name="value", dtype=Float64)],
        source=FileSource(
            name="source",
            path=str(folder / "history.parquet"),
            file_format=ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        ),
    )
    store = FeatureStore(config=config)
    store.apply([KEY, view])
    table = store.get_historical_features(
        entity_df=case.spine.copy(), features=["view:value"], filter_by_created_timestamp=known
    ).to_arrow()
    assert table.num_rows == len(case.spine)
    assert table.column("symbol").to_pylist() == case.spine["symbol"].tolist()
    return table.column("value").to_numpy(zero_copy_only=False).tolist()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("days", [0, 1, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_brute_force_oracle(tmp_path: Path, seed: int, days: int, known: bool) -> None:
    case, ttl = random_case(seed), timedelta(days=days)
    got = answers(tmp_path, case, ttl, kind="feature_repo.asof.AsofOfflineStore", known=known)
    np.testing.assert_array_equal(got, oracle(case, ttl, known=known))
    assert np.isfinite(got).sum() > 20


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
def test_equals_the_duckdb_store_where_nothing_was_restated(tmp_path: Path) -> None:
    case = random_case(3)
    case = dataclasses.replace(case, history=case.history.drop_duplicates(["symbol", "event_timestamp"]))
    case = dataclasses.replace(case, spine=case.spine.drop_duplicates())
    ttl = timedelta(days=5)
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours = answers(tmp_path / "ours", case, ttl, kind="feature_repo.asof.AsofOfflineStore", known=False)
    spine = case.spine.assign(value=ours)
    theirs = answers(tmp_path / "theirs", case, ttl, kind="duckdb", known=False)
    np.testing.assert_array_equal(spine["value"], theirs)
