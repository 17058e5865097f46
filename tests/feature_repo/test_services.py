"""The same store on real servers: registry on Postgres, online values in Redis, both started here on loopback."""

import gc
import multiprocessing
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from servers import free_port, postgres_at, wait_for

from components.core.errors import EnvironmentMissingError
from components.market.columns import MACD, TECHNICAL
from feature_repo.online import read_online
from feature_repo.place import REDIS, REGISTRY, Place
from feature_repo.store import apply, materialize, open_store

pytestmark = [
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Exception ignored.*BaseConnection:pytest.PytestUnraisableExceptionWarning"),
]
FIRST, LAST = datetime(2024, 1, 1, 22, tzinfo=UTC), datetime(2024, 1, 20, 22, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(port, child)
    yield f"127.0.0.1:{port}"
    child.terminate()
    child.wait(30)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres_at(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(autouse=True)
def _no_connection_outlives_its_test() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def features(tmp_path: Path) -> Path:
    days = pd.date_range(FIRST, LAST, freq="D").as_unit("us")
    rng = np.random.default_rng(0)
    values = {name: rng.random(len(days)) for name in (*TECHNICAL, *MACD)}
    table = {"symbol": "AAA", "event_timestamp": days, "created": days, **values}
    pd.DataFrame(table).to_parquet(tmp_path / "technical_v1.parquet")
    return tmp_path


def test_a_registry_on_postgres_and_values_in_redis(features: Path, tmp_path: Path, postgres: str, redis: str) -> None:
    place = Place.of(tmp_path / "feast", {REGISTRY: postgres, REDIS: redis})
    store = open_store(place, "cluster")
    apply(store, place, features)
    assert materialize(store, place, views=["technical_v1"], first=FIRST, last=LAST)
    again = open_store(place, "cluster")
    [row, absent] = read_online(again, "price_action_v1", ["AAA", "ZZZ"], now=LAST + DAY, max_age=2 * DAY)
    newest = pd.read_parquet(features / "technical_v1.parquet").iloc[-1]
    assert row.features == {name: newest[name] for name in TECHNICAL}
    assert (row.event_timestamp, row.reason) == (LAST, "fresh")
    assert (absent.features, absent.reason) == (None, "absent")
    assert not list((tmp_path / "feast").glob("*.sqlite"))


def test_an_old_online_value_is_stale_and_not_served(features: Path, tmp_path: Path, redis: str) -> None:
    place = Place.of(tmp_path / "feast", {REDIS: redis})
    store = open_store(place, "aged")
    apply(store, place, features)
    assert materialize(store, place, views=["technical_v1"], first=FIRST, last=LAST)
    [row] = read_online(store, "price_action_v1", ["AAA"], now=LAST + 5 * DAY, max_age=4 * DAY)
    assert (row.features, row.reason, row.event_timestamp) == (None, "stale", LAST)


def test_a_restated_value_wins_in_redis_and_one_of_an_older_day_does_not(
    features: Path, tmp_path: Path, redis: str
) -> None:
    place = Place.of(tmp_path / "feast", {REDIS: redis})
    store = open_store(place, "restated")
    apply(store, place, features)
    assert materialize(store, place, views=["technical_v1"], first=FIRST, last=LAST)
    table = pd.read_parquet(features / "technical_v1.parquet")
    versions = [table.iloc[[-2]].assign(close=-2.0, created=LAST + 2 * DAY)]
    versions.append(table.iloc[[-1]].assign(close=-1.0, created=LAST + DAY))
    pd.concat([table, *versions]).to_parquet(features / "technical_v1.parquet")
    for last in (LAST + DAY, LAST + 2 * DAY):
        assert materialize(store, place, views=["technical_v1"], first=FIRST, last=last)
        [row] = read_online(store, "price_action_v1", ["AAA"], now=LAST, max_age=DAY)
        assert row.features is not None
        assert (row.features["close"], row.event_timestamp) == (-1.0, LAST)


def _apply(folder: str, features: Path, registry: str, number: int) -> None:
    place = Place.of(Path(folder) / str(number), {REGISTRY: registry})
    apply(open_store(place, f"project{number}"), place, features)


def test_of_three_hosts_that_apply_at_once_none_loses_a_view(features: Path, tmp_path: Path, postgres: str) -> None:
    with subprocess.Popen(["psql", postgres.replace("+psycopg", ""), "-c", "create database race"],
                          stdout=subprocess.DEVNULL) as made:  # fmt: skip
        assert made.wait(30) == 0
    registry = postgres.replace("/postgres", "/race")
    context = multiprocessing.get_context("spawn")
    hosts = [context.Process(target=_apply, args=(str(tmp_path), features, registry, number)) for number in range(3)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join(180)
        assert host.exitcode == 0
    place = Place.of(tmp_path / "reader", {REGISTRY: registry})
    for number in range(3):
        names = [view.name for view in open_store(place, f"project{number}").list_feature_views()]
        assert "technical_v1" in names


def test_a_file_registry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissingError, match="want postgresql"):
        Place.of(tmp_path, {REGISTRY: "/shared/registry.db"})
