"""The same search by Ray Tune: the same space, metric, rungs and ledger; another scheduler places the trials.

Source: Liaw et al. (2018), "Tune: A Research Platform for Distributed Model Selection and Training"; Li et al. (2020)
for its ASHA. Ray ends a trial by letting go of it, so a trial that is ended early is finished here from the checkpoint
of its last epoch, and counts as any other. Equal searches propose equal settings: those that are over are not trained
again. What Ray pickles is its own way from process to process; no bundle is read from it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from components.core.errors import QuantfoundryError
from components.core.files import digest_of, file_lock, read_json, write_json
from components.core.run_context import Stop
from components.core.search import Choice, Options, maximizes
from components.tune.results import Result
from components.tune.search import ASK_WAIT_S, GRACE_EPOCHS, MAX_EPOCHS, REDUCTION_FACTOR, Search
from components.tune.trial import carry_out

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported: nothing is sent anywhere
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

log = logging.getLogger(__name__)

CPUS, GPUS = 2.0, 0.5
"""What a trial asks for."""
WORKER: Final = "ray"
EPOCH: Final = "epoch"


def share_of(held: Mapping[str, float]) -> dict[str, float]:
    """Return what a trial is given where there is so much, and say so where that is less than it asks for."""
    share = {"cpu": min(CPUS, held.get("CPU", 0.0)), "gpu": min(GPUS, held.get("GPU", 0.0))}
    if share != {"cpu": CPUS, "gpu": GPUS}:
        log.warning(
            "a trial asks for %g cores and %g of a GPU, and is given %g and %g: there is no more",
            CPUS, GPUS, share["cpu"], share["gpu"],
        )  # fmt: skip
    return share


def domain_of(choice: Choice) -> Any:
    """Return Ray's form of what may be tried."""
    if isinstance(choice, Options):
        return tune.choice(list(choice.values))
    if isinstance(choice.low, int) and isinstance(choice.high, int):  # Ray leaves out the high end of whole numbers
        return (tune.lograndint if choice.log else tune.randint)(choice.low, choice.high + 1)
    return (tune.loguniform if choice.log else tune.uniform)(choice.low, choice.high)


def work_on_ray(
    search: Search, num_trials: int, *, num_at_a_time: int, num_cpus: int | None = None, num_gpus: int | None = None
) -> list[Result]:
    """Return ``num_trials`` trials, in the order in which they were proposed; a killed search goes on.

    ``num_cpus`` and ``num_gpus`` are what Ray may use of this machine, None all.
    """
    search.folder.mkdir(parents=True, exist_ok=True)
    mode = "max" if maximizes(search.metric) else "min"
    # Workers import what this process does, from where it does.
    paths = {"env_vars": {"PYTHONPATH": os.pathsep.join(item or str(Path.cwd()) for item in sys.path)}}
    ray.init(
        num_cpus=num_cpus, num_gpus=num_gpus, include_dashboard=False, log_to_driver=False, runtime_env=paths,
        configure_logging=False,
    )  # fmt: skip
    try:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(_trial, search=search), share_of(ray.cluster_resources())),
            param_space={key: domain_of(choice) for key, choice in search.space.items()},
            tune_config=tune.TuneConfig(
                num_samples=num_trials,
                search_alg=BasicVariantGenerator(random_state=search.recipe.seed, max_concurrent=num_at_a_time),
                scheduler=ASHAScheduler(
                    time_attr=EPOCH, metric=search.metric, mode=mode, max_t=MAX_EPOCHS, grace_period=GRACE_EPOCHS,
                    reduction_factor=REDUCTION_FACTOR,
                ),
            ),
            run_config=tune.RunConfig(name=search.folder.name, storage_path=str(search.folder / "ray"), verbose=0),
        )  # fmt: skip
        proposed = [dict(result.config or {}) for result in tuner.fit()]
    finally:
        ray.shutdown()
    return [_finished(search, params, number) for number, params in enumerate(proposed)]


class _Reported:
    """Tells Ray of each epoch; who shall not go on does not come back from there."""

    def __init__(self, metric: str) -> None:
        self._metric = metric

    def report(self, value: float, step: int) -> None:
        tune.report({self._metric: value, EPOCH: step})

    def should_prune(self) -> bool:
        return False


class _Enough:
    """Ends a trial after the epochs that it has."""

    def report(self, value: float, step: int) -> None:
        pass

    def should_prune(self) -> bool:
        return True


def _trial(params: dict[str, Any], *, search: Search) -> None:
    """Carry out a trial in a process of Ray's, unless it is over."""
    path = _told(search, params)
    with file_lock(path.with_suffix(".lock"), wait_s=ASK_WAIT_S):  # the same settings may be proposed twice
        if not path.exists():
            _carry_out(search, params, _Reported(search.metric), path)


def _finished(search: Search, params: dict[str, Any], number: int) -> Result:
    """Return a trial that Ray is done with; one that it let go of is finished with the epochs that it has."""
    path = _told(search, params)
    if not path.exists():
        _carry_out(search, params, _Enough(), path)
    return Result(number=number, params=params, worker=WORKER, **read_json(path))


def _told(search: Search, params: dict[str, Any]) -> Path:
    return search.folder / "results" / f"{digest_of(params)[:16]}.json"


def _carry_out(search: Search, params: dict[str, Any], halving: _Reported | _Enough, path: Path) -> None:
    facts: dict[str, Any] = {"state": "refused", "value": None}
    try:
        config = search.family.varied(search.recipe, params)
        value, early = carry_out(search, config, halving, stop=Stop())
        facts = {"state": "ended early" if early else "complete", "value": value}
    except QuantfoundryError as error:  # of this trial alone, as in the crew
        facts["error"] = str(error)
    write_json(path, facts)
