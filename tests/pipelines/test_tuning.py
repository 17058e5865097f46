"""Searches as they are asked for: ``qf tune`` on one machine, the tuning pipeline on a cluster."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hybrid_market import ZONES

from cli.main import qf
from components.core import family as families
from components.core import trials
from components.core.errors import UsageError
from components.core.family import Family
from components.core.search import Range
from components.core.workspace import Workspace
from components.families.hybrid import FAMILY
from components.tune.search import Search
from components.tune.step import TRIALS_AT_A_TIME
from pipelines import COMPILED
from pipelines.request import Settings, request
from pipelines.searching import search_of
from pipelines.tuning import NUM_TRIALS, NUM_WORKERS

SOURCE = "synthetic://noise?symbols=2&days=500&seed=3"


def search_in(root: Path, family: Family = FAMILY, **changes: Any) -> Search:
    values: dict[str, Any] = {
        "recipe": family.recipe(family.default_recipe), "space": {"train.lr": Range(1e-4, 1e-2, log=True)},
        "source": SOURCE, "dataset": "made_up", "workspace": Workspace.at(str(root)), "metric": "val_loss",
    }  # fmt: skip
    return search_of(family, **values | changes)


def test_another_search_has_another_folder(tmp_path: Path) -> None:
    same, other = search_in(tmp_path), search_in(tmp_path, space={"train.lr": Range(1e-4, 1e-3, log=True)})
    assert search_in(tmp_path).folder == same.folder != other.folder


def test_who_stands_on_a_champion_is_not_searched_for(tmp_path: Path) -> None:
    twin = families.find("twin")
    for ask in (
        lambda: search_in(tmp_path, twin),
        lambda: request("twin-tuning", Workspace.at(str(tmp_path)), source=SOURCE, settings=Settings()),
    ):
        with pytest.raises(UsageError, match=r"stands on the champion of foundation\. Search for that one"):
            ask()
    assert not (COMPILED / f"{twin.tuning_pipeline}.yaml").exists()


@pytest.mark.promise("S4-54")
@pytest.mark.promise("S4-62")
def test_fifty_trials_four_at_a_time_are_the_default() -> None:
    text = CliRunner().invoke(qf, ["tune", "--help"], catch_exceptions=False).output
    assert "[default: 50" in text
    assert "[default: 4" in text
    assert (NUM_TRIALS, NUM_WORKERS * TRIALS_AT_A_TIME) == (50, 4)
    with pytest.raises(UsageError, match=r"--space 'train\.lr'"):
        CliRunner().invoke(
            qf, ["tune", "hybrid", "--source", "synthetic://noise", "--space", "train.lr"], catch_exceptions=False
        )


def test_only_a_search_tries_many(tmp_path: Path) -> None:
    workspace = Workspace.at(str(tmp_path))
    asked = request("hybrid-tuning", workspace, source=SOURCE, settings=Settings(num_trials=7, recipe="smoke"))
    assert (asked.pipeline, asked.family, asked.arguments["num_trials"]) == ("hybrid-tuning", FAMILY, 7)
    assert asked.run_key.startswith("hybrid-tuning-")
    with pytest.raises(UsageError, match=r"hybrid: tries one recipe\. Leave --trials out, or ask hybrid-tuning"):
        request("hybrid", workspace, source=SOURCE, settings=Settings(num_trials=7))


@pytest.mark.promise("S4-88")
def test_a_worker_has_two_cores_and_half_a_gpu_for_each_of_its_trials() -> None:
    spec, platform = yaml.safe_load_all((COMPILED / "hybrid-tuning.yaml").read_text())
    assert spec["root"]["inputDefinitions"]["parameters"]["num_trials"]["defaultValue"] == 50
    executors = spec["deploymentSpec"]["executors"]
    workers = sorted(name for name in executors if name.startswith("exec-tune"))
    assert workers == ["exec-tune", "exec-tune-2"]
    for name in workers:
        asks = executors[name]["container"]["resources"]
        assert float(asks["resourceCpuLimit"]) / TRIALS_AT_A_TIME == 2
        assert int(asks["accelerator"]["resourceCount"]) / TRIALS_AT_A_TIME == 0.5
        placed = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][name]
        secrets = {item["secretName"]: item["keyToEnv"] for item in placed["secretAsEnv"]}
        assert secrets == {"qf-tune": [{"envVar": "QF_TUNE_STORAGE", "secretKey": "storage"}]}


RECIPE = f"""
data: {{window: 6, zones: {ZONES}}}
model: {{cnn: {{hidden_dim: 16, num_heads: 2}}, lstm: {{hidden_dim: 8}}, fusion: {{num_heads: 2}}}}
train: {{epochs: 1, batch: 64, threads: 1, device: cpu, workers: 0, checkpoint_every_batches: 2}}
"""
"""Network and training of the searches below; each trial takes a fraction of a second."""


def lines_of(root: Path, *arguments: str) -> list[str]:
    recipe = root / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    common = ("--source", SOURCE, "--dataset", "made_up", "--recipe", str(recipe), "--root", str(root / "root"))
    return [sys.executable, "-m", "cli", *arguments, *common]


@pytest.mark.slow
def test_a_search_killed_at_work_goes_on_and_every_trial_is_counted(tmp_path: Path) -> None:
    command = [*lines_of(tmp_path, "tune", "hybrid"), "--space", "train.lr=1e-4..1e-2:log", "--trials", "3",
               "--jobs", "1"]  # fmt: skip
    ledger = Workspace.at(str(tmp_path / "root")).trials("hybrid", "made_up")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    while child.poll() is None and not trials.read(ledger):
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)  # the search and its worker, a group of their own
    child.communicate()
    before = trials.read(ledger)
    assert 1 <= len(before) <= 3
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the best of 3 trials" in done.stdout
    counted = trials.read(ledger)
    assert counted[: len(before)] == before
    assert len({trial.bundle for trial in counted}) == len(counted) == 3
    assert {trial.kind for trial in counted} == {"tune"}
    assert all(trial.score is not None for trial in counted)
    best = done.stdout.splitlines()[-1].partition("--recipe ")[2]
    assert FAMILY.recipe(best).train.epochs == 1
    assert FAMILY.recipe(best).digest() in {trial.recipe for trial in counted}
