"""The weekly pipeline of the stock twins: from bars to a judged, registered twin of every stock of the list.

ingest -> features -> assemble -> fine-tune (in shards) -> validate -> promote. The foundation is trained by a
pipeline of its own; its champion on the same dataset is what the twins stand on.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from typing import Any, Final

from kfp import dsl

from components.assemble.component import assemble_stocks
from components.core.family import Family
from components.ingest import MAX_RESTATED
from components.promote.component import promote_twins
from components.train.component import fine_tune
from components.validate.component import validate_twins
from components.wiring import SMALL, may_register, may_sign, place
from pipelines import WEEKLY
from pipelines.head import DEFAULT_SOURCE, features_of

NUM_SHARDS: Final = 2
"""Tasks that the stocks are shared out to. A fleet of 500 is half a minute of one core: two are for memory and for
faults, not for speed."""


def weekly_pipeline(family: Family) -> Any:
    """Return the pipeline that trains, judges and promotes a twin of each stock."""
    default_recipe = family.recipe(family.default_recipe).canonical()
    name = family.name

    @dsl.pipeline(name=WEEKLY, description=f"{family.title}: each stock's twin anew, judged and promoted by itself.")
    def line(  # noqa: PLR0917 - these are the fields of the run form
        source: str = DEFAULT_SOURCE,
        symbols: str = "",
        tickers: str = "",
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
        rows = assemble_stocks(features=table, family=name, recipe=recipe, tickers=tickers, **run)
        place(rows, SMALL, cached=False)
        examples = rows.outputs["examples"]
        shards: dict[str, Any] = {}
        for shard in range(NUM_SHARDS):  # unrolled here: every backend reads a straight graph alike
            share = {"shard": shard, "num_shards": NUM_SHARDS}
            task = fine_tune(examples=examples, family=name, recipe=recipe, dataset=dataset, **share, **run)
            place(task, family.resources, cached=False)
            shards[f"shard_{shard}"] = task.outputs["bundle"]
        judged = validate_twins(**shards, examples=examples, family=name, recipe=recipe, **run)
        place(judged, SMALL, cached=False)
        may_sign(judged)
        entered = promote_twins(verdicts=judged.outputs["verdicts"], family=name, dataset=dataset, **run)
        place(entered, SMALL, cached=False)
        may_register(entered)

    return line
