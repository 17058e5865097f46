"""The scoring pipeline: what the champion says of the newest bars, the same line for every family.

ingest -> features -> score. Without a champion that can be trusted the family's baseline answers,
with the reason beside every row.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from typing import Any

from kfp import dsl

from components.core.family import Family
from components.ingest import MAX_RESTATED
from components.score.component import score
from components.serving import MAX_AGE_DAYS
from components.wiring import SMALL, may_use_features, place
from pipelines.head import DEFAULT_SOURCE, features_of


def scoring_pipeline(family: Family) -> Any:
    """Return the pipeline that lets the champion of ``family`` predict."""
    name = family.name

    @dsl.pipeline(name=family.scoring_pipeline, description=f"{family.title}: from bars to predictions.")
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
        every_window: bool = False,
        max_age_days: float = MAX_AGE_DAYS,
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
        )
        said = score(
            features=table,
            family=name,
            dataset=dataset,
            every_window=every_window,
            max_age_days=max_age_days,
            **run,
        )
        place(said, SMALL, cached=False)
        may_use_features(said)

    return line
