"""A week of a fleet in MLflow: one run for the week, and below it one small run for each twin, sent in one piece."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from components.core.workspace import Workspace
from components.promote.tracking import BUNDLE, RUN_KEY, client, experiment

EXPERIMENT: Final = "weekly-twin-retraining"
TWIN, VERSION = "qf.twin", "qf.version"
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class TwinRun:
    """What is recorded of one twin."""

    ticker: str
    bundle: str
    """Digest of the bundle."""
    version: str
    """Number of the promoted version, or why there is none."""
    outcome: str
    """Of the verdict."""
    history: Mapping[str, Sequence[float]]
    """By name, one value for each epoch."""
    metrics: Mapping[str, float]
    """Of the test zone."""
    params: Mapping[str, str]


def record_week(workspace: Workspace, twins: Sequence[TwinRun], *, dataset: str, run_key: str) -> str:
    """Record the week and each twin of it, once however often it is asked, and return the run of the week."""
    store = client(workspace)
    identifier = experiment(store, workspace, EXPERIMENT)
    week = _ours(store, identifier, run_key, f"tags.`{TWIN}` = '*'")
    parent = week[0] if week else store.create_run(
        identifier, run_name=run_key, tags={RUN_KEY: run_key, TWIN: "*", "qf.dataset": dataset}
    )  # fmt: skip
    parent_id = str(parent.info.run_id)
    finished = f"tags.`{_PARENT}` = '{parent_id}' and attributes.status = 'FINISHED'"
    known = {item.data.tags[BUNDLE] for item in _ours(store, identifier, run_key, finished)}
    for twin in twins:
        if twin.bundle not in known:
            _record(store, identifier, parent_id, twin, run_key=run_key, dataset=dataset)
    store.set_terminated(parent_id)
    return parent_id


def _ours(store: Any, identifier: str, run_key: str, wanted: str) -> list[Any]:
    """Return every run of this run key that is ``wanted``."""
    found: list[Any] = []
    token: str | None = None
    while True:
        page = store.search_runs(
            [identifier], filter_string=f"tags.`{RUN_KEY}` = '{run_key}' and {wanted}", page_token=token
        )
        found += page
        token = page.token
        if not token:
            return found


def _record(store: Any, identifier: str, parent: str, twin: TwinRun, *, run_key: str, dataset: str) -> None:
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - takes two seconds

    run = store.create_run(identifier, run_name=twin.ticker, tags={RUN_KEY: run_key, _PARENT: parent})
    at = run.info.start_time
    curves = [
        Metric(name.replace("train_", "train/").replace("val_", "eval/"), value, at, epoch)
        for name, values in twin.history.items()
        for epoch, value in enumerate(values, start=1)
    ]
    tags = {TWIN: twin.ticker, BUNDLE: twin.bundle, VERSION: twin.version, "qf.verdict": twin.outcome}
    store.log_batch(
        run.info.run_id,
        metrics=[*curves, *(Metric(f"test/{name}", value, at, 0) for name, value in twin.metrics.items())],
        params=[Param(name, value) for name, value in twin.params.items()],
        tags=[RunTag(name, value) for name, value in {**tags, "qf.dataset": dataset}.items()],
    )
    store.set_terminated(run.info.run_id)
