"""Promotion and rollback. The ledger is the truth; the alias and ``latest.json`` follow from it."""

import shutil
from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core import registry
from components.core.bundle import Bundle
from components.core.clock import Clock
from components.core.errors import LedgerRaceError, PromotionRefusedError
from components.core.files import copy_files, file_lock, fresh_folder, read_json, room, write_json
from components.core.registry import ModelHistory
from components.core.run_context import open_run
from components.core.verdict import VERDICT, Verdict, read_verified
from components.core.workspace import Workspace
from components.promote import tracking
from components.promote.demands import check_binding, check_passed, shortfalls
from components.promote.latest import copy_latest

LOCK, LATEST = "promotion.lock", "latest.json"
LOCK_WAIT_S = 60.0


def enter(
    workspace: Workspace, bundle: Bundle, judged: Path, *, dataset: str, run_key: str, clock: Clock
) -> ModelHistory:
    """Make ``bundle`` champion on the signed verdict in ``judged``; return the new history.

    Copy it and the evidence, then append to the ledger: only with that it is promoted. Doing it twice is doing it
    once.

    Raises:
        ArtifactError: If bundle or verdict are damaged, there is no key to verify with, or the disk is full.
        PromotionRefusedError: If the verdict is no pass, was altered, is for something else or does not stand up to
            its own numbers, or its judge asks less than the family demands.
        LedgerRaceError: If anything was promoted or rolled back after the bundle was judged.
    """
    verdict, family = read_verified(judged / VERDICT, workspace.verify_key), str(bundle.manifest["family"])
    check_binding(bundle, verdict, family=family, dataset=dataset)
    check_passed(verdict)
    if lacking := shortfalls(verdict):
        raise PromotionRefusedError(_weaker(lacking, family))
    model = workspace.model(family, dataset)
    with room(model), file_lock(model / LOCK, f"run {run_key}", wait_s=LOCK_WAIT_S):
        before = registry.history(workspace, family, dataset)
        champion = before.champion
        if champion and champion.bundle == bundle.digest and champion.evidence.exists():
            return before  # one of an older release has no evidence, and is promoted again with it
        _refuse_outdated(before, verdict)
        version = 1 + len(before.promoted)
        name = f"v{version}-{bundle.digest[:12]}"
        _copy(bundle, judged, model / name, verdict, workspace.verify_key)
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


def _weaker(lacking: list[str], family: str) -> str:
    return (
        f"its judge asks less than {family} demands: {'; '.join(lacking)}. "
        "Judge it with the family's gates, costs and seed, or stricter ones"
    )


def _refuse_outdated(history: ModelHistory, verdict: Verdict) -> None:
    champion = history.champion
    if history.length == verdict.ledger_length and (champion.bundle if champion else None) == verdict.champion_digest:
        return
    now = "there is no champion"
    if champion is not None:
        now = f"version {champion.version}, bundle {champion.bundle[:12]} of run {champion.entry['run_key']}, serves"
    raise LedgerRaceError(
        f"{history.family} on {history.dataset}: the champion changed after this bundle was judged, now {now}. "
        "Run again to judge it anew"
    )


def _copy(bundle: Bundle, judged: Path, target: Path, verdict: Verdict, verify_key: Path) -> None:
    """Copy bundle and evidence to where the version keeps them, and check the copies: none was swapped meanwhile."""
    for litter in target.parent.glob(".v*.tmp"):  # of a promotion that was killed; the lock is ours
        shutil.rmtree(litter)
    with fresh_folder(target) as folder:
        copy_files(bundle.folder, folder)
        bundles.load(folder, expect=bundle.digest)
    with fresh_folder(target.with_name(f"{target.name}.evidence")) as folder:
        copy_files(judged, folder)
        if read_verified(folder / VERDICT, verify_key) != verdict:
            raise PromotionRefusedError(f"{judged / VERDICT}: was replaced while it was read. Judge the bundle again")


def roll_back(workspace: Workspace, family: str, dataset: str, *, clock: Clock) -> ModelHistory:
    """Return to the champion before this one.

    Raises:
        PromotionRefusedError: If there is none.
        ArtifactError: If its files were altered; the present champion stays.
    """
    with file_lock(workspace.model(family, dataset) / LOCK, "rollback", wait_s=LOCK_WAIT_S):
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
    return derive(workspace, family, dataset)


def derive(workspace: Workspace, family: str, dataset: str) -> ModelHistory:
    """Bring ``latest.json`` and the MLflow aliases to what the ledger says now; return that."""
    model = workspace.model(family, dataset)
    with file_lock(model / LOCK, "derive", wait_s=LOCK_WAIT_S):
        history = registry.history(workspace, family, dataset)
        champion = history.champion
        if champion is not None:
            write_json(
                model / LATEST,
                {
                    "version": f"{champion.entry['at'][:10].replace('-', '')}-{champion.bundle[:12]}",
                    "timestamp": champion.entry["at"],
                    "model": family,
                    "dataset": dataset,
                    "number": champion.version,
                    "folder": champion.folder.name,
                    "bundle": champion.bundle,
                },
            )
            copy_latest(workspace, champion, family)
            tracking.set_aliases(workspace, history)
        return history


def agrees(workspace: Workspace, history: ModelHistory) -> bool:
    """Return whether ``latest.json`` names the champion: not if a promotion died before it could say so."""
    latest, champion = workspace.model(history.family, history.dataset) / LATEST, history.champion
    if champion is None or not latest.exists():
        return champion is None
    return read_json(latest).get("number") == champion.version


def refusal(verdict: Verdict) -> str:
    """Return why an honest verdict promotes nothing; empty if it does."""
    if verdict.verdict != "pass":
        return f"the verdict is {verdict.verdict}"
    check_passed(verdict)
    lacking = shortfalls(verdict)
    return _weaker(lacking, verdict.family) if lacking else ""


def promote(bundle: str, verdict: str, family: str, dataset: str, *, root: str, run_key: str) -> str:
    """Record the judged model in MLflow and promote it if it passed; return what happened.

    Raises:
        SystemExit: With 65 if the bundle or the verdict was altered, or do not belong together; with 75 if another
            was promoted since.
    """
    with open_run("promote", root=root, run_key=run_key) as run:
        judged, folder = bundles.load(Path(bundle)), Path(verdict)
        signed = read_verified(folder / VERDICT, run.workspace.verify_key)
        check_binding(judged, signed, family=family, dataset=dataset)
        reason = refusal(signed)
        length = registry.history(run.workspace, family, dataset).length
        run_id = tracking.record(run.workspace, judged, signed, folder, dataset=dataset, run_key=run_key)
        outcome = "refused"
        if not reason:
            after = enter(run.workspace, judged, folder, dataset=dataset, run_key=run_key, clock=run.clock)
            outcome = "unchanged" if after.length == length else "promoted"
        champion = derive(run.workspace, family, dataset).champion
        if reason:
            run.log.info("refused: %s", reason)
        run.record(
            mlflow_run=run_id, outcome=outcome, reason=reason, version=champion.version if champion else None
        )  # fmt: skip
        return outcome
