"""Two workers on one study, one of them killed: the other ends the search, and no trial is lost or counted twice."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from searches import examples_in, search_in
from servers import postgres_at

from components.core import trials
from components.core.run_context import Stop
from components.tune.crew import work
from components.tune.search import Search, num_over, results_of

NUM_TRIALS = 4


def go(search: Search, worker: str) -> None:
    work(search, NUM_TRIALS, worker=worker, stop=Stop())


def until(holds: Callable[[], Any], child: Any) -> Any:
    while not (found := holds()):
        assert child.is_alive(), "the worker ended"
        time.sleep(0.1)
    return found


def at_work(study: Any, worker: str) -> Any:
    """Return the trial that a worker carries out."""
    return next(
        (item for item in study.trials if item.state.name == "RUNNING" and item.user_attrs.get("worker") == worker),
        None,
    )


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
        return
    with postgres_at(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.mark.slow
def test_a_killed_worker_is_missed_and_nothing_else(storage: str, tmp_path: Path) -> None:
    examples_in(tmp_path)
    search, spawn = search_in(tmp_path, storage=storage), multiprocessing.get_context("spawn")
    study = search.study()
    victim = spawn.Process(target=go, args=(search, "victim"))
    victim.start()
    until(lambda: at_work(study, "victim"), victim)
    os.kill(victim.pid, signal.SIGSTOP)  # at work on it: whoever stands still holds its lock
    cut_off = until(lambda: at_work(study, "victim"), victim)
    other = spawn.Process(target=go, args=(search, "other"))
    other.start()
    before = num_over(study)
    until(lambda: num_over(study) > before, other)
    assert study.trials[cut_off.number].state.name == "RUNNING"
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    other.join()
    assert other.exitcode == 0
    found = results_of(study)
    assert len(found) == NUM_TRIALS
    assert study.trials[cut_off.number].state.name == "FAIL"
    again = [result for result in found if result.params == cut_off.params]
    assert [result.worker for result in again] == ["other"]
    counted = trials.read(search.workspace.trials("hybrid", "made_up"))
    assert len({trial.bundle for trial in counted}) == len(counted) == NUM_TRIALS
