"""The trials of a family on a dataset: every model that was looked at, so that the luckiest is not taken for skilful.

Source: Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio": how good the best of many looks by chance
alone depends on how many there were, and on how far their scores lie apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from components.core.ledger import Ledger
from components.core.span import Span


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One model that was looked at."""

    kind: Literal["judge", "tune"]
    """Who looked: the judge, or a search over recipes."""
    run_key: str
    bundle: str
    """Digest of the bundle."""
    recipe: str
    """Digest of the settings that it was trained with."""
    examples: str
    """Digest of the examples that it was looked at on."""
    span: Span
    """First and last time of the zone."""
    num_times: int
    """Decision times in it."""
    score: float | None
    """What one would choose by, higher is better; null where it is undefined."""
    returns: str | None = None
    """Sha256 of the file of its returns; null if it cannot be traded, or none was kept."""

    def same_as(self, entry: dict[str, Any]) -> bool:
        """Return whether an entry of the ledger tells of this trial: whoever looks again tries nothing new."""
        return all(entry[key] == getattr(self, key) for key in ("kind", "bundle", "examples"))


def record(ledger: Ledger, trial: Trial) -> tuple[Trial, ...]:
    """Write the trial down, unless it is there already, and return the trials up to this one, oldest first.

    Later ones do not count: whoever looks again finds what was found at first.

    Raises:
        ArtifactError: If the ledger's chain is broken.
    """

    def entry_of(entries: list[dict[str, Any]]) -> dict[str, Any] | None:
        return None if any(trial.same_as(entry) for entry in entries) else asdict(trial)

    entries = ledger.append_if(entry_of)
    own = next(place for place, entry in enumerate(entries) if trial.same_as(entry))
    return tuple(_trial(entry) for entry in entries[: own + 1])


def read(ledger: Ledger) -> tuple[Trial, ...]:
    """Return all trials, oldest first.

    Raises:
        ArtifactError: If the ledger's chain is broken.
    """
    return tuple(map(_trial, ledger.read()))


def overlapping(trials: Iterable[Trial], span: Span) -> tuple[Trial, ...]:
    """Return the trials that were looked at on days of ``span``."""
    return tuple(trial for trial in trials if trial.span.shares_days(span))


def _trial(entry: Mapping[str, Any]) -> Trial:
    facts = {key: value for key, value in entry.items() if key not in ("number", "previous", "span")}
    return Trial(**facts, span=Span(**entry["span"]))
