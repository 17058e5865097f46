"""What ``assemble`` writes and every trainer checks: the names of the files, and the manifest beside them."""

from collections.abc import Mapping
from typing import Any

from components.core.files import digest_of

TABLE = "examples.parquet"
"""All zones but the holdout: what a trainer may read."""

SEALED = "holdout.parquet"
"""The rows of the holdout, where the recipe has one."""

_NOT_IDENTITY = frozenset({"digest", "source", "snapshot_seal"})


def examples_digest(manifest: Mapping[str, Any]) -> str:
    """Return the identity of a set of examples: all that its manifest says, save where and when the data was read."""
    return digest_of({key: value for key, value in manifest.items() if key not in _NOT_IDENTITY})
