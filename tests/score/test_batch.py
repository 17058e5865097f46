"""The score step: which windows, in which order, by whom, and what the online store then says."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.core import family as families
from components.core.files import digest_of, read_json, sha256_of, write_json
from components.core.workspace import Workspace
from components.market.columns import TECHNICAL
from components.score.batch import Grid, predict, score
from components.score.rows import decisions
from components.serving.source import Answer
from feature_repo.online import read_online
from feature_repo.place import Place
from feature_repo.store import apply, open_store

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

WINDOW = 64
FIRST = pd.Timestamp("2024-01-01", tz="UTC")


def rows(symbol: str, days: list[int], start: float = 0.0) -> pd.DataFrame:
    times = FIRST + pd.to_timedelta(days, unit="D")
    known = times + pd.Timedelta(hours=22)
    values = {name: np.arange(len(days)) + start + place / 100 for place, name in enumerate(TECHNICAL)}
    frame = {"symbol": symbol, "timestamp": times, "event_timestamp": known, "created": known, **values}
    return pd.DataFrame(frame)


def written(folder: Path, frame: pd.DataFrame) -> Path:
    """Write a features folder the way the features step does."""
    folder.mkdir(parents=True)
    for name in ("timestamp", "event_timestamp", "created"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    frame.to_parquet(folder / "technical_v1.parquet", index=False)
    files = {"technical_v1.parquet": sha256_of(folder / "technical_v1.parquet")}
    facts = {"dataset": "toy", "source": "test", "interval": "daily", "snapshot_digest": "s", "files": files}
    write_json(folder / "manifest.json", {**facts, "digest": digest_of(facts)})
    return folder


def last_value(windows: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    return {"probability": windows[:, -1, 0], "signal": windows[:, 0, 0] > 0}


def grid_of(frame: pd.DataFrame) -> Grid:
    return Grid.of(frame.sample(frac=1, random_state=1), list(TECHNICAL))


def test_each_symbols_newest_whole_window_or_all_of_them() -> None:
    frame = pd.concat([rows("BBB", [0, 1, 2, 3, 4]), rows("AAA", [0, 1, 2, 4]), rows("CCC", [3, 4])])
    grid = grid_of(frame)
    assert grid.symbols == ("AAA", "BBB", "CCC")
    assert grid.ends(3, every=False).tolist() == [[0, 2], [1, 4]], "AAA lacks day 3, CCC has two days"
    assert grid.ends(3, every=True).tolist() == [[0, 2], [1, 2], [1, 3], [1, 4]]
    assert len(grid.ends(6, every=False)) == 0


def test_windows_of_a_large_panel_are_those_of_a_loop() -> None:
    frame = pd.concat([rows(f"S{number:02d}", list(range(400)), start=1000.0 * number) for number in range(16)])
    grid = grid_of(frame)
    ends = grid.ends(5, every=True)
    seen: list[np.ndarray[Any, Any]] = []

    def keep(windows: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        seen.append(windows.copy())
        return last_value(windows)

    cells = grid.panel[0]
    found = predict(Answer(keep, "no_model"), cells, ends, 5)
    expected = np.stack([cells[symbol, end - 4 : end + 1] for symbol, end in ends])
    assert len(seen) == 2, "6,336 windows in parts of 4,096"
    np.testing.assert_array_equal(np.concatenate(seen), expected)
    np.testing.assert_array_equal(found["probability"], expected[:, -1, 0])


def scored(root: Path, features: Path, out: Path, **options: Any) -> dict[str, Any]:
    values = {"every_window": False, "max_age_days": 0.0, "family": "price_action", "dataset": "toy", "run_key": "k"}
    return score(str(features), out=str(out), root=str(root), **{**values, **options})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An artifact root whose feature store knows the views."""
    place = Place.embedded(Workspace.at(str(tmp_path / "root")).feast)
    apply(open_store(place, "toy"), place, tmp_path)
    return tmp_path / "root"


@pytest.mark.promise("S1-44", "S1-54")
def test_without_a_champion_the_baseline_is_written_with_its_reason_and_read_back_online(
    tmp_path: Path, root: Path
) -> None:
    days = list(range(70))
    features = written(tmp_path / "features", pd.concat([rows("BBB", days), rows("AAA", days[:66])]))
    facts = scored(root, features, tmp_path / "out")
    assert (facts["reason"], facts["version"], facts["bundle"], facts["rows"]) == ("no_model", 0, "", 2)
    assert (facts["newest"], facts["online"]) == ("2024-03-10T00:00:00.000000", "filled")
    table = pq.read_table(tmp_path / "out" / "predictions.parquet").to_pandas()
    assert table.columns.tolist() == [
        "symbol", "timestamp", "event_timestamp", "probability", "signal", "model_version", "bundle", "reason",
    ]  # fmt: skip
    assert table["symbol"].tolist() == ["AAA", "BBB"]
    assert table["timestamp"].tolist() == [FIRST + timedelta(days=65), FIRST + timedelta(days=69)]
    assert table["event_timestamp"].tolist() == [FIRST + timedelta(days=day, hours=22) for day in (65, 69)]
    assert table["reason"].tolist() == ["no_model"] * 2
    log = (Workspace.at(str(root)).run("k") / "logs" / "score.log").read_text()
    assert log.count("price_action on toy answers: no_model") == 1

    store = open_store(Place.embedded(Workspace.at(str(root)).feast), "toy")
    view = families.find("price-action").predictions_view
    now, fresh = datetime(2024, 3, 11, tzinfo=UTC), timedelta(days=2)
    found = read_online(store, view, ["BBB", "AAA", "ZZZ"], now=now, max_age=fresh)
    assert [row.reason for row in found] == ["fresh", "stale", "absent"]
    assert found[0].features == {"probability": 0.5, "signal": 0.0, "model_version": 0.0}
    assert found[0].event_timestamp == datetime(2024, 3, 10, 22, tzinfo=UTC)


def test_older_bars_do_not_replace_newer_predictions_online(tmp_path: Path, root: Path) -> None:
    new = written(tmp_path / "new", rows("AAA", list(range(70))))
    old = written(tmp_path / "old", rows("AAA", list(range(66))))
    assert scored(root, new, tmp_path / "out")["online"] == "filled"
    assert scored(root, new, tmp_path / "out")["online"] == "filled", "the same bars may be scored again"
    assert scored(root, old, tmp_path / "out")["online"] == "newer already"
    store = open_store(Place.embedded(Workspace.at(str(root)).feast), "toy")
    now = datetime(2024, 3, 11, tzinfo=UTC)
    found = read_online(store, "predictions_price_action_v1", ["AAA"], now=now, max_age=timedelta(days=2))
    assert [row.reason for row in found] == ["fresh"]


def test_of_every_window_scored_the_newest_is_online(tmp_path: Path, root: Path) -> None:
    features = written(tmp_path / "features", rows("AAA", list(range(70))))
    assert scored(root, features, tmp_path / "out", every_window=True)["rows"] == 7
    store = open_store(Place.embedded(Workspace.at(str(root)).feast), "toy")
    now = datetime(2024, 3, 11, tzinfo=UTC)
    found = read_online(store, "predictions_price_action_v1", ["AAA"], now=now, max_age=timedelta(days=2))
    assert found[0].event_timestamp == datetime(2024, 3, 10, 22, tzinfo=UTC)


def test_the_same_features_and_model_give_the_same_bytes(tmp_path: Path, root: Path) -> None:
    features = written(tmp_path / "features", rows("AAA", list(range(70))))
    first = scored(root, features, tmp_path / "first", every_window=True)
    again = scored(root, features, tmp_path / "again", every_window=True, run_key="again")
    assert first["rows"] == 7
    assert first == again
    assert sha256_of(tmp_path / "first" / "predictions.parquet") == sha256_of(
        tmp_path / "again" / "predictions.parquet"
    )


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (rows("AAA", list(range(63))), "no symbol has 64 bars in a row"),
        (rows("AAA", list(range(70))).assign(rsi_14=np.nan), "none with all of 14 features"),
    ],
    ids=["short", "warm-up only"],
)
def test_features_without_a_whole_window_end_with_65(
    tmp_path: Path, root: Path, frame: pd.DataFrame, words: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        scored(root, written(tmp_path / "features", frame), tmp_path / "out")
    assert caught.value.code == 65
    assert words in json.loads((Workspace.at(str(root)).run("k") / "error.json").read_text())["message"]
    assert not (tmp_path / "out").exists()


def test_altered_features_end_with_65(tmp_path: Path, root: Path) -> None:
    features = written(tmp_path / "features", rows("AAA", list(range(70))))
    with (features / "technical_v1.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(SystemExit) as caught:
        scored(root, features, tmp_path / "out")
    assert caught.value.code == 65


def test_of_a_family_of_the_market_the_markets_name_stands_for_the_symbol(tmp_path: Path) -> None:
    moments = pd.to_datetime(["2024-01-02 22:00", "2024-01-03 22:00"], utc=True).as_unit("us")
    days = [moment.date() for moment in moments]
    frame = pd.DataFrame({"market": "US", "date": days, "event_timestamp": moments, "created": moments})
    frame.to_parquet(tmp_path / "context_v1.parquet", index=False)
    manifest = {"source": "test", "files": {"context_v1.parquet": sha256_of(tmp_path / "context_v1.parquet")}}
    family = replace(families.find("price-action"), columns={"context_v1": ("spy_return_1d",)})
    found = decisions(tmp_path, family, manifest)
    assert found["symbol"].tolist() == found["market"].tolist() == ["US", "US"]
    assert found["timestamp"].tolist() == [pd.Timestamp(day, tz="UTC") for day in days]
    assert found["event_timestamp"].tolist() == moments.tolist()


def test_a_late_bar_is_in_no_window_and_a_corrected_one_counts_as_first_known(tmp_path: Path) -> None:
    frame = rows("AAA", [0, 1, 2])
    frame.loc[1, "created"] += pd.Timedelta(days=1)  # it came after the next one
    corrected = frame.iloc[[2]].assign(created=frame["created"][2] + pd.Timedelta(days=3))
    features = written(tmp_path / "features", pd.concat([frame, corrected]))
    found = decisions(features, families.find("price-action"), read_json(features / "manifest.json"))
    assert found["timestamp"].tolist() == [FIRST, FIRST + timedelta(days=2)]


def test_a_view_that_was_not_filled_ends_with_65_and_its_name(tmp_path: Path, root: Path) -> None:
    features = written(tmp_path / "features", rows("AAA", list(range(70))))
    (features / "technical_v1.parquet").unlink()
    write_json(features / "manifest.json", {"source": "test", "files": {}})
    with pytest.raises(SystemExit) as caught:
        scored(root, features, tmp_path / "out")
    assert caught.value.code == 65
    message = json.loads((Workspace.at(str(root)).run("k") / "error.json").read_text())["message"]
    assert "no rows of technical_v1, which price_action reads" in message
