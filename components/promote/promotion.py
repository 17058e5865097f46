"""Promotion and rollback. The ledger is the truth; the alias and ``latest.json`` follow from it."""

import shutil
from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core import registry
from components.core.bundle import Bundle
from components.core.clock import Clock
from components.core.errors import LedgerRaceError, PromotionRefusedError
from components.core.files import atomic_file, file_lock, fresh_folder, write_json
from components.core.registry import ModelHistory
from components.core.run_context import open_run
from components.core.verdict import VERDICT, Verdict, public_path, read_verified
from components.core.workspace import Workspace
from components.promote import tracking

LOCK_WAIT_S = 60.0


def check(bundle: Bundle, verdict: Verdict) -> None:
    """Refuse a verdict that was given for something else.

    Raises:
        PromotionRefusedError: If the verdict binds another bundle.
    """
    if verdict.bundle_digest != bundle.digest:
        raise PromotionRefusedError(
            f"the verdict is for bundle {verdict.bundle_digest[:12]}, not {bundle.digest[:12]}. Judge this bundle"
        )


def enter(
    workspace: Workspace, bundle: Bundle, verdict: Verdict, *, dataset: str, run_key: str, clock: Clock
) -> ModelHistory:
    """Make ``bundle`` champion: copy it, append to the ledger, return the new history.

    Doing it twice is doing it once.

    Raises:
        PromotionRefusedError: If the verdict is no pass or is for another bundle.
        LedgerRaceError: If the champion changed after the bundle was judged against it.
    """
    check(bundle, verdict)
    if verdict.verdict != "pass":
        raise PromotionRefusedError(f"the verdict is {verdict.verdict!r}; only 'pass' is promoted")
    family = bundle.manifest["family"]
    model = workspace.model(family, dataset)
    with file_lock(model / "promotion.lock", f"run {run_key}", wait_s=LOCK_WAIT_S):
        before = registry.history(workspace, family, dataset)
        champion = before.champion
        if champion and champion.bundle == bundle.digest:
            return before
        if (champion.bundle if champion else None) != verdict.champion_digest:
            raise LedgerRaceError(
                f"{family} on {dataset}: the champion changed after this bundle was judged. Run again to judge it anew"
            )
        version = 1 + sum(entry["action"] == registry.PROMOTE for entry in workspace.promotions(family, dataset).read())
        name = f"v{version}-{bundle.digest[:12]}"
        with fresh_folder(model / name) as folder:
            shutil.copytree(bundle.folder, folder, dirs_exist_ok=True)
            bundles.load(folder, expect=bundle.digest)
        entry: dict[str, Any] = {
            "action": registry.PROMOTE,
            "version": version,
            "bundle": bundle.digest,
            "folder": name,
            "verdict": verdict.digest(),
            "run_key": run_key,
            "at": clock().isoformat(),
        }
        workspace.promotions(family, dataset).append(entry, expect=before.length)
        return registry.history(workspace, family, dataset)


def roll_back(workspace: Workspace, family: str, dataset: str, *, clock: Clock) -> ModelHistory:
    """Return to the champion before this one.

    Raises:
        PromotionRefusedError: If there is none.
        ArtifactError: If its files were altered; the present champion stays.
    """
    with file_lock(workspace.model(family, dataset) / "promotion.lock", "rollback", wait_s=LOCK_WAIT_S):
        before = registry.history(workspace, family, dataset)
        if before.previous is None or before.champion is None:
            raise PromotionRefusedError(f"{family} on {dataset}: there is no earlier champion to return to")
        before.previous.load()
        entry = {
            "action": registry.ROLLBACK,
            "from": before.champion.version,
            "to": before.previous.version,
            "at": clock().isoformat(),
        }
        workspace.promotions(family, dataset).append(entry, expect=before.length)
    after = registry.history(workspace, family, dataset)
    derive(workspace, after)
    return after


def derive(workspace: Workspace, history: ModelHistory) -> None:
    """Bring ``latest.json`` and the MLflow aliases to what the ledger says."""
    champion = history.champion
    if champion is None:
        return
    write_json(
        workspace.model(history.family, history.dataset) / "latest.json",
        {
            "version": f"{champion.entry['at'][:10].replace('-', '')}-{champion.bundle[:12]}",
            "timestamp": champion.entry["at"],
            "model": history.family,
            "dataset": history.dataset,
            "number": champion.version,
            "folder": champion.folder.name,
            "bundle": champion.bundle,
        },
    )
    tracking.set_aliases(workspace, history)


def _keep(verdict: Path, beside: Path) -> None:
    """Lay the signed verdict beside the version that it let in."""
    with atomic_file(beside) as file:
        file.write(verdict.read_bytes())


def promote(bundle: str, verdict: str, family: str, dataset: str, *, root: str, run_key: str) -> str:
    """Record the judged model in MLflow and promote it if it passed; return what happened.

    Raises:
        SystemExit: With 65 if the bundle or the verdict was altered, or do not belong together.
    """
    with open_run("promote", root=root, run_key=run_key) as run:
        judged = bundles.load(Path(bundle))
        signed = read_verified(Path(verdict) / VERDICT, public_path(run.workspace.signing_key))
        check(judged, signed)
        before = registry.history(run.workspace, family, dataset)
        run_id = tracking.record(run.workspace, judged, signed, Path(verdict), dataset=dataset, run_key=run_key)
        facts: dict[str, Any] = {"mlflow_run": run_id, "outcome": "refused", "version": None}
        if signed.verdict == "pass":
            after = enter(run.workspace, judged, signed, dataset=dataset, run_key=run_key, clock=run.clock)
            facts["outcome"] = "unchanged" if after.length == before.length else "promoted"
            before = after
            if (champion := after.champion) is not None:
                _keep(Path(verdict) / VERDICT, champion.verdict)
        derive(run.workspace, before)
        facts["version"] = before.champion.version if before.champion else None
        run.record(**facts)
        return str(facts["outcome"])
