"""Loading the online store again and again: only what became known since, nothing lost, nothing put back."""

import multiprocessing
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from feast import FeatureStore

from components.core.files import read_json
from components.market.columns import MACD, TECHNICAL
from feature_repo.asof import AsofOfflineStore
from feature_repo.place import REDIS, Place
from feature_repo.store import apply, materialize, open_store

VIEW = "technical_v1"
DAY = timedelta(days=1)
FIRST, LAST = datetime(2024, 1, 1, 22, tzinfo=UTC), datetime(2024, 1, 9, 22, tzinfo=UTC)
COLUMNS = (*TECHNICAL, *MACD)


def row(symbol: str, event: datetime, value: float, *, created: datetime | None = None) -> dict[str, object]:
    return {"symbol": symbol, "event_timestamp": event, "created": created or event, **dict.fromkeys(COLUMNS, value)}


def days(symbol: str, last: datetime = LAST) -> list[dict[str, object]]:
    """Return one row per day; the value is the day of the month."""
    return [row(symbol, FIRST + number * DAY, number + 1.0) for number in range((last - FIRST).days + 1)]


@dataclass(frozen=True)
class Online:
    """A feature store over one view whose file is written anew at will."""

    folder: Path
    place: Place
    store: FeatureStore

    def write(self, rows: list[dict[str, object]]) -> None:
        frame = pd.DataFrame(rows)
        for name in ("event_timestamp", "created"):
            frame[name] = pd.DatetimeIndex(frame[name]).as_unit("us")
        frame.to_parquet(self.folder / f"{VIEW}.parquet")

    def load(self, last: datetime) -> bool:
        return materialize(self.store, self.place, views=[VIEW], first=FIRST, last=last)

    def put(self, symbol: str, value: float) -> None:
        """Write a value past all marks: only a load of that symbol replaces it."""
        frame = pd.DataFrame([row(symbol, LAST, value)])
        self.store.write_to_online_store(VIEW, frame)

    def values(self, *symbols: str) -> list[float | None]:
        entities = [{"symbol": symbol} for symbol in symbols]
        return self.store.get_online_features(features=[f"{VIEW}:rsi_14"], entity_rows=entities).to_dict()["rsi_14"]


@pytest.fixture
def online(tmp_path: Path) -> Online:
    place = Place.embedded(tmp_path / "feast")
    store = open_store(place, "test")
    apply(store, place, tmp_path)
    return Online(tmp_path, place, store)


@pytest.fixture
def loaded(online: Online) -> Online:
    """Two symbols up to the ninth day are loaded; then AAA is overwritten, so that writing it again shows."""
    online.write([*days("AAA"), *days("BBB")])
    assert online.load(LAST)
    assert online.values("AAA", "BBB") == [9.0, 9.0]
    online.put("AAA", -1.0)
    return online


def test_another_day_of_one_symbol_loads_that_symbol_alone(loaded: Online) -> None:
    loaded.write([*days("AAA"), *days("BBB", LAST + DAY)])
    assert loaded.load(LAST + DAY)
    assert loaded.values("AAA", "BBB") == [-1.0, 10.0]


def test_the_same_again_loads_nothing(loaded: Online) -> None:
    assert loaded.load(LAST)
    assert loaded.values("AAA", "BBB") == [-1.0, 9.0]


def test_a_late_row_of_an_older_day_puts_nothing_back_and_of_a_new_symbol_is_loaded(loaded: Online) -> None:
    late = [row(symbol, FIRST + timedelta(hours=1), 77.0, created=LAST + DAY) for symbol in ("AAA", "BBB", "CCC")]
    loaded.write([*days("AAA"), *days("BBB"), *late])
    assert loaded.load(LAST + DAY)
    assert loaded.values("AAA", "BBB", "CCC") == [-1.0, 9.0, 77.0]


def test_a_restated_newest_row_wins_and_a_restated_older_one_does_not(loaded: Online) -> None:
    restated = [
        row("AAA", LAST - DAY, 8.5, created=LAST + DAY),
        row("BBB", LAST, 9.5, created=LAST + DAY),
        row("BBB", LAST - DAY, 8.5, created=LAST + 2 * DAY),
    ]
    loaded.write([*days("AAA"), *days("BBB"), *restated])
    assert loaded.load(LAST + DAY)
    assert loaded.values("AAA", "BBB") == [-1.0, 9.5]
    assert loaded.load(LAST + 2 * DAY)
    assert loaded.values("AAA", "BBB") == [-1.0, 9.5]


def test_a_correction_that_is_not_known_yet_waits(loaded: Online) -> None:
    loaded.write([*days("AAA"), *days("BBB"), row("BBB", LAST, 9.5, created=LAST + 2 * DAY)])
    assert loaded.load(LAST + DAY)
    assert loaded.values("BBB") == [9.0]
    assert loaded.load(LAST + 2 * DAY)
    assert loaded.values("BBB") == [9.5]


def test_an_older_run_afterwards_leaves_it(loaded: Online) -> None:
    assert not loaded.load(LAST - DAY)
    assert loaded.values("AAA", "BBB") == [-1.0, 9.0]


@pytest.mark.parametrize("change", ["a value", "a row more", "a row less"])
def test_rows_that_are_no_longer_those_of_the_last_load_are_loaded_whole(loaded: Online, change: str) -> None:
    rows = [*days("AAA"), *days("BBB")]
    if change == "a value":
        rows[0]["rsi_14"] = 3.0
    elif change == "a row more":
        rows.append(row("AAA", FIRST + timedelta(hours=1), 3.0))
    else:
        del rows[0]
    loaded.write(rows)
    assert loaded.load(LAST)
    assert loaded.values("AAA", "BBB") == [9.0, 9.0]


def _load(folder: Path, last: datetime) -> None:
    place = Place.embedded(folder / "feast")
    materialize(open_store(place, "test"), place, views=[VIEW], first=FIRST, last=last)


def test_a_load_that_is_killed_is_completed_and_never_put_back(loaded: Online) -> None:
    loaded.write([*days("AAA", LAST + 2 * DAY), *days("BBB", LAST + 2 * DAY)])
    child = multiprocessing.get_context("spawn").Process(target=_load, args=(loaded.folder, LAST + 2 * DAY))
    with sqlite3.connect(loaded.folder / "feast" / "online.db") as writer:
        writer.execute("begin immediate")  # the child can write nothing
        child.start()
        deadline = time.monotonic() + 60
        reached = (LAST + 2 * DAY).isoformat()
        while read_json(loaded.folder / "feast" / "loaded-test.json")["reached"] != reached:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.kill()
        child.join(30)
        writer.rollback()
    writer.close()
    assert loaded.values("AAA", "BBB") == [-1.0, 9.0]
    assert not loaded.load(LAST + DAY)  # some of the killed load's newer values may be there
    assert loaded.load(LAST + 2 * DAY)
    assert loaded.values("AAA", "BBB") == [11.0, 11.0]


@pytest.mark.parametrize("seed", range(5))
def test_span_after_span_the_newest_rows_are_those_of_a_brute_force_oracle(online: Online, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        row(symbol, event := FIRST + int(day) * DAY, float(value), created=event + int(wait) * DAY)
        for value, (symbol, day, wait) in enumerate(
            zip(
                rng.choice(["AAA", "BBB", "CCC"], 60),
                rng.integers(0, 12, 60),
                rng.choice([0, 0, 1, 5], 60),
                strict=True,
            )
        )
    ]
    rows = list({(item["symbol"], item["event_timestamp"], item["created"]): item for item in rows}.values())
    online.write(rows)
    source = online.store.get_feature_view(VIEW).batch_source
    held: dict[object, object] = {}
    start = FIRST - DAY
    for stop in sorted(FIRST + int(day) * DAY for day in rng.choice(18, 6, replace=False)):
        found = AsofOfflineStore.pull_latest_from_table_or_query(
            online.store.config, source, ["symbol"], ["rsi_14"], "event_timestamp", "created", start, stop
        ).to_arrow()
        held |= dict(zip(found["symbol"].to_pylist(), found["rsi_14"].to_pylist(), strict=True))
        known = [item for item in rows if item["created"] <= stop]
        ordered = sorted(known, key=lambda item: (item["event_timestamp"], item["created"]))
        assert held == {item["symbol"]: item["rsi_14"] for item in ordered}
        start = stop


def test_redis_takes_a_restated_value_of_the_same_event_time(tmp_path: Path) -> None:
    """Feast's own check would refuse it; the real server is in test_services.py."""
    assert Place.of(tmp_path, {REDIS: "127.0.0.1:6379"}).online["skip_dedup"] is True
