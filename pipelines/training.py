"""The training pipeline: one straight line of steps, the same for every family.

ingest -> features -> assemble -> train -> validate -> promote. There is no branch: the promote
step itself refuses a model that did not pass.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from typing import Any

from kfp import dsl

from components.assemble.component import assemble
from components.core.family import Family
from components.features.component import features
from components.ingest import MAX_RESTATED
from components.ingest.component import ingest
from components.promote.component import promote
from components.train.component import train
from components.validate.component import validate
from components.wiring import SMALL, place

DEFAULT_SOURCE = "synthetic://planted"


def training_pipeline(family: Family) -> Any:
    """Return the pipeline that trains, judges and promotes ``family``."""
    default_recipe = family.recipe(family.default_recipe).canonical()
    name = family.name

    @dsl.pipeline(name=family.pipeline, description=f"{family.title}: from bars to a judged, registered model.")
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
        bars = ingest(
            source=source,
            symbols=symbols,
            asof=asof,
            dataset=dataset,
            faults=faults,
            layout=layout,
            max_restated=max_restated,
            context=context,
            options=options,
            **run,
        )
        place(bars, SMALL, cached=False)
        table = features(snapshot=bars.outputs["snapshot"], **run)
        place(table, SMALL, cached=False)
        rows = assemble(features=table.outputs["features"], family=name, recipe=recipe, **run)
        place(rows, SMALL, cached=False)
        examples = rows.outputs["examples"]
        model = train(examples=examples, family=name, recipe=recipe, **run)
        place(model, family.resources, cached=False)
        bundle = model.outputs["bundle"]
        judged = validate(bundle=bundle, examples=examples, family=name, recipe=recipe, dataset=dataset, **run)
        place(judged, SMALL, cached=False)
        entered = promote(bundle=bundle, verdict=judged.outputs["verdict"], family=name, dataset=dataset, **run)
        place(entered, SMALL, cached=False)

    return line
