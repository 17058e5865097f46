"""The verdict: one signed JSON document about exactly one bundle on exactly one set of examples.

The signature is Ed25519 over the canonical JSON of the document, so any edit, however small, voids it.
"""

import binascii
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any, Literal

import pydantic
from cryptography.exceptions import InvalidSignature
from pydantic import NonNegativeInt

from components.core.config import Config
from components.core.errors import ArtifactError, PromotionRefusedError
from components.core.files import canonical_json, read_json, write_json
from components.core.judge import JudgeConfig, ZoneName
from components.core.keys import private_key, public_key

FORMAT = 3
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

    format: Literal[3] = FORMAT
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
    dataset: str
    """Name under which the examples' models compete; in no other may the bundle be promoted."""
    bundle_digest: str
    """Digest of the bundle that was judged."""
    recipe_digest: str
    """Digest of the settings that it was trained with."""
    examples_digest: str
    """Digest of the examples that it was judged on."""
    features_digest: str
    """Digest of the features that the examples were made of."""
    forecast_source: str | None = None
    """What made the forecasts among the features: the model and the digest of its weights; null where none are read."""
    snapshot_digest: str
    """Digest of the bars that the features were made of."""
    snapshot_seal: str
    """Digest of the snapshot's whole manifest, which names the sha256 of each file that was read."""
    code_digest: str
    """Digest of the code that judged."""
    python: str
    """Version of Python that judged."""
    numpy: str
    """Version of numpy that judged."""
    champion_digest: str | None
    """Digest of the champion that it was compared with, if there was one."""
    ledger_length: int
    """Entries in the ledger of promotions when it was judged: after any promotion or rollback it is out of date."""
    num_trials: NonNegativeInt = 0
    """Models that were looked at on days of this test zone so far, this one among them; 0 where nothing was judged."""
    judge: JudgeConfig
    """The gates and costs that were applied."""
    run_key: str
    """The run that judged."""
    created: str
    """When, ISO 8601 in UTC."""


def sign(verdict: Verdict, key_path: Path) -> str:
    """Return the signature of the verdict, base64.

    Raises:
        ArtifactError: If there is no Ed25519 key; a user's own is made on first use.
    """
    return b64encode(private_key(key_path).sign(verdict.canonical().encode())).decode()


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
    parts = {"verdict": dict, "signature": str}
    if {name: type(part) for name, part in content.items()} != parts:
        raise PromotionRefusedError(f"{path}: want a verdict and its signature, found {sorted(content)}. Judge again")
    document: dict[str, Any] = content["verdict"]
    try:
        public_key(public_key_path).verify(
            b64decode(content["signature"], validate=True), canonical_json(document).encode()
        )
    except (InvalidSignature, binascii.Error, ValueError):
        raise PromotionRefusedError(
            f"{path}: the signature does not fit the verdict and {public_key_path}. "
            "It was altered, or signed with another key; judge the bundle again"
        ) from None
    if (form := document.get("format")) != FORMAT:
        raise ArtifactError(
            f"{path}: verdict of format {form!r}, this version reads {FORMAT}, which binds data and code too. "
            "Judge the bundle again: 'qf run' with --fresh"
        )
    try:
        return Verdict.model_validate_json(canonical_json(document))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"{path}: {key}: {first['msg']}. Written by another version; judge again") from None
