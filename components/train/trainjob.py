"""A TorchX scheduler that runs an application as a Kubeflow Trainer v2 ``TrainJob``.

Only fields that Trainer 2.0 to 2.3 read alike are written; where pods run, what they mount and as whom they run is
the ``TrainingRuntime``'s business. One run key is one name is one job: who submits it again is attached to it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import yaml
from torchx import specs
from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler, StructuredOpts

from components.core.errors import UsageError
from components.core.family import GPU_TYPE, QUEUE_LABEL
from components.core.files import digest_of
from components.train.cluster import GROUP, VERSION, Job, TrainJobs

RUNTIME: Final = "quantfoundry-torch"
OWNER: Final = {"app.kubernetes.io/managed-by": "quantfoundry"}
RUN_LABEL: Final = "quantfoundry/run"
RUN_KEY: Final = "quantfoundry/run-key"
REQUEST: Final = "quantfoundry/request"
"""Annotation with the digest of what was asked for: the same run key with another request is another job."""
_TAKEN: Final = ("PET_", "TORCHX_")
"""Variables of the launcher: Trainer sets the first itself and refuses them from users."""
_CREATE_TRIES: Final = 3


@dataclass
class TrainJobOpts(StructuredOpts):
    """What a job needs to know besides the application."""

    run_key: str
    """Key of the run that the job belongs to."""

    queue: str = ""
    """Kueue queue that it waits in; empty: none."""


def run_mark(run_key: str) -> str:
    """Return the label's value for a run key: of any length, and a valid one."""
    return sha256(run_key.encode()).hexdigest()[:40]


def job_name(family: str, run_key: str) -> str:
    """Return the one name of a run's job, which is a DNS label that leaves room for the names of its pods."""
    return f"qf-{family.replace('_', '-')[:30].rstrip('-')}-{run_mark(run_key)[:10]}"


def belongs_to(job: Job, run_key: str) -> bool:
    """Return whether we made the job, for this run."""
    labels = job["metadata"].get("labels") or {}
    return {**OWNER, RUN_LABEL: run_mark(run_key)}.items() <= labels.items()


def request_of(job: Job) -> str:
    """Return the digest of what the job was asked to do."""
    return str((job["metadata"].get("annotations") or {}).get(REQUEST, ""))


def state_of(job: Job) -> tuple[specs.AppState, str]:
    """Return what a job's conditions say, and in which words; suspended is waiting, also when it was preempted."""
    conditions = (job.get("status") or {}).get("conditions") or []
    held = {item["type"]: item for item in conditions if item["status"] == "True"}
    for kind, state in (("Complete", specs.AppState.SUCCEEDED), ("Failed", specs.AppState.FAILED)):
        if kind in held:
            return state, f"{held[kind].get('reason', kind)}: {held[kind].get('message', '')}"
    if "deletionTimestamp" in job["metadata"]:
        return specs.AppState.CANCELLED, "it is being deleted"
    if "Suspended" in held:
        return specs.AppState.PENDING, str(held["Suspended"].get("message", "suspended"))
    return specs.AppState.RUNNING, ""


class TrainJobScheduler(Scheduler[TrainJobOpts]):
    """Submits, describes and cancels the jobs of one namespace."""

    def __init__(self, session_name: str, jobs: TrainJobs) -> None:
        super().__init__("trainjob", session_name)
        self.jobs = jobs

    def _run_opts(self) -> specs.runopts:
        return TrainJobOpts.as_runopts()

    def _submit_dryrun(self, app: specs.AppDef, cfg: TrainJobOpts) -> specs.AppDryRunInfo[Job, TrainJobOpts]:
        if len(app.roles) != 1:
            raise UsageError(f"{app.name}: a TrainJob has one role, {len(app.roles)} were given")
        spec = {
            "runtimeRef": {"apiGroup": GROUP, "kind": "TrainingRuntime", "name": RUNTIME},
            "trainer": _trainer(app.roles[0]),
        }
        labels = {**OWNER, RUN_LABEL: run_mark(cfg.run_key)} | ({QUEUE_LABEL: cfg.queue} if cfg.queue else {})
        job = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "TrainJob",
            "metadata": {
                "name": app.name,
                "namespace": self.jobs.namespace,
                "labels": labels,
                "annotations": {RUN_KEY: cfg.run_key, REQUEST: digest_of([spec, labels])},
            },
            "spec": spec,
        }
        return specs.AppDryRunInfo(job, yaml.safe_dump)

    def schedule(self, dryrun_info: specs.AppDryRunInfo[Any, Any]) -> str:
        """Return the name of the job, which goes on if it is there already.

        Raises:
            UsageError: If its name is another's, or it was asked for something else under this run key.
            QuantfoundryError: If the server refuses or does not answer.
        """
        job, run_key = dryrun_info.request, dryrun_info.cfg.run_key
        name = job["metadata"]["name"]
        for _ in range(_CREATE_TRIES):
            if self.jobs.create(job):
                return name
            if (there := self.jobs.get(name)) is not None:
                if not belongs_to(there, run_key):
                    raise UsageError(f"TrainJob {name}: not of this run. Remove it, or give another run key")
                if request_of(there) != request_of(job):
                    raise UsageError(
                        f"TrainJob {name}: runs with other settings under the run key {run_key}. Wait for it to end, "
                        f"delete it (kubectl delete trainjob {name}), or give another run key"
                    )
                return name
        raise UsageError(f"TrainJob {name}: removed as often as it was made. Find out by whom, then run again")

    def describe(self, app_id: str) -> DescribeAppResponse | None:
        """Return the state of a job, None if there is none."""
        job = self.jobs.get(app_id)
        if job is None:
            return None
        state, message = state_of(job)
        return DescribeAppResponse(app_id=app_id, state=state, msg=message)

    def list(self, cfg: Mapping[str, Any] | None = None) -> list[ListAppResponse]:
        """Return the jobs that were made here, of any run."""
        jobs = self.jobs.listed(OWNER)
        return [ListAppResponse(app_id=job["metadata"]["name"], state=state_of(job)[0]) for job in jobs]

    def _cancel_existing(self, app_id: str) -> None:
        job = self.jobs.get(app_id)
        if job is not None:
            if not OWNER.items() <= (job["metadata"].get("labels") or {}).items():
                raise UsageError(f"TrainJob {app_id}: not ours, so it is left alone")
            self.jobs.delete(job)


def _trainer(role: specs.Role) -> dict[str, Any]:
    amounts = {"cpu": f"{round(role.resource.cpu * 1000)}m", "memory": f"{role.resource.memMB}Mi"}
    if role.resource.gpu:
        amounts[GPU_TYPE] = str(role.resource.gpu)
    return {
        "image": role.image,
        "command": [role.entrypoint],
        "args": [str(item) for item in role.args],
        "env": list(_variables(role.env)),
        "numNodes": role.num_replicas,
        "resourcesPerNode": {"limits": amounts, "requests": dict(amounts)},
    }


def _variables(env: Mapping[str, str]) -> Iterable[dict[str, str]]:
    for name in sorted(env):
        if not name.startswith(_TAKEN):
            yield {"name": name, "value": env[name]}
