"""Examples of regimes and of health: labels of later, what was at the decision, and nothing that came after it."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.assemble.examples import assemble, examples_table
from components.assemble.labellers import LABELLERS, labeller_of
from components.core import family as families
from components.core.errors import DataError, UsageError
from components.core.family import Family
from components.core.files import digest_of, read_json, sha256_of, write_json
from components.features.market_tables import companion_tables
from components.features.materialize import write_features
from components.features.tables import bar_panel, feature_tables
from components.learning.examples import read_examples
from components.market.columns import CONTEXT, REGIMES, RETURNS
from components.market.companions import read_companions
from components.market.health import health_scores
from components.market.readers import read_bars
from components.market.regimes import regime_labels
from components.market.snapshot import read_snapshot, write_snapshot

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
SOURCE = "synthetic://planted?symbols=3&days=300"
ASOF = datetime(2030, 1, 1, tzinfo=UTC)
BOTH = [families.find("regime"), families.find("health")]
VIEW = {"regime": "context_v1", "health": "returns_v1"}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("features")
    (root / "snapshot").mkdir()
    bars = read_bars(SOURCE, asof=ASOF)
    beside = read_companions(SOURCE, context="", options="", asof=ASOF)
    write_snapshot(root / "snapshot", bars, source=SOURCE, dataset="synthetic", asof=ASOF, beside=beside)
    table, facts = read_snapshot(root / "snapshot")
    panel = bar_panel(table)
    both = (*feature_tables(panel, "daily"), *companion_tables(root / "snapshot", panel, "daily"))
    write_features(both, facts, root / "features")
    return root / "features"


def rows_of(features: Path, member: Family) -> pd.DataFrame:
    return examples_table(features, member, member.recipe("daily"))[0]


def changed(features: Path, folder: Path, view: str, change: Any) -> Path:
    """Return a copy of the features in which ``change`` was done to one view, sealed again."""
    shutil.copytree(features, folder)
    table = pq.read_table(folder / f"{view}.parquet")
    frame = table.to_pandas()
    change(frame)
    pq.write_table(pa.Table.from_pandas(frame, schema=table.schema, preserve_index=False), folder / f"{view}.parquet")
    manifest = read_json(folder / "manifest.json")
    manifest["files"][f"{view}.parquet"] = sha256_of(folder / f"{view}.parquet")
    manifest["digest"] = digest_of([manifest["snapshot_digest"], manifest["files"]])
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.mark.promise("S1-28")
def test_a_session_is_labelled_with_the_regime_of_five_sessions_later(features: Path) -> None:
    rows = rows_of(features, BOTH[0])
    assert set(rows["symbol"]) == {"US"}
    assert len(rows) == 300 - 21  # a month of returns
    codes = regime_labels(rows[list(CONTEXT)].to_numpy())
    np.testing.assert_array_equal(rows["now"].to_numpy(), codes)
    np.testing.assert_array_equal(rows["label"].to_numpy()[:-5], codes[5:])
    assert rows["label"].isna().to_numpy().tolist() == [False] * 274 + [True] * 5


@pytest.mark.promise("S1-29")
def test_a_bar_is_labelled_with_the_health_of_its_symbol_a_quarter_later(features: Path) -> None:
    rows = rows_of(features, BOTH[1])
    assert rows["symbol"].nunique() == 3
    for _, part in rows.groupby("symbol"):
        scores = health_scores(part[list(RETURNS)].to_numpy())
        np.testing.assert_array_equal(part["now"].to_numpy(), scores)
        np.testing.assert_array_equal(part["label"].to_numpy()[:-63], scores[63:])
        assert part["label"].isna().sum() == 63


@pytest.mark.parametrize("member", BOTH, ids=lambda member: member.name)
def test_what_comes_later_changes_no_row_up_to_now(features: Path, member: Family, tmp_path: Path) -> None:
    before = rows_of(features, member)
    now = np.sort(before["decision_time"].unique())[200]
    columns = [column for names in member.columns.values() for column in names]

    def replace_the_future(frame: pd.DataFrame) -> None:
        frame.loc[frame["event_timestamp"] > now, columns] = 7.0  # a panic, and no health

    after = rows_of(changed(features, tmp_path / "features", VIEW[member.name], replace_the_future), member)
    past = before["decision_time"] <= now
    same = [column for column in before.columns if column != "label"]
    pd.testing.assert_frame_equal(after.loc[past, same], before.loc[past, same])
    horizon = member.recipe("daily").data.horizon
    known = before.groupby("symbol")["decision_time"].shift(-horizon) <= now
    np.testing.assert_array_equal(after.loc[known, "label"], before.loc[known, "label"])
    assert not np.array_equal(after.loc[past & ~known, "label"], before.loc[past & ~known, "label"])


@pytest.mark.parametrize("member", BOTH, ids=lambda member: member.name)
def test_the_manifest_names_labeller_and_horizon_and_the_trainer_reads_it(
    features: Path, member: Family, tmp_path: Path
) -> None:
    config = member.recipe("daily")
    out = tmp_path / "examples"
    assemble(str(features), member.name, config.canonical(), out=str(out), root=str(tmp_path), run_key="k")
    manifest, examples = read_json(out / "manifest.json"), read_examples(out)
    assert manifest["labeller"] == {"regime": "regime_v1", "health": "health_v1"}[member.name]
    assert manifest["horizon"] == {"regime": 5, "health": 63}[member.name]
    assert examples.classes == (REGIMES if member.name == "regime" else ())
    ends = examples.windows("train", config.data.window, config.data.horizon)
    zone = examples.zone[ends[:, 1] + config.data.horizon]
    assert len(ends) > 0
    assert np.all(zone == examples.zones.index("train"))
    assert np.isfinite(examples.now[ends[:, 0], ends[:, 1]]).all()
    assert np.isnan(examples.forward_return).all()


@pytest.mark.promise("S1-52")
def test_without_context_the_view_is_named_and_the_ingestion_pointed_at(features: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(features, tmp_path / "features")
    manifest = read_json(folder / "manifest.json")
    del manifest["files"]["context_v1.parquet"]
    write_json(folder / "manifest.json", manifest)
    with pytest.raises(
        DataError, match=r"no rows of context_v1, which regime reads\. Run the daily ingestion.*--context"
    ):
        rows_of(folder, BOTH[0])


def test_of_intraday_bars_there_is_no_health(features: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(features, tmp_path / "features")
    manifest = read_json(folder / "manifest.json")
    del manifest["files"]["returns_v1.parquet"]
    write_json(folder / "manifest.json", manifest)
    with pytest.raises(DataError, match=r"no rows of returns_v1, which health reads\. It is made of daily bars"):
        rows_of(folder, BOTH[1])


def test_an_unknown_labeller_is_named() -> None:
    with pytest.raises(UsageError, match=r"no labeller is called 'mood'\. There is direction, regime, health"):
        labeller_of(replace(BOTH[0], labels="mood"))


def test_a_restated_session_keeps_the_label_that_was_first_known(features: Path, tmp_path: Path) -> None:
    before = rows_of(features, BOTH[0])

    def restate(frame: pd.DataFrame) -> None:
        again = frame.iloc[100].copy()
        again["created"] += pd.Timedelta(days=400)
        again["spy_vol_21d"] = 0.9
        frame.loc[len(frame)] = again

    after = rows_of(changed(features, tmp_path / "features", "context_v1", restate), BOTH[0])
    pd.testing.assert_frame_equal(after, before)


def test_the_direction_is_that_of_the_next_bar_alone() -> None:
    with pytest.raises(ValueError, match="next bar, horizon was 5"):
        LABELLERS["direction"].label(np.ones((1, 9, 2)), 5)
