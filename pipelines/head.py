"""How every pipeline begins: bars are ingested, forecasts made for a family that reads any, and features of them."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Mapping
from typing import Any, Final

from kfp import dsl

from components.core.family import Family, Resources
from components.features import FORECAST_TIMEOUT_S
from components.features.component import features, features_with_forecasts, forecast
from components.ingest.component import ingest
from components.market.views import FORECASTS_VIEW
from components.wiring import SMALL, may_fetch, may_use_features, may_use_object_store, place

DEFAULT_SOURCE: Final = "synthetic://planted"
FORECASTER: Final = Resources(cpu="2", memory="16Gi", gpus=1, timeout_s=FORECAST_TIMEOUT_S)
"""What the step asks for that forecasts; without a GPU it would take the statistical approximation."""


def features_of(family: Family, run: Mapping[str, Any], *, dataset: Any, recipe: Any = "", **source: Any) -> Any:
    """Return the features of the bars of ``source``, the parameters of the ingest step, within a pipeline.

    An empty ``recipe`` is that of the family's champion.
    """
    bars = ingest(**source, dataset=dataset, **run)
    place(bars, SMALL, cached=False)
    may_fetch(bars)
    table = _featured(family, snapshot=bars.outputs["snapshot"], dataset=dataset, recipe=recipe, **run)
    place(table, SMALL, cached=False)
    may_use_features(table)
    return table.outputs["features"]


def _featured(family: Family, *, snapshot: Any, dataset: Any, recipe: Any, **run: Any) -> dsl.PipelineTask:
    """Return the task that makes the features; before it stands, where they are wanted, the one that forecasts."""
    if FORECASTS_VIEW not in family.columns:
        return features(snapshot=snapshot, **run)
    said = forecast(snapshot=snapshot, family=family.name, dataset=dataset, recipe=recipe, **run)
    place(said, FORECASTER, cached=False)
    may_use_object_store(said)
    return features_with_forecasts(snapshot=snapshot, forecasts=said.outputs["forecasts"], **run)
