"""A bundle is data, and every byte of it is checked before use."""

from pathlib import Path

import pytest

from components.core import bundle
from components.core.code import code_digest
from components.core.errors import ArtifactError


def _seal(folder: Path, notes: str = "") -> bundle.Bundle:
    folder.mkdir(exist_ok=True)
    (folder / "weights.safetensors").write_bytes(bytes(range(64)))
    (folder / "scaler.json").write_text("{}")
    return bundle.seal(
        folder, family="f", config={"lr": 0.1}, schema={"in": 3}, data={"examples": "d"}, notes={"host": notes}
    )


def test_the_same_bits_have_the_same_digest_wherever_they_were_made(tmp_path: Path) -> None:
    assert _seal(tmp_path / "a", "here").digest == _seal(tmp_path / "b", "there").digest
    loaded = bundle.load(tmp_path / "a")
    assert loaded.manifest["notes"] == {"host": "here", "code": code_digest()}
    assert loaded.path("scaler.json") == tmp_path / "a" / "scaler.json"
    with pytest.raises(ArtifactError, match="lists no file 'x'"):
        loaded.path("x")


def test_a_flipped_bit_an_extra_file_a_link_and_a_missing_file_are_named(tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    _seal(tmp_path)
    content = bytearray(weights.read_bytes())
    content[32] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match=r"weights\.safetensors: sha256 differs"):
        bundle.load(tmp_path)
    content[32] ^= 1
    weights.write_bytes(bytes(content))
    (tmp_path / "extra.py").write_text("print()")
    with pytest.raises(ArtifactError, match=r"extra\.py: not in the manifest"):
        bundle.load(tmp_path)
    (tmp_path / "extra.py").unlink()
    (tmp_path / "link").symlink_to(weights)
    with pytest.raises(ArtifactError, match="no links"):
        bundle.load(tmp_path)
    (tmp_path / "link").unlink()
    bundle.load(tmp_path)
    weights.unlink()
    with pytest.raises(ArtifactError, match="missing"):
        bundle.load(tmp_path)


def test_an_edited_manifest_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / bundle.MANIFEST
    for old, new, message in (('"lr": 0.1', '"lr": 0.2', "digest"), ('"format": 1', '"format": 9', "format 9")):
        _seal(tmp_path)
        text = manifest.read_text()
        assert old in text
        manifest.write_text(text.replace(old, new))
        with pytest.raises(ArtifactError, match=message):
            bundle.load(tmp_path)


def test_a_bundle_that_is_not_the_one_expected_is_refused(tmp_path: Path) -> None:
    sealed = _seal(tmp_path)
    assert bundle.load(tmp_path, expect=sealed.digest) == sealed
    with pytest.raises(ArtifactError, match="expected other"):
        bundle.load(tmp_path, expect="other")
