"""Workers of one host that carry out a search side by side; one that is killed is missed and nothing else."""

import math
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from typing import Any

from optuna.trial import TrialState

from components.core.errors import InterruptedRunError, QuantfoundryError
from components.core.run_context import Stop, die_with
from components.tune.search import POLL_S, Search, claimed, num_over
from components.tune.trial import carry_out


def work(search: Search, num_trials: int, *, worker: str, stop: Stop) -> None:
    """Carry out trials until ``num_trials`` are over, beside whoever else does.

    Raises:
        InterruptedRunError: If ``stop`` was set; the trial at work was saved, and whoever takes it goes on from there.
    """
    study = search.study()
    for trial in claimed(search, study, num_trials, worker=worker, stop=stop):
        try:
            value, early = carry_out(search, search.family.varied(search.recipe, trial.params), trial, stop=stop)
        except InterruptedRunError:
            raise
        except QuantfoundryError as error:  # of this trial alone, such as a step size too large: another may do
            trial.set_user_attr("error", str(error))
            study.tell(trial, -math.inf if study.direction.name == "MAXIMIZE" else math.inf)
            continue
        trial.set_user_attr("value", value)
        study.tell(trial, None if early else value, state=TrialState.PRUNED if early else None)


def work_together(
    search: Search,
    num_trials: int,
    *,
    num_processes: int,
    worker: str,
    stop: Stop,
    on_done: Callable[[int, int], None],
) -> Any:
    """Return the study once ``num_trials`` are over; ``on_done`` is told how many of how many are.

    Raises:
        InterruptedRunError: If ``stop`` was set, or every process was killed.
    """
    study, told = search.study(), -1
    with ExitStack() as open_pools:
        spawn = multiprocessing.get_context("spawn")
        pools = [open_pools.enter_context(ProcessPoolExecutor(1, spawn)) for _ in range(num_processes)]  # one breaks
        waiting = {pool.submit(_work, search, num_trials, worker, os.getpid()) for pool in pools}
        while waiting:
            done, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
            for job in done:
                if not isinstance(job.exception(), BrokenProcessPool):
                    job.result()
            if stop:
                for child in multiprocessing.active_children():
                    child.terminate()  # each saves and leaves
            if (over := num_over(study)) != told:
                told = over
                on_done(over, num_trials)
    if told < num_trials:
        raise InterruptedRunError("every worker was killed. The same command goes on from here")
    return study


def _work(search: Search, num_trials: int, worker: str, parent: int) -> None:
    stop = Stop()
    stop.install()
    die_with(parent, stop, grace_s=0.0)
    work(search, num_trials, worker=worker, stop=stop)
