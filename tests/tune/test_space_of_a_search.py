"""A search: the poor end early, a proposal follows from the seed, and a trial belongs to whoever holds its lock."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from hybrid_market import tiny
from searches import examples_in, search_in

from components.core import trials
from components.core.errors import InterruptedRunError, RecipeError
from components.core.files import file_lock
from components.core.run_context import Stop
from components.core.search import Options
from components.families.hybrid import FAMILY
from components.learning.spool import Spool
from components.serving.loader import GRAPH
from components.tune.crew import work
from components.tune.results import best_of
from components.tune.search import (
    GRACE_EPOCHS,
    MAX_EPOCHS,
    REDUCTION_FACTOR,
    Search,
    ask,
    claimed,
    results_of,
    retry_cut_off,
)
from components.tune.trial import Watch


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return search_in(tmp_path)


def reported(study: Any, spool: Path, values: list[float]) -> tuple[Any, Watch, int]:
    """Return a trial that was told of ``values``, one an epoch, its watch, and the epoch after which it was ended."""
    trial = study.ask()
    watch = Watch(trial, spool, "eval/sharpe_ratio")
    with Spool(spool, training=f"t{trial.number}", position=0) as lines:
        for epoch, value in enumerate(values, start=1):
            lines.append(epoch, {"eval/sharpe_ratio": value, "eval/loss": 9.0}, time_ms=0)
            lines.append(epoch, {"step/loss": -1.0}, time_ms=0)
            if watch():
                return trial, watch, epoch
    return trial, watch, len(values)


@pytest.mark.promise("S4-87")
def test_a_trial_that_is_worse_at_a_rung_ends_there_and_no_sooner(search: Search, tmp_path: Path) -> None:
    assert (GRACE_EPOCHS, REDUCTION_FACTOR, MAX_EPOCHS) == (10, 2, FAMILY.recipe("daily").train.epochs) == (10, 2, 100)
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
        made = search_in(tmp_path / name, recipe=tiny(seed=seed))
        study, found = made.study(), list[dict[str, Any]]()
        assert study.direction == optuna.study.StudyDirection.MAXIMIZE
        for value in (0.1, 0.7, 0.3):
            trial = ask(made, study)
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
    cut_off = ask(search, study)
    again = search.study()
    assert retry_cut_off(search, again) == 0
    assert ask(search, again).params == cut_off.params
    assert again.trials[0].state == optuna.trial.TrialState.FAIL


def test_what_was_cut_off_before_it_had_settings_gets_some_that_no_other_trial_has(search: Search) -> None:
    study = search.study()
    study.tell(ask(search, study), 0.1)
    study.ask()
    assert retry_cut_off(search, study) == 0
    tried = [ask(search, study).params["train.lr"] for _ in range(3)]
    assert len({study.trials[0].params["train.lr"], *tried}) == 4


def test_what_another_worker_holds_is_left_to_it(search: Search) -> None:
    study = search.study()
    theirs = next(claimed(search, study, 3, worker="one", stop=Stop()))
    with file_lock(search.claim(theirs.number)):  # the generator above is gone, and its lock with it
        mine = next(claimed(search, study, 3, worker="two", stop=Stop()))
        assert mine.number != theirs.number
        assert retry_cut_off(search, study) == 1
        assert study.trials[theirs.number].state == optuna.trial.TrialState.RUNNING


def test_who_is_asked_to_stop_takes_no_other_trial(search: Search) -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(InterruptedRunError, match="stopped between two trials"):
        next(claimed(search, search.study(), 3, worker="one", stop=stop))
    assert search.study().trials == []


def test_enough_are_not_exceeded(search: Search) -> None:
    study, numbers = search.study(), list[int]()
    for trial in claimed(search, study, 3, worker="one", stop=Stop()):
        numbers.append(trial.number)
        study.tell(trial, 0.1)
    assert numbers == [0, 1, 2]
    assert list(claimed(search, study, 3, worker="two", stop=Stop())) == []


def test_a_trial_becomes_a_recipe_and_one_that_cannot_be_is_named(search: Search) -> None:
    found = FAMILY.varied(search.recipe, {"train.lr": 0.0012345678901234567, "train.batch": 16})
    assert (found.train.lr, found.train.batch) == (0.0012345678901234567, 16)
    with pytest.raises(RecipeError, match=r"must be divisible by num_heads, was 30 and 4"):
        FAMILY.varied(search.recipe, {"model.cnn.hidden_dim": 30, "model.cnn.num_heads": 4})


def test_each_trial_is_counted_and_one_whose_settings_do_not_go_together_is_refused(tmp_path: Path) -> None:
    examples_in(tmp_path)
    search = search_in(
        tmp_path, space={"model.cnn.num_heads": Options((2, 3))}, recipe=tiny(seed=3, train={"epochs": 1})
    )
    work(search, 4, worker="here", stop=Stop())
    found = results_of(search.study())
    assert [result.number for result in found] == [0, 1, 2, 3]
    assert {result.state for result in found} == {"complete", "refused"}
    whole = [result for result in found if result.state == "complete"]
    assert all(result.params == {"model.cnn.num_heads": 2} for result in whole)
    assert all("must be divisible by num_heads" in result.error for result in found if result.state == "refused")
    assert best_of(found, search.metric) == whole[0]
    counted = trials.read(search.workspace.trials("hybrid", "made_up"))
    assert len(counted) == 1  # the same settings are the same model, which is counted once
    assert (counted[0].kind, counted[0].run_key[:6]) == ("tune", "trial-")
    assert not list(search.folder.rglob(GRAPH))  # nothing of a search is served


def test_a_metric_that_is_not_there_is_named(tmp_path: Path) -> None:
    examples_in(tmp_path)
    search = search_in(tmp_path, metric="val_luck")
    work(search, 1, worker="here", stop=Stop())
    with pytest.raises(RecipeError, match=r"no metric is called 'val_luck'\. There are train_loss, val_acc"):
        best_of(results_of(search.study()), search.metric)
