"""What ``schedules.yaml`` asks for against what a server holds: the difference, and how it is made good.

The recurring runs of one experiment are ours, and each is called as its pipeline. A server cannot change one: it is
made anew, and the old one deleted. Deleting one whose run goes on would stop that run (kubeflow/pipelines issue 12573),
and so may disabling it: what has an unfinished run is left alone until that has ended.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import kfp_server_api

from components.core.errors import UsageError
from pipelines import RUNNER
from pipelines.remote import Remote
from pipelines.schedules import Schedule
from pipelines.submit import ENDED, content_mark, publish

EXPERIMENT: Final = "quantfoundry-schedules"
MAX_CONCURRENCY: Final = 1
ENABLED: Final = "ENABLED"


@dataclass(frozen=True)
class Change:
    """What must be done so that a pipeline recurs as the file says."""

    pipeline: str
    schedule: Schedule | None
    """None: the file has none of this name."""
    make: bool
    """No recurring run on the server is as the file says."""
    delete: tuple[str, ...]
    """Ids of recurring runs that are not, or are there twice."""
    reasons: tuple[str, ...]
    unfinished: tuple[str, ...] = ()
    """Ids of runs that must end first."""


def arguments_of(pipeline: str, schedule: Schedule) -> dict[str, Any]:
    """Return the arguments as they are sent: each fire is a run of its own, its key holds the scheduled time."""
    return {"run_key": f"{pipeline}-[[ScheduledTime]]", **schedule.arguments}


def plan(remote: Remote, wanted: Mapping[str, Schedule]) -> list[Change]:
    """Return the changes that would make the server's recurring runs those of the file; none is made.

    Raises:
        UsageError: If the server holds a recurring run that it cannot read itself.
        QuantfoundryError: If a schedule's pipeline is not compiled, or the server refuses or does not answer.
    """
    experiment = remote.experiment(EXPERIMENT)
    held: dict[str, list[Any]] = {}
    unfinished: dict[str, list[str]] = {}
    if experiment is not None:
        chosen = {"experiment_id": experiment.experiment_id}
        service = remote.recurring.recurring_run_service_list_recurring_runs
        for item in remote.every(service, "recurring_runs", **chosen):
            if item.error:
                raise UsageError(
                    f"recurring run {item.recurring_run_id}: {item.error.message}. Delete it on the server"
                )
            held.setdefault(item.display_name, []).append(item)
        for run in remote.every(remote.runs.run_service_list_runs, "runs", **chosen):
            if run.state not in ENDED:
                unfinished.setdefault(run.recurring_run_id, []).append(run.run_id)
    found: list[Change] = []
    for name in sorted(wanted.keys() | held.keys()):
        change = _change(remote, name, wanted.get(name), held.get(name, []))
        if change.make or change.delete:
            waits = tuple(run for item in change.delete for run in unfinished.get(item, []))
            found.append(dataclasses.replace(change, unfinished=waits))
    return found


def _change(remote: Remote, name: str, schedule: Schedule | None, held: list[Any]) -> Change:
    if schedule is None:
        return Change(name, None, False, _ids(held), ("on the server, but not in the file",))
    differing = [(item, differences(remote, name, schedule, item)) for item in held]
    right = [item for item, reasons in differing if not reasons]
    delete = _ids([item for item, reasons in differing if reasons] + right[1:])
    reasons = [reason for _, each in differing for reason in each]
    reasons += ["there more than once"] * (len(held) > 1) + ["in the file, but not on the server"] * (not held)
    return Change(name, schedule, not right, delete, tuple(reasons))


def _ids(items: list[Any]) -> tuple[str, ...]:
    return tuple(str(item.recurring_run_id) for item in items)


def differences(remote: Remote, pipeline: str, schedule: Schedule, item: Any) -> list[str]:
    """Return in what a recurring run of the server is not as the file says; a version is told by its content."""
    cron = item.trigger.cron_schedule if item.trigger else None
    reference, version = item.pipeline_version_reference, None
    if reference and reference.pipeline_version_id:
        version = remote.ask(
            remote.pipelines.pipeline_service_get_pipeline_version, reference.pipeline_id, reference.pipeline_version_id
        )
    pairs: dict[str, tuple[Any, Any]] = {
        "cron": (cron and cron.cron, schedule.cron),
        "first and last day": ((cron and cron.start_time, cron and cron.end_time), (None, None)),
        "arguments": ((item.runtime_config and item.runtime_config.parameters) or {}, arguments_of(pipeline, schedule)),
        "runs at once": (str(item.max_concurrency), str(MAX_CONCURRENCY)),
        "no catch-up": (bool(item.no_catchup), True),
        "status": (item.status, ENABLED),
        "service account": (item.service_account, RUNNER),
        "pipeline": (version and version.description, content_mark(pipeline)),
    }
    return [f"{name}: is {held!r}, should be {wanted!r}" for name, (held, wanted) in pairs.items() if held != wanted]


def apply(remote: Remote, changes: list[Change], version: str) -> list[Change]:
    """Carry out a plan and return what of it must wait for a run to end; a ``version`` is uploaded where one is needed.

    The new recurring run is made before the old one is deleted: a refusal leaves what there was.

    Raises:
        QuantfoundryError: If the server refuses or does not answer; what was done stays, and a new plan goes on there.
    """
    for change in changes:
        if change.unfinished:
            continue
        if change.make and change.schedule is not None:
            _make(remote, change.pipeline, change.schedule, version)
        for item in change.delete:
            remote.ask(remote.recurring.recurring_run_service_delete_recurring_run, item, propagation_policy="ORPHAN")
    return [change for change in changes if change.unfinished]


def _make(remote: Remote, pipeline: str, schedule: Schedule, version: str) -> None:
    experiment_id = remote.experiment_id(EXPERIMENT)
    published = publish(remote, pipeline, version)
    service = remote.recurring

    def made() -> Any:
        listed = remote.every(
            service.recurring_run_service_list_recurring_runs, "recurring_runs", experiment_id=experiment_id
        )
        same_name = (item for item in listed if item.display_name == pipeline)
        return next((item for item in same_name if not differences(remote, pipeline, schedule, item)), None)

    body = kfp_server_api.V2beta1RecurringRun(
        display_name=pipeline,
        experiment_id=experiment_id,
        pipeline_version_reference=published.reference(),
        service_account=RUNNER,
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=arguments_of(pipeline, schedule)),
        max_concurrency=str(MAX_CONCURRENCY),
        no_catchup=True,
        mode="ENABLE",
        trigger=kfp_server_api.V2beta1Trigger(cron_schedule=kfp_server_api.V2beta1CronSchedule(cron=schedule.cron)),
    )
    remote.ensure(made, service.recurring_run_service_create_recurring_run, body)
