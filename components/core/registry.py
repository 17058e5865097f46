"""Who is champion: derived from the promotion ledger, which alone is the truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.workspace import Workspace

PROMOTE, ROLLBACK = "promote", "rollback"


@dataclass(frozen=True)
class Promotion:
    """A promoted version, as its ledger entry tells it."""

    version: int
    bundle: str
    """Digest of the bundle."""
    folder: Path
    entry: dict[str, Any]

    @property
    def verdict(self) -> Path:
        """The signed verdict that it was promoted on."""
        return self.folder.with_name(f"{self.folder.name}.verdict.json")

    def load(self) -> Bundle:
        """Return its bundle, every file checked.

        Raises:
            ArtifactError: If a file was altered or is missing.
        """
        return bundles.load(self.folder, expect=self.bundle)


@dataclass(frozen=True)
class ModelHistory:
    """All that was promoted for one family on one dataset."""

    family: str
    dataset: str
    length: int
    """Entries in the ledger, for a compare-and-set append."""
    standing: tuple[Promotion, ...]
    """Promotions that no rollback has taken back, oldest first; the last is the champion."""

    @property
    def champion(self) -> Promotion | None:
        """The version that serves, if any."""
        return self.standing[-1] if self.standing else None

    @property
    def previous(self) -> Promotion | None:
        """The version that a rollback returns to, if any."""
        return self.standing[-2] if len(self.standing) > 1 else None


def history(workspace: Workspace, family: str, dataset: str) -> ModelHistory:
    """Return what the ledger says of a family on a dataset.

    Raises:
        ArtifactError: If the ledger's chain is broken.
    """
    entries = workspace.promotions(family, dataset).read()
    standing: list[Promotion] = []
    for entry in entries:
        if entry["action"] == ROLLBACK:
            standing.pop()
        else:
            folder = workspace.model(family, dataset) / entry["folder"]
            standing.append(Promotion(entry["version"], entry["bundle"], folder, entry))
    return ModelHistory(family, dataset, len(entries), tuple(standing))


def datasets(workspace: Workspace, family: str) -> list[str]:
    """Return the datasets on which the family was ever promoted."""
    folder = workspace.root / "ledger" / "promotions" / family
    return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
