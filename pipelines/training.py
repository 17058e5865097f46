"""The training pipeline: one straight line of steps, the same for every family.

ingest -> features -> assemble -> train -> validate -> promote. There is no branch: the promote
step itself refuses a model that did not pass.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from dataclasses import asdict
from typing import Any

from kfp import dsl

from components.assemble.component import assemble
from components.core.family import Family
from components.core.files import canonical_json
from components.ingest import MAX_RESTATED
from components.promote.component import promote
from components.train.component import launch, train
from components.validate.component import validate
from components.wiring import GPU, SMALL, may_register, may_sign, place, place_supervisor
from pipelines.head import DEFAULT_SOURCE, features_of


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
        examples = rows.outputs["examples"]
        bundle = _training(family, examples=examples, family=name, recipe=recipe, **run).outputs["bundle"]
        judged = validate(bundle=bundle, examples=examples, family=name, recipe=recipe, dataset=dataset, **run)
        place(judged, SMALL, cached=False)
        may_sign(judged)
        entered = promote(bundle=bundle, verdict=judged.outputs["verdict"], family=name, dataset=dataset, **run)
        place(entered, SMALL, cached=False)
        may_register(entered)

    return line


def _training(declared: Family, **given: Any) -> dsl.PipelineTask:
    """Return the step that trains, or the one that lets a job of its own train: where hosts are many, or taken away."""
    wanted = declared.resources
    if not wanted.launched:
        return place(train(**given), wanted, cached=False)
    return place_supervisor(launch(**given, image=GPU, resources=canonical_json(asdict(wanted))), wanted)
