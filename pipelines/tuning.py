"""The tuning pipeline: a search for a better recipe, the same line for every family that stands on no other.

ingest -> features -> assemble -> tune (workers side by side) -> collect. Nothing is judged or promoted: the recipe
that is found is trained and judged by a run of its own, whose gates count every trial of the search.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from dataclasses import replace
from typing import Any, Final

from kfp import dsl

from components.assemble.component import assemble
from components.core.family import Family, Resources
from components.ingest import MAX_RESTATED
from components.tune.component import collect, tune
from components.wiring import SMALL, may_share_a_search, place
from pipelines.head import DEFAULT_SOURCE, features_of

NUM_TRIALS: Final = 50
NUM_WORKERS: Final = 2
"""Tasks, each of which carries out two trials at a time: four are at work."""
WORKER_CPU: Final = "4"
"""Two cores for each of the trials of a worker; its one GPU, where the family wants one, is halved between them."""


def tuning_pipeline(family: Family) -> Any:
    """Return the pipeline that searches for a better recipe of ``family``."""
    default_recipe = family.recipe(family.default_recipe).canonical()
    name = family.name

    @dsl.pipeline(name=family.tuning_pipeline, description=f"{family.title}: from bars to a better recipe.")
    def line(  # noqa: PLR0917 - these are the fields of the run form
        source: str = DEFAULT_SOURCE,
        symbols: str = "",
        asof: str = "",
        dataset: str = "synthetic",
        faults: str = "refuse",
        layout: str = "",
        max_restated: float = MAX_RESTATED,
        context: str = "",
        options: str = "",
        recipe: str = default_recipe,
        num_trials: int = NUM_TRIALS,
        run_key: str = "manual",
        root: str = "/qf",
    ):
        run = {"run_key": run_key, "root": root}
        table = features_of(
            family,
            run,
            source=source,
            symbols=symbols,
            asof=asof,
            dataset=dataset,
            faults=faults,
            layout=layout,
            max_restated=max_restated,
            context=context,
            options=options,
            recipe=recipe,
        )
        rows = assemble(features=table, family=name, recipe=recipe, **run)
        place(rows, SMALL, cached=False)
        what = {"family": name, "recipe": recipe, "num_trials": num_trials}
        shares: dict[str, Any] = {}
        for worker in range(NUM_WORKERS):  # unrolled here: every backend reads a straight graph alike
            task = tune(examples=rows.outputs["examples"], dataset=dataset, worker=worker, **what, **run)
            place(task, worker_of(family.resources), cached=False)
            may_share_a_search(task)
            shares[f"share_{worker}"] = task.outputs["trials"]
        found = collect(**shares, **what, **run)
        place(found, SMALL, cached=False)

    return line


def worker_of(training: Resources) -> Resources:
    """Return what a worker asks for: enough for two trials at a time, on one host that stays, one GPU at most."""
    return replace(training, cpu=WORKER_CPU, gpus=min(training.gpus, 1), nodes=1, spot=False)
