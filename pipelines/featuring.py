"""The features of a pipeline: of a family that reads forecasts, the step that makes them stands before."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from typing import Any, Final

from kfp import dsl

from components.core.family import Family, Resources
from components.features import FORECAST_TIMEOUT_S
from components.features.component import features, features_with_forecasts, forecast
from components.market.views import FORECASTS_VIEW
from components.wiring import SMALL, may_use_features, may_use_object_store, place

FORECASTER: Final = Resources(cpu="2", memory="16Gi", gpus=1, timeout_s=FORECAST_TIMEOUT_S)
"""What the step asks for that forecasts; without a GPU it would take the statistical approximation."""


def featured(family: Family, *, snapshot: Any, dataset: Any, recipe: Any = "", **run: Any) -> dsl.PipelineTask:
    """Return the task that makes the features of a snapshot; an empty recipe is that of the family's champion."""
    if FORECASTS_VIEW in family.columns:
        said = forecast(snapshot=snapshot, family=family.name, dataset=dataset, recipe=recipe, **run)
        place(said, FORECASTER, cached=False)
        may_use_object_store(said)
        task = features_with_forecasts(snapshot=snapshot, forecasts=said.outputs["forecasts"], **run)
    else:
        task = features(snapshot=snapshot, **run)
    place(task, SMALL, cached=False)
    may_use_features(task)
    return task
