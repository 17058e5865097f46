"""``qf tune``: a search over recipes on this machine, by the workers of the tune step. Killed, it goes on."""

# pyright: reportUnknownVariableType=false
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.core.code import code_digest
from components.core.errors import EnvironmentMissingError, UsageError
from components.core.family import Family
from components.core.files import digest_of, file_lock
from components.core.recipe import RecipeConfig
from components.core.run_context import Stop
from components.core.search import Backend, Space
from components.core.workspace import Workspace
from components.tune.crew import work_together
from components.tune.results import Result, best_of, write_recipe
from components.tune.search import Search, results_of
from components.tune.step import BEST
from pipelines.proving import Ground, prepare

WORKER: Final = "here"


@dataclass(frozen=True)
class Found:
    """What a search found."""

    best: Result
    num_trials: int
    num_ended_early: int
    recipe: Path
    """A recipe to run, with the settings of the best."""


def search_of(
    family: Family,
    recipe: RecipeConfig,
    space: Space,
    *,
    source: str,
    dataset: str,
    workspace: Workspace,
    metric: str,
    storage: str = "",
) -> Search:
    """Return the search that these words ask for; equal ones go on from each other.

    Raises:
        UsageError: If the family stands on the champion of another, which is what is to be searched for.
    """
    if family.starts_from:
        raise UsageError(f"{family.pipeline}: stands on the champion of {family.starts_from}. Search for that one")
    choices = {key: repr(choice) for key, choice in space.items()}
    identity = [family.name, recipe.digest(), choices, source, dataset, metric, code_digest()]
    folder = workspace.root / "tune" / f"{family.pipeline}-{digest_of(identity)[:12]}"
    return Search(
        family=family, recipe=recipe, space=space, examples=folder / "examples", dataset=dataset, workspace=workspace,
        folder=folder, metric=metric, storage=storage,
    )  # fmt: skip


def tune(
    search: Search,
    source: str,
    *,
    num_trials: int,
    num_processes: int,
    on_done: Callable[[int, int], None],
    backend: Backend = "optuna",
) -> Found:
    """Return the best of ``num_trials`` trials; a killed search goes on from those that are over.

    A trial that was cut off is tried again with the same settings, and its training goes on from its checkpoint.

    Raises:
        BusyError: If another process carries out this search.
        EnvironmentMissingError: If the backend is not installed.
        InterruptedRunError: If every worker was killed.
        RecipeError: If no trial could be trained to its end.
    """
    with file_lock(search.folder / "search.lock", f"search {search.folder.name}"):
        if not search.examples.exists():
            ground = Ground(search.folder, search.folder / "root", dataset=search.dataset)
            prepare(ground, search.family, search.recipe, source)
        if backend == "ray":
            return found_of(search, _by_ray(search, num_trials, num_at_a_time=num_processes))
        study = work_together(
            search, num_trials, num_processes=num_processes, worker=WORKER, stop=Stop(), on_done=on_done
        )
        return found_of(search, results_of(study))


def _by_ray(search: Search, num_trials: int, *, num_at_a_time: int) -> list[Result]:
    try:
        from components.tune.on_ray import work_on_ray  # noqa: PLC0415 - Ray is an extra of its own
    except ModuleNotFoundError:
        raise EnvironmentMissingError("Ray is not installed. pip install 'quantfoundry[ray]'") from None
    return work_on_ray(search, num_trials, num_at_a_time=num_at_a_time)


def found_of(search: Search, results: list[Result]) -> Found:
    """Return the best of the trials that are over, its recipe beside them.

    Raises:
        RecipeError: If no trial was trained to its end.
    """
    best, path = best_of(results, search.metric), search.folder / BEST
    recipe = search.family.varied(search.recipe, best.params)
    write_recipe(path, recipe, best, metric=search.metric, num_trials=len(results))
    return Found(best, len(results), sum(result.state == "ended early" for result in results), path)
