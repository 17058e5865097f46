"""What an artifact was made of: each keeps the manifests of all before it, so that the last one tells of the first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from components.core.files import atomic_file, digest_of

MANIFEST: Final = "manifest.json"
SNAPSHOT, FEATURES, EXAMPLES = "snapshot.json", "features.json", "examples.json"
"""Names of the carried manifests, in the order of the line."""


def carry(origin: Path, name: str, folder: Path) -> None:
    """Copy the manifest of the artifact in ``origin``, as ``name``, and those that it carries, into ``folder``."""
    carried = {carried: origin / carried for carried in (SNAPSHOT, FEATURES) if (origin / carried).exists()}
    for target, source in {**carried, name: origin / MANIFEST}.items():
        with atomic_file(folder / target) as file:
            file.write(source.read_bytes())


def features_digest(manifest: Mapping[str, Any]) -> str:
    """Return the identity of a set of features: the bars that they were made of, and their own files."""
    return digest_of([manifest["snapshot_digest"], manifest["files"]])
