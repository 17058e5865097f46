"""The champions of several families as one release: immutable folders, and ``latest.json`` that points to them.

A release holds nothing but champions, so nothing that did not pass its gates; a family without one is null in
the pointer, and its consumer goes on with the baseline.
"""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core import registry
from components.core.errors import UsageError
from components.core.files import digest_of, fresh_folder, write_json
from components.core.registry import Promotion
from components.core.run_context import RunContext, open_run
from components.core.workspace import Workspace
from components.publish.storage import upload

LATEST = "latest.json"
METRICS = {
    "regime": ("test_accuracy", "test_f1_macro"),
    "health": ("test_recon_mse", "test_health_correlation"),
    "foundation": ("quantile_loss", "hit_rate"),
}
"""What the pointer tells of each family, besides the type of its model where there are several."""

VERSIONS = {"foundation": "1.0"}
"""Of families that others are built on: what their consumers were made for stands in the name, and not a day."""


def wanted(text: str) -> tuple[str, ...]:
    """Return the families of a comma-separated list.

    Raises:
        UsageError: If one is none that is published.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or not set(names) <= METRICS.keys():
        raise UsageError(f"families {text!r:.60}: want some of {', '.join(METRICS)}")
    return names


def folder_name(family: str, champion: Promotion) -> str:
    """Return ``<family>_vYYYYMMDD.<digest>``: two models of one day have two names.

    One that others are built on is ``<family>/<family>_v<version>.<digest>``.
    """
    if family in VERSIONS:
        return f"{family}/{family}_v{VERSIONS[family]}.{champion.bundle[:12]}"
    return f"{family}_v{champion.entry['at'][:10].replace('-', '')}.{champion.bundle[:12]}"


def release(workspace: Workspace, families: tuple[str, ...], dataset: str, folder: Path, *, at: datetime) -> list[str]:
    """Write the champions' folders to ``folder`` and then ``latest.json``; return the names of the folders.

    Raises:
        ArtifactError: If a file of a champion, or of its published copy, was altered; the pointer stays as it was.
        PromotionRefusedError: If the verdict behind one does not verify, or is another than it was promoted on.
    """
    pointer: dict[str, Any] = {"version": "", "timestamp": at.isoformat()}
    names: list[str] = []
    for family in families:
        champion = registry.history(workspace, family, dataset).champion
        pointer |= {f"{family}_model": None, f"{family}_metrics": None}
        if champion is None:
            continue
        bundle, name = champion.load(), folder_name(family, champion)
        verdict = champion.verdict(workspace.verify_key)
        target = folder / name
        if not target.exists():
            with fresh_folder(target) as copy:
                shutil.copytree(bundle.folder, copy, dirs_exist_ok=True)
        bundles.load(target, expect=bundle.digest)
        metrics: dict[str, Any] = {metric: verdict.metrics[metric].value for metric in METRICS[family]}
        pointer[f"{family}_model"] = name
        kind = bundle.manifest["config"]["model"].get("type")
        pointer[f"{family}_metrics"] = metrics | ({"model_type": kind} if kind else {})
        names.append(name)
    if names:
        pointer["version"] = f"{at:%Y%m%d}-{digest_of(names)[:12]}"
        write_json(folder / LATEST, pointer)
    return names


def publish(
    families: str, dataset: str, *, bucket: str, region: str, skip_upload: bool, out: str, root: str, run_key: str
) -> dict[str, Any]:
    """Release the champions to ``out`` and, unless ``skip_upload``, to ``models/`` in ``bucket``; return the facts."""
    with open_run("publish", root=root, run_key=run_key) as run:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        names = release(run.workspace, wanted(families), dataset, folder, at=run.clock())
        facts: dict[str, Any] = {"models": names, "folder": str(folder), "uploaded": None}
        if names and not skip_upload:
            facts["uploaded"] = upload(folder, [*names, LATEST], bucket=bucket, region=region)
        _tell(run, names, facts["uploaded"])
        run.record(**facts)
        return {"models": ",".join(names), "uploaded": facts["uploaded"] or ""}


def _tell(run: RunContext, names: list[str], uploaded: str | None) -> None:
    if not names:
        run.log.warning("nothing to publish: no family has a champion on this dataset")
    for name in names:
        run.log.info("published %s%s", name, f" to {uploaded}" if uploaded else "")
