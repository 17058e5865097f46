"""From when to when: the first and the last time of a zone, as manifests and ledgers tell them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from components.core.errors import ArtifactError


@dataclass(frozen=True)
class Span:
    """Two times as ISO 8601 text, both in UTC and both part of the span."""

    first: str
    last: str

    @classmethod
    def of_zone(cls, manifest: Mapping[str, Any], zone: str) -> Self:
        """Return the span of a zone that the manifest of examples tells of.

        Raises:
            ArtifactError: If it does not say when the zone begins and ends.
        """
        facts = manifest["zones"][zone]
        if not {"first", "last"} <= facts.keys():
            raise ArtifactError(f"zone {zone!r}: the manifest does not say its first and last time. Assemble it again")
        return cls(facts["first"], facts["last"])

    @property
    def days(self) -> str:
        """The span in words, to the day."""
        return f"{self.first[:10]} to {self.last[:10]}"

    def shares_days(self, other: "Span") -> bool:
        """Return whether a day lies in both."""
        return self.first[:10] <= other.last[:10] and other.first[:10] <= self.last[:10]
