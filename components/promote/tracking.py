"""MLflow as the record: one run per judged model, one registered version per promotion, aliases.

It holds metadata, metrics, files and aliases only; models are never loaded through it. It is a file below the root, or
a server, which keeps files itself and refuses a version whose source is a path of ours: there, a version's source is
what its run holds of the bundle.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.core.bundle import Bundle
from components.core.files import read_json
from components.core.registry import ModelHistory, Promotion
from components.core.verdict import Verdict
from components.core.workspace import Workspace
from components.learning.spool import SPOOL, replay

RUN_KEY, BUNDLE = "qf.run_key", "qf.bundle"
MANIFEST = "bundle"
"""Folder of a run's files with the manifest of its bundle."""


def client(workspace: Workspace) -> Any:
    """Return a client of the workspace's tracking store and registry."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    import mlflow  # noqa: PLC0415 - its settings must be in the environment first

    if not _served(workspace):
        workspace.mlflow_artifacts.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(workspace.mlflow_uri)
    mlflow.set_registry_uri(workspace.mlflow_uri)
    return mlflow.MlflowClient(workspace.mlflow_uri, workspace.mlflow_uri)


def _served(workspace: Workspace) -> bool:
    return workspace.mlflow_uri.startswith(("http://", "https://"))


def model_name(family: str, dataset: str) -> str:
    """Return the registered model's name: champions of different markets are different models."""
    return f"{family}.{dataset}"


def experiment(store: Any, workspace: Workspace, name: str) -> str:
    """Return the id of the experiment called ``name``, made if there is none; a server chooses where its files lie."""
    if found := store.get_experiment_by_name(name):
        return str(found.experiment_id)
    location = None if _served(workspace) else workspace.mlflow_artifacts.as_uri()
    return str(store.create_experiment(name, artifact_location=location))


def experiment_name(manifest: Mapping[str, Any]) -> str:
    """Return the experiment that models like the one of a bundle's manifest are recorded in."""
    return str(manifest["config"].get("experiment") or manifest["family"])


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return flat


def record(
    workspace: Workspace,
    bundle: Bundle,
    verdict: Verdict,
    folder: Path,
    *,
    dataset: str,
    run_key: str,
    part: str = "",
) -> str:
    """Log one judged model, passed or not, and return the MLflow run; the same run and bundle are logged once.

    ``part`` is which of several trainings of the run it is of.
    """
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - takes two seconds

    store = client(workspace)
    identifier = experiment(store, workspace, experiment_name(bundle.manifest))
    known = store.search_runs(
        [identifier],
        filter_string=f"tags.`{RUN_KEY}` = '{run_key}' and tags.`{BUNDLE}` = '{bundle.digest}' "
        "and attributes.status = 'FINISHED'",
        max_results=1,
    )
    if known:
        return str(known[0].info.run_id)
    run = store.create_run(identifier, run_name=run_key)
    at = run.info.start_time
    metrics = {f"{item.zone}/{name}": item.value for name, item in verdict.metrics.items() if item.value is not None}
    tags = {RUN_KEY: run_key, BUNDLE: bundle.digest, "qf.dataset": dataset, "qf.verdict": verdict.verdict}
    store.log_batch(
        run.info.run_id,
        metrics=[Metric(name, value, at, 0) for name, value in metrics.items()],
        params=[Param(name, text[:6000]) for name, text in _flat(dict(bundle.manifest["config"])).items()],
        tags=[RunTag(name, text) for name, text in tags.items()],
    )
    store.log_artifacts(run.info.run_id, str(folder), "verdict")
    store.log_artifact(run.info.run_id, str(bundle.folder / "manifest.json"), MANIFEST)
    replay(workspace.run(run_key) / part / SPOOL, store, run.info.run_id)
    store.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def _run(workspace: Workspace, store: Any, promotion: Promotion) -> str:
    """Return the run that recorded a promoted bundle; one that another server recorded gets one here."""
    identifier = experiment(store, workspace, experiment_name(read_json(promotion.folder / "manifest.json")))
    found = store.search_runs([identifier], filter_string=f"tags.`{BUNDLE}` = '{promotion.bundle}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    run = store.create_run(identifier, run_name=promotion.entry["run_key"], tags={BUNDLE: promotion.bundle})
    store.log_artifact(run.info.run_id, str(promotion.folder / "manifest.json"), MANIFEST)
    store.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def set_aliases(workspace: Workspace, history: ModelHistory) -> None:
    """Register every standing version once and point ``champion`` and ``previous`` where the ledger says."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - takes two seconds

    store = client(workspace)
    name = model_name(history.family, history.dataset)
    try:
        registered = store.get_registered_model(name)
    except MlflowException:
        registered = store.create_registered_model(name)
    known = {item.tags.get(BUNDLE): item.version for item in store.search_model_versions(f"name = '{name}'")}
    for promotion in history.standing:
        if promotion.bundle not in known:
            source, run_id = promotion.folder.as_uri(), None
            if _served(workspace):
                run_id = _run(workspace, store, promotion)
                source = f"runs:/{run_id}/{MANIFEST}"
            tags = {BUNDLE: promotion.bundle, "qf.version": str(promotion.version)}
            made = store.create_model_version(name, source=source, run_id=run_id, tags=tags)
            known[promotion.bundle] = made.version
    wanted = {"champion": history.champion, "previous": history.previous}
    for alias, promotion in wanted.items():
        if promotion is not None:
            if str(registered.aliases.get(alias)) != str(known[promotion.bundle]):
                store.set_registered_model_alias(name, alias, str(known[promotion.bundle]))
        elif alias in registered.aliases:
            store.delete_registered_model_alias(name, alias)
