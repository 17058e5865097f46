"""What ``assemble`` writes and every trainer checks: the names of the files, and the manifest beside them."""

from collections.abc import Mapping
from typing import Any

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.files import digest_of
from components.market.columns import FORECASTS_BY

TABLE = "examples.parquet"
"""All zones but the holdout: what a trainer may read."""

SEALED = "holdout.parquet"
"""The rows of the holdout, where the recipe has one."""

_NOT_IDENTITY = frozenset({"digest", "source", "snapshot_seal"})


def examples_digest(manifest: Mapping[str, Any]) -> str:
    """Return the identity of a set of examples: all that its manifest says, save where and when the data was read."""
    return digest_of({key: value for key, value in manifest.items() if key not in _NOT_IDENTITY})


def require_same_forecasts(bundle: Bundle, manifest: Mapping[str, Any]) -> None:
    """Check that a bundle was trained on forecasts by the source that made those of the examples, or on none either.

    Raises:
        ArtifactError: If it was not: forecasts of another source are other features under the same names.
    """
    theirs, ours = bundle.manifest["data"].get(FORECASTS_BY), manifest.get(FORECASTS_BY)
    if theirs != ours:
        raise ArtifactError(
            f"{bundle.folder}: trained on forecasts by {theirs!r}, those of the examples are by {ours!r}. "
            "Make the features with the same forecaster, or train again"
        )
