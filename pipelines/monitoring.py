"""The monitoring pipeline: does the champion still hold? The same line for every family that scores.

ingest -> features -> assemble -> observe -> monitor. It trains nothing: it says whether somebody must, and
``pipelines/retraining.py`` does.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from typing import Any

from kfp import dsl

from components.assemble.component import assemble
from components.core.family import Family
from components.ingest import MAX_RESTATED
from components.monitor.component import monitor
from components.validate.component import observe
from components.wiring import SMALL, may_verify, place
from pipelines.head import DEFAULT_SOURCE, features_of
from pipelines.request import watched


def monitoring_pipeline(family: Family) -> Any:
    """Return the pipeline that watches the champion of ``family``."""
    default_recipe = watched(family.recipe(family.default_recipe)).canonical()
    name = family.name

    @dsl.pipeline(name=family.monitoring_pipeline, description=f"{family.title}: does the champion still hold?")
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
        run_key: str = "manual",
        root: str = "/qf",
    ):
        run = {"run_key": run_key, "root": root}
        table = features_of(
            run, source=source, symbols=symbols, asof=asof, dataset=dataset, faults=faults, layout=layout,
            max_restated=max_restated, context=context, options=options,
        )  # fmt: skip
        rows = assemble(features=table, family=name, recipe=recipe, **run)
        place(rows, SMALL, cached=False)
        seen = observe(examples=rows.outputs["examples"], family=name, dataset=dataset, **run)
        place(seen, SMALL, cached=False)
        may_verify(seen)
        asked = monitor(observed=seen.outputs["observed"], family=name, dataset=dataset, **run)
        place(asked, SMALL, cached=False)

    return line
