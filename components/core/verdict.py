"""The verdict: one signed JSON document about exactly one bundle on exactly one set of examples.

The signature is Ed25519 over the canonical JSON of the document, so any edit, however small, voids it.
"""

import binascii
import os
import secrets
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Literal

import pydantic
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import NonNegativeInt

from components.core.config import Config
from components.core.errors import ArtifactError, PromotionRefusedError
from components.core.files import atomic_file, canonical_json, read_json, write_json
from components.core.judge import JudgeConfig, ZoneName

FORMAT = 1
VERDICT = "verdict.json"
"""Name of the file that holds a signed verdict."""

Outcome = Literal["pass", "fail", "insufficient evidence"]


class GateResult(Config):
    """One question, its answer and the numbers behind it."""

    metric: str
    """Name of the gate, as in ``JudgeConfig.gates``."""
    title: str
    """The question in plain words."""
    value: float | None
    """The estimate; null where it is undefined."""
    lower: float | None
    """One-sided lower confidence bound."""
    upper: float | None
    """One-sided upper confidence bound."""
    bound: float
    """The line to clear."""
    zone: ZoneName = "test"
    """Whose rows were asked."""
    side: Literal["above", "below"]
    """On which side of the bound the metric has to lie."""
    outcome: Outcome
    """What the gate says."""
    reason: str
    """Why, in one sentence with numbers."""


class Measurement(Config):
    """A number that never travels without the zone it was measured on."""

    zone: str
    """Zone of the examples."""
    value: float | None
    """The number; null where it is undefined."""


class Verdict(Config):
    """Whether one bundle may be promoted, and everything that was decided from."""

    format: Literal[1] = FORMAT
    """Version of this document."""
    verdict: Outcome
    """Pass only if every gate passed."""
    reason: str
    """Why, in one or two sentences."""
    gates: tuple[GateResult, ...]
    """All gates that were asked."""
    metrics: dict[str, Measurement]
    """What was measured, by name."""
    family: str
    """Model family of the bundle."""
    bundle_digest: str
    """Digest of the bundle that was judged."""
    examples_digest: str
    """Digest of the examples that it was judged on."""
    recipe_digest: str
    """Digest of the settings that it was trained with."""
    champion_digest: str | None
    """Digest of the champion that it was compared with, if there was one."""
    num_trials: NonNegativeInt = 0
    """Models that were looked at on days of this test zone so far, this one among them; 0 where nothing was judged."""
    judge: JudgeConfig
    """The gates and costs that were applied."""
    run_key: str
    """The run that judged."""
    created: str
    """When, ISO 8601 in UTC."""


def _new_key(key_path: Path) -> None:
    """Create the private key, readable by its owner only; of several first users exactly one wins."""
    key_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    temporary = key_path.parent / f".{key_path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, key_path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()


def _private_key(key_path: Path) -> Ed25519PrivateKey:
    if not key_path.exists():
        _new_key(key_path)
    try:
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ArtifactError(f"{key_path}: no Ed25519 private key. Restore it, or remove it and judge again")
    public = public_path(key_path)
    if not public.exists():
        with atomic_file(public) as file:
            file.write(
                key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
    return key


def public_path(key_path: Path) -> Path:
    """Return where the public key of a private key lies: beside it, ``.pub``."""
    return key_path.with_suffix(".pub")


def sign(verdict: Verdict, key_path: Path) -> str:
    """Return the signature of the verdict, base64; the key pair is created on first use.

    Raises:
        ArtifactError: If the key file holds no Ed25519 key.
    """
    return b64encode(_private_key(key_path).sign(verdict.canonical().encode())).decode()


def write(path: Path, verdict: Verdict, key_path: Path) -> None:
    """Write the verdict with its signature, whole or not at all.

    Raises:
        ArtifactError: As in ``sign``.
    """
    write_json(path, {"verdict": verdict.model_dump(mode="json"), "signature": sign(verdict, key_path)})


def read_verified(path: Path, public_key_path: Path) -> Verdict:
    """Return the verdict in ``path`` after its signature was checked.

    Raises:
        ArtifactError: If a file is missing, or is no verdict of a format that this version reads.
        PromotionRefusedError: If there is no signature, or it does not fit the document and the key.
    """
    content = read_json(path)
    document, signature = content.get("verdict"), content.get("signature")
    if content.keys() != {"verdict", "signature"} or not isinstance(signature, str):
        raise PromotionRefusedError(f"{path}: want a verdict and its signature, found {sorted(content)}. Judge again")
    try:
        _public_key(public_key_path).verify(b64decode(signature, validate=True), canonical_json(document).encode())
    except (InvalidSignature, binascii.Error, ValueError):
        raise PromotionRefusedError(
            f"{path}: the signature does not fit the verdict and {public_key_path}. "
            "It was altered, or signed with another key; judge the bundle again"
        ) from None
    try:
        return Verdict.model_validate_json(canonical_json(document))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"{path}: {key}: {first['msg']}. Written by another version; judge again") from None


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such public key. It is written beside the signing key") from None
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ArtifactError(f"{path}: no Ed25519 public key. Copy it again from the signing machine")
    return key
