"""The complete pipeline of the profit models: from bars to a judged base model, judged stocks and judged portfolios.

ingest -> features -> train the base -> fine-tune each stock -> fit the pairs -> validate -> promote. The base and each
stock's model are of the profit family, the portfolios of the pairs family; each competes under a name of its own.
Portfolios read forecasts, not the models of their stocks: those have seen the training zone, and what they say of it is
better than what they will say later, so who is fitted on it would trust them too much.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from typing import Any

from kfp import dsl

from components.assemble.component import assemble, assemble_groups
from components.core.family import Family
from components.ingest import MAX_RESTATED
from components.promote.component import promote, promote_each
from components.train.component import fine_tune_stocks, train, train_pairs
from components.validate.component import validate, validate_each
from components.wiring import SMALL, may_register, may_sign, place
from pipelines import COMPLETE
from pipelines.head import DEFAULT_SOURCE, features_of


def complete_pipeline(profit: Family, portfolios: Family) -> Any:
    """Return the pipeline that trains, judges and promotes a base model, its stocks and their portfolios."""
    default_recipe = profit.recipe(profit.default_recipe).canonical()
    default_pairs_recipe = portfolios.recipe(portfolios.default_recipe).canonical()
    title = f"{profit.title}; of many stocks, of each, and of pairs."

    @dsl.pipeline(name=COMPLETE, description=title)
    def line(  # noqa: PLR0917 - these are the fields of the run form
        source: str = DEFAULT_SOURCE,
        symbols: str = "",
        stocks: str = "SYN000,SYN001",
        pairs: str = "SYN000/SYN001",
        asof: str = "",
        dataset: str = "synthetic",
        faults: str = "refuse",
        layout: str = "",
        max_restated: float = MAX_RESTATED,
        context: str = "",
        options: str = "",
        recipe: str = default_recipe,
        pairs_recipe: str = default_pairs_recipe,
        run_key: str = "manual",
        root: str = "/qf",
    ):
        run = {"run_key": run_key, "root": root}
        known = features_of(
            profit,
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
        base = _base(profit, known, recipe=recipe, dataset=dataset, run=run)
        one = {"family": profit.name, "recipe": recipe, **run}
        of_each = _groups(known, part="stocks", groups=stocks, **one)
        tuned = place(fine_tune_stocks(examples=of_each, base=base, **one), profit.resources, cached=False)
        _judged(tuned.outputs["bundles"], of_each, part="stocks", **one)
        few = {"family": portfolios.name, "recipe": pairs_recipe, **run}
        of_pairs = _groups(known, part="pairs", groups=pairs, **few)
        fitted = place(train_pairs(examples=of_pairs, **few).after(tuned), portfolios.resources, cached=False)
        _judged(fitted.outputs["bundles"], of_pairs, part="pairs", **few)

    return line


def _base(profit: Family, known: Any, *, recipe: Any, dataset: Any, run: dict[str, Any]) -> Any:
    """Return the bundle of the base model, which is judged and promoted like that of any training."""
    asked = {"family": profit.name, "recipe": recipe, **run}
    rows = place(assemble(features=known, **asked), SMALL, cached=False)
    examples = rows.outputs["examples"]
    bundle = place(train(examples=examples, **asked), profit.resources, cached=False).outputs["bundle"]
    judged = place(validate(bundle=bundle, examples=examples, dataset=dataset, **asked), SMALL, cached=False)
    may_sign(judged)
    verdict = judged.outputs["verdict"]
    entered = promote(bundle=bundle, verdict=verdict, family=profit.name, dataset=dataset, **run)
    may_register(place(entered, SMALL, cached=False))
    return bundle


def _groups(known: Any, **asked: Any) -> Any:
    """Return the examples of each group by itself."""
    rows = place(assemble_groups(features=known, **asked), SMALL, cached=False)
    return rows.outputs["examples"]


def _judged(bundles: Any, examples: Any, *, recipe: Any, **asked: Any) -> None:
    """Judge each of many models, and promote those that pass."""
    judged = place(validate_each(bundles=bundles, examples=examples, recipe=recipe, **asked), SMALL, cached=False)
    may_sign(judged)
    may_register(place(promote_each(verdicts=judged.outputs["verdicts"], **asked), SMALL, cached=False))
