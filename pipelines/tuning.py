"""A search over recipes: Optuna proposes, successive halving ends the poor early, every trial is on the record.

Sources: Akiba et al. (2019), "Optuna"; Li et al. (2020), "A System for Massively Parallel Hyperparameter Tuning", for
asynchronous successive halving. A search looks at the validation zone alone. What it finds is judged by a run of its
own, whose gates count every trial of the search: the best of fifty looks skilful by luck.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import math
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.code import code_digest
from components.core.config import with_overrides
from components.core.errors import InterruptedRunError, QuantfoundryError, RecipeError
from components.core.family import Family
from components.core.files import atomic_file, digest_of, file_lock, read_json
from components.core.recipe import RecipeConfig
from components.core.run_context import RunContext, Stop, die_with
from components.core.search import Options, Space
from components.core.span import Span
from components.core.trials import Trial, record
from components.core.workspace import Workspace
from components.learning.spool import SPOOL, read_lines
from components.validate.kinds import kind_of
from pipelines.proving import Ground, prepare

NUM_TRIALS: Final = 50
NUM_PROCESSES: Final = 4
GRACE_EPOCHS, REDUCTION_FACTOR = 10, 2
"""Epochs that every trial gets, and the share of the trials, one in so many, that goes on from each rung."""
ASK_WAIT_S: Final = 600.0


@dataclass(frozen=True)
class Search:
    """What is searched, and where it is kept; equal searches go on from each other."""

    family: Family
    recipe: RecipeConfig
    space: Space
    source: str
    dataset: str
    workspace: Workspace
    metric: str
    """Number of the history; lower is better of a loss, higher of all else."""
    storage: str = ""
    """URL of Optuna's storage, such as ``postgresql+psycopg://...``; empty is a SQLite file in the folder."""

    @property
    def folder(self) -> Path:
        """Where the search keeps everything."""
        space = {key: repr(choice) for key, choice in self.space.items()}
        identity = [
            self.family.name,
            self.recipe.digest(),
            space,
            self.source,
            self.dataset,
            self.metric,
            code_digest(),
        ]
        return self.workspace.root / "tune" / f"{self.family.pipeline}-{digest_of(identity)[:12]}"

    @property
    def ground(self) -> Ground:
        """Where its examples lie."""
        return Ground(self.folder, self.folder / "root", dataset=self.dataset)

    @property
    def maximize(self) -> bool:
        """Whether more of the metric is better."""
        return "loss" not in self.metric

    def study(self) -> Any:
        """Return Optuna's study of this search; a new one if there is none yet."""
        import optuna  # noqa: PLC0415 - an extra of its own

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # The epochs of successive halving, whatever a trial's number; SQLite waits while another process writes.
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=GRACE_EPOCHS, reduction_factor=REDUCTION_FACTOR)
        url = self.storage or f"sqlite:///{self.folder / 'study.db'}"
        waits = {} if self.storage else {"connect_args": {"timeout": ASK_WAIT_S}}
        return optuna.create_study(
            storage=optuna.storages.RDBStorage(url, engine_kwargs=waits),
            study_name=self.folder.name,
            direction="maximize" if self.maximize else "minimize",
            pruner=pruner,
            load_if_exists=True,
        )


@dataclass(frozen=True)
class Found:
    """What a search found."""

    value: float
    """Best metric, of the validation zone."""
    params: dict[str, Any]
    """Settings of the best trial, by dotted key."""
    num_trials: int
    num_ended_early: int
    recipe: Path
    """A recipe to run, with those settings."""


def tune(search: Search, *, num_trials: int, num_processes: int, on_done: Callable[[int, int], None]) -> Found:
    """Return the best of ``num_trials`` trials; a killed search goes on from those that are over.

    A trial that was cut off is tried again with the same settings, and its training goes on from its checkpoint.

    Raises:
        BusyError: If another process carries out this search.
        InterruptedRunError: If a process was killed.
        RecipeError: If no trial could be trained.
    """
    search.folder.mkdir(parents=True, exist_ok=True)
    with file_lock(search.folder / "search.lock", f"search {search.folder.name}"):
        if not search.ground.examples.exists():
            prepare(search.ground, search.family, search.recipe, search.source)
        _retry_cut_off(search.study())
        with ProcessPoolExecutor(
            num_processes, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
        ) as pool:
            waiting = [pool.submit(_work, search, num_trials) for _ in range(num_processes)]
            try:
                for job in waiting:
                    job.result()
                    on_done(_num_over(search.study()), num_trials)
            except BrokenProcessPool:
                raise InterruptedRunError("a process was killed. The same command goes on from here") from None
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return _found(search)


def _begin(parent: int) -> None:
    die_with(parent, Stop(), grace_s=0.0)


def _retry_cut_off(study: Any) -> None:
    """Put the trials that no process carries out any more first in the line of those to come."""
    from optuna.trial import TrialState  # noqa: PLC0415 - an extra of its own

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _num_over(study: Any) -> int:
    from optuna.trial import TrialState  # noqa: PLC0415 - as above

    return len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))


def _work(search: Search, num_trials: int) -> None:
    """Carry out trials until there are enough; several processes do so side by side."""
    from optuna.trial import TrialState  # noqa: PLC0415 - as above

    study = search.study()
    while True:
        with file_lock(search.folder / "ask.lock", wait_s=ASK_WAIT_S):
            states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
            if len(study.get_trials(states=states)) >= num_trials:
                return
            trial = _ask(search, study)
        try:
            value, early = _carry_out(search, trial)
        except InterruptedRunError:
            raise
        except QuantfoundryError as error:  # of this trial alone, such as a step size too large: another may do
            trial.set_user_attr("error", str(error))
            study.tell(trial, -math.inf if search.maximize else math.inf)
            continue
        trial.set_user_attr("value", value)
        study.tell(trial, None if early else value, state=TrialState.PRUNED if early else None)


def _ask(search: Search, study: Any) -> Any:
    """Return the next trial. Its proposal follows from the seed and from the trials that are over."""
    import optuna  # noqa: PLC0415 - as above

    seed = search.recipe.seed + len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    trial = study.ask()
    for key, choice in search.space.items():
        if isinstance(choice, Options):
            trial.suggest_categorical(key, choice.values)
        elif isinstance(choice.low, int) and isinstance(choice.high, int):
            trial.suggest_int(key, choice.low, choice.high, log=choice.log)
        else:
            trial.suggest_float(key, choice.low, choice.high, log=choice.log)
    return trial


def recipe_with(search: Search, params: dict[str, Any]) -> RecipeConfig:
    """Return the recipe of the search with the settings of a trial.

    Raises:
        RecipeError: If they do not go together.
    """
    values = with_overrides(
        search.recipe.model_dump(mode="json"), [f"{key}={value}" for key, value in params.items()], name="trial"
    )
    return search.family.config.parse(values, name="trial")


def _carry_out(search: Search, trial: Any) -> tuple[float, bool]:
    """Train one trial, write it down, and return its metric and whether it was ended early."""
    config = recipe_with(search, trial.params)
    key = f"trial-{config.digest()[:12]}"
    workspace = Workspace.at(str(search.ground.root))
    watch = _Watch(trial, workspace.run(key) / SPOOL, search.metric.replace("val_", "eval/"))
    run = RunContext("train", key, workspace, enough=watch)
    out = search.folder / "bundles" / key
    if not out.exists():
        search.family.module("train").train(config, search.ground.examples, out, run)
    bundle = bundles.load(out)
    history: dict[str, list[float]] = read_json(bundle.path("history.json"))
    if search.metric not in history:
        raise RecipeError(f"no metric is called {search.metric!r}. There are {', '.join(history)}")
    _write_down(search, bundle, key)
    epoch = int(read_json(bundle.path("model.json"))["best_epoch"])
    return history[search.metric][epoch - 1], watch.ended


class _Watch:
    """Reports the epochs that are over, and remembers whether successive halving ended the trial after them."""

    def __init__(self, trial: Any, spool: Path, tag: str) -> None:
        self._trial, self._spool, self._tag = trial, spool, tag
        self._last = 0
        self.ended = False

    def __call__(self) -> bool:
        """Return whether the trial is to end now."""
        for line in read_lines(self._spool) if self._spool.is_file() else []:
            if self._tag in line.values and line.step > self._last:
                self._last = line.step
                self._trial.report(line.values[self._tag], line.step)
                self.ended = self.ended or bool(self._trial.should_prune())
        return self.ended


def _write_down(search: Search, bundle: Bundle, key: str) -> None:
    """Enter a trial into the ledger that the gates of this family and dataset count.

    Its days are those of validation, which it was looked at on, up to the end of the test, which it is a candidate for.
    """
    manifest = read_json(search.ground.examples / "manifest.json")
    say = search.family.module("predict").predict
    said, known = (say(bundle, search.ground.examples, zone=zone, threads=1) for zone in ("validation", "train"))
    kind = kind_of(said)
    zone = kind.zone(said)
    score = kind.trial_score(zone, kind.zone(known) if kind.learns else None, search.recipe.judge)
    last = "test" if "test" in manifest["zones"] else "validation"
    trial = Trial(
        kind="tune",
        run_key=key,
        bundle=bundle.digest,
        recipe=digest_of(bundle.manifest["config"]),
        examples=manifest["digest"],
        span=Span(Span.of_zone(manifest, "validation").first, Span.of_zone(manifest, last).last),
        num_times=zone.num_times,
        score=score if math.isfinite(score) else None,
    )
    record(search.workspace.trials(search.family.name, search.dataset), trial)


def _found(search: Search) -> Found:
    """Return the best trial and write its recipe.

    Raises:
        RecipeError: If no trial was trained to its end.
    """
    from optuna.trial import TrialState  # noqa: PLC0415 - an extra of its own

    study = search.study()
    whole = [item for item in study.get_trials(states=(TrialState.COMPLETE,)) if "value" in item.user_attrs]
    if not whole:
        said = next((item.user_attrs["error"] for item in study.get_trials() if "error" in item.user_attrs), "no trial")
        raise RecipeError(f"no trial could be trained to its end. The first one says: {said}")
    best = study.best_trial
    path = search.folder / "best.yaml"
    recipe = recipe_with(search, best.params).model_dump(mode="json")
    head = f"# Best of {_num_over(study)} trials by {search.metric}, {best.value:.6g} on the validation zone.\n"
    with atomic_file(path) as file:
        file.write((head + yaml.safe_dump(recipe, sort_keys=True)).encode())
    early = len(study.get_trials(states=(TrialState.PRUNED,)))
    return Found(float(best.value), dict(best.params), _num_over(study), early, path)
