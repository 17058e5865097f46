"""The sealed holdout: asked when every other gate has passed, each opening on record before a row of it is read.

A lineage is a family on a dataset with one recipe. Days that one lineage has opened are closed to every other. The
lineage itself may open them again on a longer history, and pays for each earlier look with confidence.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from components.core.bundle import Bundle
from components.core.files import digest_of
from components.core.judge import GateConfig, JudgeConfig
from components.core.ledger import Ledger
from components.core.recipe import HOLDOUT
from components.core.span import Span
from components.core.verdict import GateResult
from components.validate.gates import evaluate, unmeasured
from components.validate.kinds import Table

Entry = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Who wants to look at which days."""

    run_key: str
    bundle: str
    """Digest of the bundle."""
    recipe: str
    """Digest of the settings that it was trained with."""
    examples: str
    """Digest of the examples."""
    judge: str
    """Digest of the judge's settings: whoever moves a bound after a look looks anew."""
    span: Span
    """First and last time of the holdout."""
    num_times: int
    """Decision times in it at most: the first need a whole window, the last a label."""

    @classmethod
    def of(cls, bundle: Bundle, manifest: Mapping[str, Any], config: JudgeConfig, *, run_key: str) -> "Opening | None":
        """Return the opening for a bundle on the examples of a manifest; None where these have no holdout."""
        zone = manifest["zones"].get(HOLDOUT)
        return zone and cls(
            run_key=run_key,
            bundle=bundle.digest,
            recipe=digest_of(bundle.manifest["config"]),
            examples=manifest["digest"],
            judge=config.digest(),
            span=Span.of_zone(manifest, HOLDOUT),
            num_times=max(0, zone["timestamps"] - manifest["window"] - manifest["horizon"] + 1),
        )

    def is_told_by(self, entry: Entry) -> bool:
        """Return whether an entry of the ledger tells of this opening, whichever run it was for."""
        return all(entry[key] == getattr(self, key) for key in ("bundle", "examples", "judge"))

    def shares_days_with(self, entry: Entry) -> bool:
        """Return whether the days of an entry are, in part, these."""
        return self.span.shares_days(Span(**entry["span"]))


@dataclass(frozen=True)
class Sealed:
    """Why the holdout is not looked at."""

    reason: str
    """A sentence."""


def open_days(ledger: Ledger, opening: Opening) -> int | Sealed:
    """Write the opening down and return how often its lineage opened some of these days before.

    Whoever asks the same of the same bundle on the same examples goes on where it was. The holdout stays sealed where
    another recipe opened some of these days first; of several that ask at once, exactly one is first.

    Raises:
        ArtifactError: If the ledger's chain is broken.
    """

    def rivals(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [entry for entry in entries if opening.shares_days_with(entry) and entry["recipe"] != opening.recipe]

    def entry_of(entries: list[dict[str, Any]]) -> dict[str, Any] | None:
        known = any(opening.is_told_by(entry) for entry in entries)
        return None if known or rivals(entries) else asdict(opening)

    entries = ledger.append_if(entry_of)
    own = next((entry["number"] for entry in entries if opening.is_told_by(entry)), None)
    if own is None:
        first, *_ = found = rivals(entries)
        last = max(entry["span"]["last"][:10] for entry in found)
        return Sealed(
            f"{Span(**first['span']).days} were opened by run {first['run_key']} for bundle {first['bundle'][:12]}; "
            f"ingest bars after {last}, until the holdout begins after it."
        )
    return sum(opening.shares_days_with(entry) for entry in entries[:own])


def confidence_after(confidence: float, num_earlier: int) -> float:
    """Return the confidence of a bound after so many looks: what Bonferroni asks of each of ``num_earlier`` + 1.

    0.95 is 0.975 at the second look and 0.9833 at the third.
    """
    return 1 - (1 - confidence) / (1 + num_earlier)


def ask_holdout(
    look: Callable[[], Table],
    opening: Opening | None,
    ledger: Ledger,
    config: JudgeConfig,
    *,
    passed: bool,
    bars_per_year: float,
    past: Table | None,
) -> tuple[GateResult, ...]:
    """Return the answers of the gates about the holdout.

    ``look`` predicts its rows; it is called only after the ``opening``, None where the examples have no holdout, was
    written down. ``passed`` says that all other gates were; ``past`` is as in ``evaluate``.

    Raises:
        ArtifactError: If the ledger's chain is broken.
    """
    gates = [gate for gate in config.gates if gate.zone == HOLDOUT]
    if not gates:
        return ()
    needed = max(_times_for(gate, config) for gate in gates)
    if opening is None:
        found = Sealed("The examples have no holdout. Give data.zones.holdout a share, such as 0.1, and train again.")
    elif not passed:
        found = Sealed("It stays sealed until every other gate has passed.")
    elif opening.num_times < needed:
        found = Sealed(
            f"It stays sealed: it has at most {opening.num_times} decision times, and {needed} are needed. "
            "Give data.zones.holdout a larger share, or use more history."
        )
    else:
        found = open_days(ledger, opening)
    if isinstance(found, Sealed):
        return tuple(unmeasured(gate, "insufficient evidence", found.reason) for gate in gates)
    table, alone = look(), [_alone(gate, config, num_earlier=found) for gate in gates]
    answers = (evaluate(table, each, of=HOLDOUT, bars_per_year=bars_per_year, past=past) for each in alone)
    return tuple(answer for part in answers for answer in part)


def _times_for(gate: GateConfig, config: JudgeConfig) -> int:
    return gate.min_timestamps or config.min_timestamps


def _alone(gate: GateConfig, config: JudgeConfig, *, num_earlier: int) -> JudgeConfig:
    """Return settings for one question; a zone as short as this one need not hold every class."""
    changes = {
        "gates": (gate,),
        "confidence": confidence_after(config.confidence, num_earlier),
        # The rarer the tail that decides, the more resamples: as many of them as at the first look lie in it.
        "bootstrap_samples": config.bootstrap_samples * (1 + num_earlier),
        "min_timestamps": _times_for(gate, config),
        "min_rows_per_class": 0,
    }
    return config.model_copy(update=changes)
