"""Who is champion: derived from the promotion ledger, which alone is the truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.errors import ArtifactError, PromotionRefusedError, UsageError
from components.core.verdict import VERDICT, Verdict, read_verified
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
    def evidence(self) -> Path:
        """What it was promoted on: the signed verdict, its report, and the manifests of the data behind it."""
        return self.folder.with_name(f"{self.folder.name}.evidence")

    def verdict(self, verify_key: Path) -> Verdict:
        """Return the verdict that it was promoted on, its signature checked.

        Raises:
            ArtifactError: If it is missing.
            PromotionRefusedError: If it was altered, or is another than the ledger names, or for another bundle.
        """
        verdict = read_verified(self.evidence / VERDICT, verify_key)
        if verdict.digest() != self.entry["verdict"] or verdict.bundle_digest != self.bundle:
            raise PromotionRefusedError(
                f"{self.evidence / VERDICT}: is for bundle {verdict.bundle_digest[:12]} by run {verdict.run_key}, not "
                f"the verdict {self.entry['verdict'][:12]} that the ledger names. Restore it from a backup"
            )
        return verdict

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
    promoted: tuple[Promotion, ...]
    """Every version that ever was champion, oldest first."""
    standing: tuple[Promotion, ...]
    """Those that no rollback has taken back; the last is the champion."""

    @property
    def champion(self) -> Promotion | None:
        """The version that serves, if any."""
        return self.standing[-1] if self.standing else None

    @property
    def previous(self) -> Promotion | None:
        """The version that a rollback returns to, if any."""
        return self.standing[-2] if len(self.standing) > 1 else None

    def version(self, number: int | None) -> Promotion:
        """Return a version that ever was champion; None is the present champion.

        Raises:
            UsageError: If there is none; those that there are are named.
        """
        found = {item.version: item for item in self.promoted} | ({None: self.champion} if self.champion else {})
        if number not in found:
            known = ", ".join(str(item.version) for item in self.promoted) or "none yet"
            raise UsageError(f"{self.family} on {self.dataset}: no version {number or ''}. There is {known}")
        return found[number]


def history(workspace: Workspace, family: str, dataset: str) -> ModelHistory:
    """Return what the ledger says of a family on a dataset.

    Raises:
        ArtifactError: If the ledger's chain is broken.
    """
    entries = workspace.promotions(family, dataset).read()
    promoted: list[Promotion] = []
    standing: list[Promotion] = []
    for entry in entries:
        if entry["action"] == ROLLBACK:
            standing.pop()
        else:
            folder = workspace.model(family, dataset) / entry["folder"]
            promoted.append(Promotion(entry["version"], entry["bundle"], folder, entry))
            standing.append(promoted[-1])
    return ModelHistory(family, dataset, len(entries), tuple(promoted), tuple(standing))


def standing_version(workspace: Workspace, bundle: Bundle) -> Promotion:
    """Return the promotion of a bundle that no rollback has taken back, its signed verdict checked.

    Raises:
        PromotionRefusedError: If there is none, or the verdict is not the one that the ledger names.
    """
    family, dataset = str(bundle.manifest["family"]), str(bundle.manifest["data"].get("dataset", ""))
    standing = history(workspace, family, dataset).standing if dataset else ()
    found = next((item for item in reversed(standing) if item.bundle == bundle.digest), None)
    if found is None:
        raise PromotionRefusedError(
            f"{bundle.folder}: bundle {bundle.digest[:12]} is no promoted version of {family} on "
            f"{dataset or 'any data'}. Name the folder of one: qf champion {family.replace('_', '-')}"
        )
    found.verdict(workspace.verify_key)
    return found


def required(workspace: Workspace, family: str, dataset: str) -> Bundle:
    """Return the champion's bundle, which another family builds on, every file checked.

    Raises:
        ArtifactError: If there is none, or a file was altered; the command that makes one is named.
    """
    champion = history(workspace, family, dataset).champion
    if champion is None:
        raise ArtifactError(
            f"no {family} is champion on {dataset!r}. Train and judge one on the same bars first: "
            f"qf run {family} --dataset {dataset} --source <the bars>. To stand on one that was refused, name the "
            f"bundle that it printed: --set {family}=<folder>"
        )
    return champion.load()


def datasets(workspace: Workspace, family: str) -> list[str]:
    """Return the datasets on which the family was ever promoted."""
    return workspace.listed("promotions", family)
