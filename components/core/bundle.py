"""A trained model as data only: safetensors weights and JSON, every byte digested, never a pickle.

``manifest.json`` is written last and names the sha256 of every other file; the bundle's
identity is the digest of that table and of the settings, so two runs that end in the same
bits have the same digest, whenever and wherever they ran.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.code import code_digest
from components.core.errors import ArtifactError
from components.core.files import digest_of, read_json, sha256_of, write_json

FORMAT = 1
MANIFEST = "manifest.json"
_IDENTITY: Mapping[str, type] = {
    "format": int, "family": str, "config": dict, "schema": dict, "data": dict, "files": dict
}  # fmt: skip
"""What the digest is made of, and of what kind each is."""


@dataclass(frozen=True)
class Bundle:
    """A folder whose files were checked against its manifest."""

    folder: Path
    digest: str
    manifest: Mapping[str, Any]

    def path(self, name: str) -> Path:
        """Return the path of a file that the manifest lists.

        Raises:
            ArtifactError: If the manifest does not list it.
        """
        if name not in self.manifest["files"]:
            raise ArtifactError(f"{self.folder}: the manifest lists no file {name!r}. Train it again")
        return self.folder / name


def identity(manifest: Mapping[str, Any]) -> str:
    """Return the digest that a manifest should state: that of all that makes the bundle what it is."""
    return digest_of({key: manifest[key] for key in _IDENTITY})


def _table(folder: Path) -> dict[str, str]:
    files: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ArtifactError(f"{path}: a bundle holds no links. Replace it by the file")
        if path.is_file() and name != MANIFEST:
            files[name] = sha256_of(path)
    return files


def seal(
    folder: Path,
    *,
    family: str,
    config: Mapping[str, Any],
    schema: Mapping[str, Any],
    data: Mapping[str, Any],
    notes: Mapping[str, Any],
) -> Bundle:
    """Write the manifest over the files that lie in ``folder`` and return the bundle.

    ``schema`` describes inputs and outputs, ``data`` the digests of what it was trained on;
    ``notes`` (host, times, library versions) are kept beside the digest of the code, but do not change the digest.
    """
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "family": family,
        "config": dict(config),
        "schema": dict(schema),
        "data": dict(data),
        "files": _table(folder),
        "notes": {**notes, "code": code_digest()},
    }
    manifest["digest"] = identity(manifest)
    write_json(folder / MANIFEST, manifest)
    return Bundle(folder, manifest["digest"], manifest)


def load(folder: Path, *, expect: str | None = None) -> Bundle:
    """Return the bundle in ``folder`` after checking every file.

    Raises:
        ArtifactError: If a file is missing, added, altered or a link, if the format is unknown,
            or if its digest is not ``expect``.
    """
    manifest = read_json(folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise ArtifactError(f"{folder}: bundle format {manifest.get('format')!r}, this version reads {FORMAT}")
    for key, kind in _IDENTITY.items():
        if not isinstance(manifest.get(key), kind):
            raise ArtifactError(f"{folder / MANIFEST}: {key!r} is no {kind.__name__}. Train it again")
    found, listed = _table(folder), manifest["files"]
    for name in sorted(found.keys() | listed.keys()):
        if name not in found:
            raise ArtifactError(f"{folder / name}: missing, though the manifest lists it. Train it again")
        if name not in listed:
            raise ArtifactError(f"{folder / name}: not in the manifest. Somebody added it; remove it")
        if found[name] != listed[name]:
            raise ArtifactError(f"{folder / name}: sha256 differs from the manifest. It was altered; train it again")
    digest = identity(manifest)
    if digest != manifest.get("digest") or expect not in (None, digest):
        raise ArtifactError(f"{folder}: digest {digest[:12]}, expected {(expect or manifest.get('digest'))!s:.12}")
    return Bundle(folder, digest, manifest)
