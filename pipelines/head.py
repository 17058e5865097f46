"""How every pipeline begins: bars are ingested, and features are made of them."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from typing import Any, Final

from components.features.component import features
from components.ingest.component import ingest
from components.wiring import SMALL, may_fetch, may_use_features, place

DEFAULT_SOURCE: Final = "synthetic://planted"


def features_of(run: Mapping[str, Any], **source: Any) -> Any:
    """Return the features of the bars of ``source``, the parameters of the ingest step, within a pipeline."""
    bars = ingest(**source, **run)
    place(bars, SMALL, cached=False)
    may_fetch(bars)
    table = features(snapshot=bars.outputs["snapshot"], **run)
    place(table, SMALL, cached=False)
    may_use_features(table)
    return table.outputs["features"]
