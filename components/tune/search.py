"""A search over recipes that any number of workers share: Optuna proposes, a file lock says whose a trial is.

Source: Akiba et al. (2019), "Optuna"; Li et al. (2020), "A System for Massively Parallel Hyperparameter Tuning", for
asynchronous successive halving. A trial belongs to whoever holds its lock, and the kernel frees that of a worker that
is killed: another worker fails the trial and tries its settings again, from the checkpoint that is left.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.trial import TrialState
from sqlalchemy.pool import NullPool

from components.core.errors import BusyError, InterruptedRunError
from components.core.family import Family
from components.core.files import file_lock
from components.core.recipe import RecipeConfig
from components.core.run_context import Stop
from components.core.search import Options, Space, maximizes
from components.core.workspace import Workspace
from components.tune.results import Ended, Result

GRACE_EPOCHS, REDUCTION_FACTOR, MAX_EPOCHS = 10, 2, 100
"""Epochs that every trial gets, the share of the trials, one in so many, that goes on from each rung, and the most."""
ASK_WAIT_S: Final = 600.0
POLL_S: Final = 0.5
OVER: Final[Mapping[TrialState, Ended]] = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "ended early"}


@dataclass(frozen=True)
class Search:
    """What is searched, and where it is kept."""

    family: Family
    recipe: RecipeConfig
    space: Space
    examples: Path
    dataset: str
    workspace: Workspace
    """The installation whose ledger counts the trials."""
    folder: Path
    """Where the search keeps everything; its name is that of the study. All workers see it."""
    metric: str
    """Number of the history; lower is better of a loss, higher of all else."""
    storage: str = ""
    """URL of Optuna's storage, such as ``postgresql+psycopg://...``; empty is a SQLite file in the folder."""

    def study(self) -> Any:
        """Return Optuna's study of this search; a new one if there is none yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # The epochs of successive halving, whatever a trial's number; SQLite waits while another process writes.
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=GRACE_EPOCHS, reduction_factor=REDUCTION_FACTOR)
        url = self.storage or f"sqlite:///{self.folder / 'study.db'}"
        options: dict[str, Any] = {"poolclass": NullPool}  # a connection is closed where it was opened
        options |= {} if self.storage else {"connect_args": {"timeout": ASK_WAIT_S}}
        with file_lock(self.folder / "study.lock", wait_s=ASK_WAIT_S):  # two that make its tables at once would fail
            return optuna.create_study(
                storage=optuna.storages.RDBStorage(url, engine_kwargs=options),
                study_name=self.folder.name,
                direction="maximize" if maximizes(self.metric) else "minimize",
                pruner=pruner,
                load_if_exists=True,
            )

    def claim(self, number: int) -> Path:
        """Return the file that whoever carries out the trial holds a lock on."""
        return self.folder / "claims" / f"{number}.lock"


def claimed(search: Search, study: Any, num_trials: int, *, worker: str, stop: Stop) -> Iterator[Any]:
    """Yield trials, each this worker's own until it asks for the next, until ``num_trials`` are over.

    While all that are left are others' it waits: the last worker that lives ends the search.

    Raises:
        InterruptedRunError: If ``stop`` was set.
    """
    while True:
        if stop:
            raise InterruptedRunError("stopped between two trials. The same command goes on from here")
        with contextlib.ExitStack() as held:
            with file_lock(search.folder / "ask.lock", wait_s=ASK_WAIT_S):
                num_running = retry_cut_off(search, study)
                num_left = num_trials - num_over(study) - num_running
                trial = ask(search, study) if num_left > 0 else None
                if trial is not None:
                    held.enter_context(file_lock(search.claim(trial.number), worker))
            if trial is not None:
                trial.set_user_attr("worker", worker)
                yield trial
            elif num_running == 0:
                return
        if trial is None:
            time.sleep(POLL_S)


def retry_cut_off(search: Search, study: Any) -> int:
    """Put trials whose worker is gone first in the line of those to come; return how many others are carried out."""
    num_running = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        try:
            with file_lock(search.claim(trial.number), "taken back"):
                study.tell(trial.number, state=TrialState.FAIL)
                study.enqueue_trial(trial.params)
        except BusyError:
            num_running += 1
    return num_running


def ask(search: Search, study: Any) -> Any:
    """Return the next trial. Its proposal follows from the seed, its number and the trials that are over."""
    trial = study.ask()
    study.sampler = optuna.samplers.TPESampler(seed=search.recipe.seed + trial.number, constant_liar=True)
    for key, choice in search.space.items():
        if isinstance(choice, Options):
            trial.suggest_categorical(key, choice.values)
        elif isinstance(choice.low, int) and isinstance(choice.high, int):
            trial.suggest_int(key, choice.low, choice.high, log=choice.log)
        else:
            trial.suggest_float(key, choice.low, choice.high, log=choice.log)
    return trial


def num_over(study: Any) -> int:
    """Return how many trials need not be tried again."""
    return len(study.get_trials(deepcopy=False, states=tuple(OVER)))


def results_of(study: Any, *, worker: str | None = None) -> list[Result]:
    """Return the trials that are over, of one worker or of all, in the order in which they were proposed."""
    found = study.get_trials(deepcopy=False, states=tuple(OVER))
    return [
        Result(
            number=trial.number,
            state="refused" if (error := trial.user_attrs.get("error", "")) else OVER[trial.state],
            value=trial.user_attrs.get("value"),
            params=dict(trial.params),
            worker=trial.user_attrs["worker"],
            error=error,
        )
        for trial in found
        if worker in (None, trial.user_attrs["worker"])
    ]
