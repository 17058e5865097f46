"""The weekly pipeline: its name, its hour, its list, its shards, and what it wants before it begins."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from judged import make_bundle

from components.core.errors import ArtifactError, UsageError
from components.core.registry import PROMOTE
from components.core.workspace import Workspace
from pipelines import WEEKLY
from pipelines.plan import plan, prices_of
from pipelines.request import RunRequest, Settings, request
from pipelines.schedules import compiled_file, mismatches, schedules
from pipelines.twins import NUM_SHARDS


def asked(folder: Path, pipeline: str = "weekly-twin-retraining", **settings: Any) -> RunRequest:
    return request(
        pipeline, Workspace.at(str(folder)), source="synthetic://planted", settings=Settings(**settings), dataset="m"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root whose foundation is champion on ``m``."""
    workspace = Workspace.at(str(tmp_path))
    bundle = make_bundle(workspace.model("foundation", "m") / "v1", 7, family="foundation")
    entry = {"action": PROMOTE, "version": 1, "bundle": bundle.digest, "folder": "v1", "verdict": "", "run_key": "k"}
    workspace.promotions("foundation", "m").append(entry, expect=0)
    return tmp_path


@pytest.mark.promise("S0-30")
@pytest.mark.promise("S0-31")
@pytest.mark.promise("S0-60")
def test_it_recurs_on_sundays_at_two_for_a_list_that_can_grow() -> None:
    found = schedules()[WEEKLY]
    assert (WEEKLY, found.cron) == ("weekly-twin-retraining", "0 0 2 * * 0")
    tickers = found.arguments["tickers"].split(",")
    assert 10 <= len(set(tickers)) == len(tickers) <= 20
    assert mismatches(WEEKLY, {**found.arguments, "tickers": ",".join([*tickers, "IBM"])}) == []


@pytest.mark.promise("S0-32")
def test_the_same_flow_runs_on_demand(root: Path) -> None:
    found = asked(root, tickers="SYN000,SYN001", overrides=("train.epochs=3",))
    assert found.pipeline == compiled_file(found.pipeline).stem == WEEKLY
    assert mismatches(WEEKLY, found.arguments) == []
    assert found.arguments["tickers"] == "SYN000,SYN001"
    assert '"epochs":3' in found.arguments["recipe"]
    assert asked(root, "weekly_twin_retraining", tickers="SYN000").run_key != found.run_key
    with pytest.raises(UsageError, match="health: makes no twins"):
        asked(root, "health", tickers="SYN000")


@pytest.mark.promise("S0-56")
def test_without_a_foundation_it_does_not_begin(tmp_path: Path) -> None:
    for pipeline in (WEEKLY, "twin"):
        with pytest.raises(ArtifactError, match=r"no foundation is champion on 'm'.*qf run foundation --dataset m"):
            asked(tmp_path, pipeline)
    with pytest.raises(ArtifactError, match=r"nowhere: no foundation lies here\. Train one: qf run foundation"):
        asked(tmp_path, overrides=(f"foundation={tmp_path / 'nowhere'}",))
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_was_refused_carries_twins_where_the_recipe_names_it(tmp_path: Path) -> None:
    named = (f"foundation={tmp_path / 'bundle'}",)
    make_bundle(tmp_path / "bundle", 7, family="foundation")
    first = asked(tmp_path, overrides=named)
    assert str(tmp_path / "bundle") in first.arguments["recipe"]
    assert asked(tmp_path, overrides=named).run_key == first.run_key
    shutil.rmtree(tmp_path / "bundle")
    make_bundle(tmp_path / "bundle", 8, family="foundation")
    assert asked(tmp_path, overrides=named).run_key != first.run_key


def test_another_foundation_is_another_run(root: Path) -> None:
    first = asked(root).run_key
    workspace = Workspace.at(str(root))
    bundle = make_bundle(workspace.model("foundation", "m") / "v2", 8, family="foundation")
    entry = {"action": PROMOTE, "version": 2, "bundle": bundle.digest, "folder": "v2", "verdict": "", "run_key": "k"}
    workspace.promotions("foundation", "m").append(entry, expect=1)
    assert asked(root).run_key != first


@pytest.mark.promise("S0-01")
def test_the_shards_stand_side_by_side_and_the_judge_waits_for_all() -> None:
    spec = next(yaml.safe_load_all(compiled_file(WEEKLY).read_text(encoding="utf-8")))
    tasks = spec["root"]["dag"]["tasks"]
    shards = [name for name in tasks if name.startswith("fine-tune")]
    assert len(shards) == 2
    for name in shards:
        assert tasks[name]["dependentTasks"] == ["assemble-stocks"]
    assert set(tasks["validate-twins"]["dependentTasks"]) == {"assemble-stocks", *shards}
    assert not [name for name in tasks if "train" in name or "foundation" in name]  # that is a stage of its own


@pytest.mark.promise("S0-44")
def test_no_stock_can_take_longer_than_the_promised_minutes() -> None:
    """A shard that uses all of its time, and is then stopped, has spent ten minutes a stock at most."""
    limits = [step.most_hours for step in plan(compiled_file(WEEKLY), prices_of()).steps if "fine-tune" in step.name]
    assert len(limits) == NUM_SHARDS
    pilot = len(schedules()[WEEKLY].arguments["tickers"].split(","))
    for num_stocks, most_minutes in ((pilot, 10), (20, 10), (500, 5)):
        largest_shard = -(-num_stocks // NUM_SHARDS)
        assert max(limits) * 60 / largest_shard <= most_minutes
