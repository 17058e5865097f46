"""A search over recipes: the poor end early, a killed one goes on, and every trial is on the record."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from click.testing import CliRunner

from cli.main import qf
from components.core import trials
from components.core.errors import RecipeError, UsageError
from components.core.search import Options, Range
from components.core.workspace import Workspace
from components.families.hybrid import FAMILY
from components.learning.spool import Spool
from pipelines import tuning
from pipelines.tuning import GRACE_EPOCHS, REDUCTION_FACTOR, Search


def search_in(root: Path, **changes: Any) -> Search:
    values: dict[str, Any] = {
        "family": FAMILY, "recipe": FAMILY.recipe("calibration"), "source": "synthetic://noise", "dataset": "made_up",
        "space": {"train.lr": Range(1e-4, 1e-2, log=True), "train.batch": Options((16, 32))},
        "workspace": Workspace.at(str(root)), "metric": "val_sharpe_ratio",
    }  # fmt: skip
    return Search(**values | changes)


@pytest.fixture
def search(tmp_path: Path) -> Search:
    made = search_in(tmp_path)
    made.folder.mkdir(parents=True)
    return made


def reported(study: Any, spool: Path, values: list[float]) -> tuple[Any, tuning._Watch, int]:
    """Return a trial that was told of ``values``, one an epoch, its watch, and the epoch after which it was ended."""
    trial = study.ask()
    watch = tuning._Watch(trial, spool, "eval/sharpe_ratio")
    with Spool(spool, training=f"t{trial.number}", position=0) as lines:
        for epoch, value in enumerate(values, start=1):
            lines.append(epoch, {"eval/sharpe_ratio": value, "eval/loss": 9.0}, time_ms=0)
            lines.append(epoch, {"step/loss": -1.0}, time_ms=0)
            if watch():
                return trial, watch, epoch
    return trial, watch, len(values)


@pytest.mark.promise("S4-87")
def test_a_trial_that_is_worse_at_a_rung_ends_there_and_no_sooner(search: Search, tmp_path: Path) -> None:
    assert (GRACE_EPOCHS, REDUCTION_FACTOR, FAMILY.recipe("daily").train.epochs) == (10, 2, 100)
    study = search.study()
    good, _, epochs = reported(study, tmp_path / "good.jsonl", [1.0 + 0.01 * epoch for epoch in range(45)])
    assert epochs == 45
    study.tell(good, 1.44)
    _, watch, epochs = reported(study, tmp_path / "poor.jsonl", [0.5] * 45)
    assert epochs == GRACE_EPOCHS
    assert watch.ended
    _, watch, epochs = reported(study, tmp_path / "better.jsonl", [2.0] * 45)
    assert (epochs, watch.ended) == (45, False)


@pytest.mark.promise("S4-89")
def test_a_proposal_follows_from_the_seed_and_the_number_of_trials(tmp_path: Path) -> None:
    proposals = list[list[dict[str, Any]]]()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        recipe = FAMILY.recipe("calibration", (f"seed={seed}",))
        made = search_in(tmp_path / name, recipe=recipe)
        made.folder.mkdir(parents=True)
        study, found = made.study(), list[dict[str, Any]]()
        assert study.direction == optuna.study.StudyDirection.MAXIMIZE
        for value in (0.1, 0.7, 0.3):
            trial = tuning._ask(made, study)
            study.tell(trial, value)
            found.append(trial.params)
        assert (study.best_value, study.best_params) == (0.7, found[1])
        proposals.append(found)
    assert proposals[0] == proposals[1] != proposals[2]
    for params in proposals[0]:
        assert 1e-4 <= params["train.lr"] <= 1e-2
        assert params["train.batch"] in (16, 32)


def test_what_was_cut_off_is_the_next_to_be_tried(search: Search) -> None:
    study = search.study()
    cut_off = tuning._ask(search, study)
    again = search.study()
    tuning._retry_cut_off(again)
    assert tuning._ask(search, again).params == cut_off.params
    assert tuning._ask(search, again).params != cut_off.params
    assert again.trials[0].state == optuna.trial.TrialState.FAIL


def test_a_trial_becomes_a_recipe_and_one_that_cannot_be_is_named(search: Search) -> None:
    found = tuning.recipe_with(search, {"train.lr": 0.0012345678901234567, "train.batch": 16})
    assert (found.train.lr, found.train.batch) == (0.0012345678901234567, 16)
    with pytest.raises(RecipeError, match=r"must be divisible by num_heads, was 30 and 4"):
        tuning.recipe_with(search, {"model.cnn.hidden_dim": 30, "model.cnn.num_heads": 4})


def test_another_search_has_another_folder(tmp_path: Path) -> None:
    same, other = search_in(tmp_path), search_in(tmp_path, space={"train.lr": Range(1e-4, 1e-3, log=True)})
    assert search_in(tmp_path).folder == same.folder != other.folder
    assert search_in(tmp_path, metric="val_loss").maximize is False


@pytest.mark.promise("S4-54")
@pytest.mark.promise("S4-62")
def test_fifty_trials_four_at_a_time_are_the_default() -> None:
    text = CliRunner().invoke(qf, ["tune", "--help"], catch_exceptions=False).output
    assert "[default: 50" in text
    assert "[default: 4" in text
    with pytest.raises(UsageError, match=r"--space 'train\.lr'"):
        CliRunner().invoke(
            qf, ["tune", "hybrid", "--source", "synthetic://noise", "--space", "train.lr"], catch_exceptions=False
        )


MARKET = "synthetic://noise?symbols=2&days=500&seed=3"
SMALL = (
    "data: {window: 6}\nmodel: {cnn: {hidden_dim: 16, num_heads: 2}, lstm: {hidden_dim: 8}, fusion: {num_heads: 2}}\n"
    "train: {epochs: 2, batch: 64, threads: 1, device: cpu, workers: 0, checkpoint_every_batches: 2}\n"
)


@pytest.mark.slow
def test_a_search_killed_at_work_goes_on_and_every_trial_is_counted(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    root = tmp_path / "root"
    command = [sys.executable, "-m", "cli", "tune", "hybrid", "--source", MARKET, "--recipe",
               str(tmp_path / "recipe.yaml"), "--space", "train.lr=1e-4..1e-2:log", "--trials", "3", "--jobs", "2",
               "--dataset", "made_up", "--root", str(root)]  # fmt: skip
    ledger = Workspace.at(str(root)).trials("hybrid", "made_up")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    while child.poll() is None and not trials.read(ledger):
        time.sleep(0.2)
    os.killpg(child.pid, signal.SIGKILL)  # the search and its workers, a group of their own
    child.communicate()
    before = trials.read(ledger)
    assert 1 <= len(before) <= 2
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the best of 3 trials" in done.stdout
    counted = trials.read(ledger)
    assert counted[: len(before)] == before
    assert len({trial.bundle for trial in counted}) == len(counted) == 3
    assert {trial.kind for trial in counted} == {"tune"}
    assert all(trial.score is not None for trial in counted)
    best = done.stdout.splitlines()[-1].partition("--recipe ")[2]
    assert FAMILY.recipe(best).train.epochs == 2
    assert FAMILY.recipe(best).digest() in {trial.recipe for trial in counted}
