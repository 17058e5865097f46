import json
import os
import stat
from base64 import b64encode
from pathlib import Path

import pytest

from components.core.errors import ArtifactError, PromotionRefusedError
from components.core.files import canonical_json
from components.core.judge import JudgeConfig
from components.core.keys import private_key
from components.core.verdict import GateResult, Measurement, Verdict, read_verified, sign, write
from components.core.workspace import public_path

GATE = GateResult(
    metric="auc", title="Does it rank?", value=0.6, lower=0.55, upper=0.65, bound=0.5, side="above",
    outcome="pass", reason="0.6, at least 0.55",
)  # fmt: skip
VERDICT = Verdict(
    verdict="pass",
    reason="All 1 gates passed.",
    gates=(GATE,),
    metrics={"auc": Measurement(zone="test", value=0.6), "win_rate": Measurement(zone="test", value=None)},
    family="price_action",
    dataset="toy",
    bundle_digest="b" * 64,
    recipe_digest="c" * 64,
    examples_digest="e" * 64,
    features_digest="f" * 64,
    snapshot_digest="a" * 64,
    snapshot_seal="d" * 64,
    code_digest="9" * 64,
    python="3.11.7",
    numpy="2.4.0",
    champion_digest=None,
    ledger_length=0,
    judge=JudgeConfig(),
    run_key="r1",
    created="2026-01-05T12:00:00+00:00",
)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "verdict.pem"


@pytest.fixture
def path(tmp_path: Path, key: Path) -> Path:
    write(tmp_path / "verdict.json", VERDICT, key)
    return tmp_path / "verdict.json"


def test_a_signed_verdict_reads_back_the_same(path: Path, key: Path) -> None:
    assert read_verified(path, public_path(key)) == VERDICT


def test_the_key_is_made_once_and_is_for_its_owner_only(key: Path) -> None:
    first = sign(VERDICT, key)
    made = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert sign(VERDICT, key) == first  # Ed25519 is deterministic
    assert key.read_bytes() == made
    assert sorted(item.name for item in key.parent.iterdir()) == ["verdict.pem", "verdict.pub"]


def test_the_key_is_private_under_a_loose_umask(key: Path) -> None:
    before = os.umask(0)
    try:
        sign(VERDICT, key)
    finally:
        os.umask(before)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def _leaves(node: object, at: tuple = ()) -> list[tuple]:
    if isinstance(node, dict):
        return [leaf for key in sorted(node) for leaf in _leaves(node[key], (*at, key))]
    if isinstance(node, list):
        return [leaf for place, item in enumerate(node) for leaf in _leaves(item, (*at, place))]
    return [at]


DOCUMENT = json.loads(VERDICT.model_dump_json())


def _other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return "fail" if value == "pass" else f"{value}x"


@pytest.mark.parametrize("leaf", _leaves(DOCUMENT), ids=lambda leaf: ".".join(map(str, leaf)))
def test_any_altered_field_voids_the_signature(path: Path, key: Path, leaf: tuple) -> None:
    content = json.loads(path.read_text())
    place = content["verdict"]
    for part in leaf[:-1]:
        place = place[part]
    place[leaf[-1]] = _other(place[leaf[-1]])
    path.write_text(json.dumps(content))
    with pytest.raises(PromotionRefusedError, match="does not fit"):
        read_verified(path, public_path(key))


def test_a_removed_or_added_field_voids_the_signature(path: Path, key: Path) -> None:
    for change in ({"extra": 1}, None):
        content = {"verdict": dict(DOCUMENT), "signature": json.loads(path.read_text())["signature"]}
        if change:
            content["verdict"] |= change
        else:
            del content["verdict"]["reason"]
        path.write_text(json.dumps(content))
        with pytest.raises(PromotionRefusedError):
            read_verified(path, public_path(key))


@pytest.mark.parametrize("signature", [None, "", "AAAA", "no base64 !", 7])
def test_a_missing_or_foreign_signature_is_refused(path: Path, key: Path, signature: object) -> None:
    content = {"verdict": DOCUMENT} | ({"signature": signature} if signature is not None else {})
    path.write_text(json.dumps(content))
    with pytest.raises(PromotionRefusedError):
        read_verified(path, public_path(key))


def test_the_key_of_another_installation_is_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "verdict.pem"
    sign(VERDICT, other)
    with pytest.raises(PromotionRefusedError, match="another key"):
        read_verified(path, public_path(other))


def test_a_missing_file_or_key_is_named(path: Path, key: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"none\.json"):
        read_verified(tmp_path / "none.json", public_path(key))
    public_path(key).unlink()
    with pytest.raises(ArtifactError, match=r"verdict\.pub"):
        read_verified(path, public_path(key))


def test_a_file_that_holds_no_key_is_named(path: Path, key: Path) -> None:
    public_path(key).write_text("hello")
    with pytest.raises(ArtifactError, match="no Ed25519 public key"):
        read_verified(path, public_path(key))
    key.write_text("hello")
    with pytest.raises(ArtifactError, match="no Ed25519 private key"):
        sign(VERDICT, key)


@pytest.mark.parametrize("form", [1, 2])
def test_a_rightly_signed_document_of_another_format_is_refused_with_a_remedy(path: Path, key: Path, form: int) -> None:
    write(path, VERDICT.model_copy(update={"format": form}), key)
    with pytest.raises(ArtifactError, match=f"format {form}, this version reads 3.* Judge the bundle again"):
        read_verified(path, public_path(key))


def test_a_rightly_signed_document_that_lacks_a_field_is_refused(path: Path, key: Path) -> None:
    document = {name: value for name, value in DOCUMENT.items() if name != "snapshot_seal"}
    signature = b64encode(private_key(key).sign(canonical_json(document).encode())).decode()
    path.write_text(json.dumps({"verdict": document, "signature": signature}))
    with pytest.raises(ArtifactError, match="snapshot_seal: Field required"):
        read_verified(path, public_path(key))
