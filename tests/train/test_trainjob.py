"""What is sent to Kubeflow Trainer: fields that all its versions read alike, one job per run, never another's."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.config import incluster_config
from torchx import specs
from torchx.runner import Runner
from trainer_api import TOKEN, make_certificate, serving, write_kubeconfig
from trainer_state import NAMESPACE, Fault, Trainer
from trainjob_schema import VERSIONS, violations

from components.core.errors import EnvironmentMissingError, ServerUnreachableError, UsageError
from components.core.family import QUEUE_LABEL
from components.train.cluster import TrainJobs
from components.train.trainjob import OWNER, TrainJobOpts, TrainJobScheduler, job_name, run_mark, state_of

Job = dict[str, Any]


def app(run_key: str = "k", **role: Any) -> specs.AppDef:
    given_role = {
        "name": "node",
        "image": "quantfoundry/python-gpu:0.1.0",
        "entrypoint": "python",
        "args": ["-m", "torch.distributed.run", "-m", "components.train.worker", "/qf/runs/k/request.json"],
        "env": {"OMP_NUM_THREADS": "1", "PET_NNODES": "9", "TORCHX_JOB_ID": "x"},
        "num_replicas": 2,
        "resource": specs.Resource(cpu=4, gpu=1, memMB=16384),
    }
    return specs.AppDef(name=job_name("price_action", run_key), roles=[specs.Role(**(given_role | role))])


@pytest.fixture
def trainer() -> Trainer:
    return Trainer()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def jobs(trainer: Trainer, tmp_path: Path, pauses: list[float]) -> Iterator[TrainJobs]:
    with serving(trainer) as host:
        environ = {"KUBECONFIG": str(write_kubeconfig(tmp_path / "kubeconfig", host))}
        yield TrainJobs.found(NAMESPACE, environ, timeouts_s=(20.0, 4.0), pauses_s=(1.0, 2.0), sleep=pauses.append)


@pytest.fixture
def scheduler(jobs: TrainJobs) -> TrainJobScheduler:
    return TrainJobScheduler("test", jobs)


def job_of(scheduler: TrainJobScheduler, run_key: str = "k", **role: Any) -> specs.AppDryRunInfo[Job, TrainJobOpts]:
    return scheduler.submit_dryrun(app(run_key, **role), TrainJobOpts(run_key=run_key, queue="weekly"))


def test_the_job_holds_the_stable_core_and_nothing_else(scheduler: TrainJobScheduler) -> None:
    job = job_of(scheduler).request
    assert job["apiVersion"] == "trainer.kubeflow.org/v1alpha1"
    assert job["metadata"]["labels"] == {**OWNER, "quantfoundry/run": run_mark("k"), QUEUE_LABEL: "weekly"}
    amounts = {"cpu": "4000m", "memory": "16384Mi", "nvidia.com/gpu": "1"}
    assert job["spec"] == {
        "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": "quantfoundry-torch"},
        "trainer": {
            "image": "quantfoundry/python-gpu:0.1.0",
            "command": ["python"],
            "args": ["-m", "torch.distributed.run", "-m", "components.train.worker", "/qf/runs/k/request.json"],
            "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
            "numNodes": 2,
            "resourcesPerNode": {"limits": amounts, "requests": amounts},
        },
    }


@settings(max_examples=50)
@given(
    run_key=st.from_regex(r"[a-z0-9][a-z0-9_.\-]{0,79}", fullmatch=True),
    family=st.from_regex(r"[a-z][a-z0-9_]{0,60}", fullmatch=True),
    nodes=st.integers(1, 64),
    gpus=st.integers(0, 8),
    millis=st.integers(1, 200_000),
)
def test_every_version_of_trainer_takes_every_job(
    run_key: str, family: str, nodes: int, gpus: int, millis: int
) -> None:
    class Nowhere:
        namespace = NAMESPACE

    asked = app(num_replicas=nodes, resource=specs.Resource(cpu=millis / 1000, gpu=gpus, memMB=1))
    asked.name = job_name(family, run_key)
    scheduler = TrainJobScheduler("test", Nowhere())
    job = scheduler.submit_dryrun(asked, TrainJobOpts(run_key=run_key)).request
    assert [line for version in VERSIONS for line in violations(job, version)] == []
    assert job["spec"]["trainer"]["resourcesPerNode"]["limits"]["cpu"] == f"{millis}m"


@pytest.mark.parametrize(
    ("place", "value", "refusing"),
    [
        (("spec", "podSpecOverrides"), [], {"2.1", "2.2", "2.3"}),
        (("spec", "podTemplateOverrides"), [], {"2.0", "2.2", "2.3"}),
        (("spec", "runtimePatches"), [], {"2.0", "2.1"}),
        (("spec", "labels"), {}, {"2.2", "2.3"}),
        (("spec", "activeDeadlineSeconds"), 60, {"2.0", "2.1"}),
        (("spec", "trainer", "numProcPerNode"), "auto", {"2.2", "2.3"}),
        (("spec", "trainer", "env"), [{"name": "PET_NNODES", "value": "2"}], set(VERSIONS)),
        (("spec", "trainer", "nodeSelector"), {}, set(VERSIONS)),
        (("metadata", "name"), "7-starts-with-a-digit", set(VERSIONS)),
    ],
)
def test_the_schemas_refuse_what_a_version_does_not_know(
    scheduler: TrainJobScheduler, place: tuple[str, ...], value: object, refusing: set[str]
) -> None:
    job = copy.deepcopy(job_of(scheduler).request)
    inner = job
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    assert {version for version in VERSIONS if violations(job, version)} == refusing


def test_two_roles_are_refused(scheduler: TrainJobScheduler) -> None:
    two = app()
    two.roles *= 2
    with pytest.raises(UsageError, match="one role, 2 were given"):
        scheduler.submit_dryrun(two, TrainJobOpts(run_key="k"))


def test_names_differ_between_runs_and_leave_room_for_those_of_pods() -> None:
    names = {job_name("a_very_long_family_name_of_more_than_thirty", key) for key in ("a", "b", "c" * 80)}
    assert len(names) == 3
    assert all(re.fullmatch(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?", name) for name in names)


def test_submitted_again_it_is_the_same_job(trainer: Trainer, scheduler: TrainJobScheduler) -> None:
    first = scheduler.schedule(job_of(scheduler))
    assert scheduler.schedule(job_of(scheduler)) == first
    assert trainer.made == [first]


@pytest.mark.parametrize("kind", ["after", "500", "503", "429", "before", "hang"])
def test_an_answer_that_is_lost_makes_no_second_job(
    trainer: Trainer, scheduler: TrainJobScheduler, pauses: list[float], kind: str
) -> None:
    trainer.faults = [Fault("create", kind), Fault("get", kind)]
    name = scheduler.schedule(job_of(scheduler))
    assert trainer.made == [name]
    assert pauses[0] == (3.0 if kind == "429" else 1.0)


def test_without_an_answer_it_gives_up_and_says_what_to_do(
    trainer: Trainer, scheduler: TrainJobScheduler, pauses: list[float]
) -> None:
    trainer.faults = [Fault("create", "503", times=9)]
    with pytest.raises(ServerUnreachableError, match=r"HTTP 503.*same run key"):
        scheduler.schedule(job_of(scheduler))
    assert pauses == [1.0, 2.0]
    assert trainer.made == []


def test_another_ones_job_is_never_taken_or_deleted(trainer: Trainer, scheduler: TrainJobScheduler) -> None:
    job = job_of(scheduler).request
    theirs = copy.deepcopy(job)
    theirs["metadata"]["labels"] = {}
    trainer.create(theirs)
    with pytest.raises(UsageError, match="not of this run"):
        scheduler.schedule(job_of(scheduler))
    with pytest.raises(UsageError, match="not ours"):
        scheduler.cancel(job["metadata"]["name"])
    assert list(trainer.jobs) == [job["metadata"]["name"]]


def test_other_settings_under_the_same_run_key_are_refused(trainer: Trainer, scheduler: TrainJobScheduler) -> None:
    scheduler.schedule(job_of(scheduler))
    with pytest.raises(UsageError, match="other settings under the run key k"):
        scheduler.schedule(job_of(scheduler, num_replicas=3))


def test_a_job_is_deleted_by_its_uid_only(trainer: Trainer, scheduler: TrainJobScheduler, jobs: TrainJobs) -> None:
    name = scheduler.schedule(job_of(scheduler))
    old = copy.deepcopy(jobs.get(name))
    assert old is not None
    jobs.delete(old)
    scheduler.schedule(job_of(scheduler))
    jobs.delete(old)  # of this name there is another by now
    assert trainer.jobs[name]["metadata"]["uid"] != old["metadata"]["uid"]


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([], "RUNNING"),
        ([("Suspended", "True")], "PENDING"),
        ([("Suspended", "False")], "RUNNING"),
        ([("Suspended", "False"), ("Complete", "True")], "SUCCEEDED"),
        ([("Failed", "True")], "FAILED"),
        ([("Complete", "False"), ("Failed", "False")], "RUNNING"),
    ],
)
def test_conditions_say_the_state(conditions: list[tuple[str, str]], state: str) -> None:
    said = [{"type": kind, "status": status, "reason": "r", "message": "m"} for kind, status in conditions]
    job = {"metadata": {}, "status": {"conditions": said}}
    assert state_of(job)[0].name == state


def test_a_whole_cycle_through_torchx_itself(trainer: Trainer, jobs: TrainJobs) -> None:
    def make(session_name: str, **_: object) -> TrainJobScheduler:
        return TrainJobScheduler(session_name, jobs)

    with Runner("qf", {"trainjob": make}) as runner:
        handle = runner.run(app(), "trainjob", {"run_key": "k"})
        name = job_name("price_action", "k")
        assert [item.app_id for item in runner.list("trainjob")] == [name]
        trainer.condition(name, "Suspended")
        assert runner.status(handle).state == specs.AppState.PENDING
        trainer.condition(name, "Suspended", status="False")
        trainer.condition(name, "Complete")
        assert runner.wait(handle, wait_interval=0).state == specs.AppState.SUCCEEDED
        second = runner.run(app("other"), "trainjob", {"run_key": "other"})
        runner.cancel(second)
        assert runner.status(second) is None
    assert list(trainer.jobs) == [name]


def test_in_a_pod_its_own_token_and_its_clusters_certificate_are_used(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate[0]))
    with serving(trainer, certificate) as host:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", host.rpartition(":")[2])
        assert TrainJobs.found(NAMESPACE, {}, pauses_s=()).get("qf-x") is None
        (tmp_path / "other").mkdir()
        stranger, _ = make_certificate(tmp_path / "other")
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(stranger))
        with pytest.raises(UsageError, match=r"CERTIFICATE_VERIFY_FAILED.*Trust its certificate"):
            TrainJobs.found(NAMESPACE, {}, pauses_s=()).get("qf-x")


def test_without_a_cluster_or_a_right_it_says_what_to_do(trainer: Trainer, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissingError, match="KUBECONFIG"):
        TrainJobs.found(NAMESPACE, {})
    with serving(trainer) as host:
        file = write_kubeconfig(tmp_path / "other", host, "wrong")
        with pytest.raises(UsageError, match=r"HTTP 401.*trainjobs\.trainer\.kubeflow\.org in namespace team-a"):
            TrainJobs.found(NAMESPACE, {"KUBECONFIG": str(file)}).get("qf-x")
