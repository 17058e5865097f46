"""A job seen through to its end: attached to, waited for while it is suspended, called off, made anew."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torchx import specs
from trainer_api import serving, write_kubeconfig
from trainer_state import NAMESPACE, Fault, Trainer

from components.core.errors import (
    RESUMABLE,
    BusyError,
    InterruptedRunError,
    QuantfoundryError,
    ServerUnreachableError,
    UsageError,
)
from components.core.files import write_json
from components.core.run_context import Stop
from components.train.cluster import TrainJobs
from components.train.gang import GangFailedError
from components.train.supervise import GONE_S, see_through
from components.train.trainjob import TrainJobOpts, TrainJobScheduler, job_name

NAME = job_name("regime", "k")


class Stage:
    """A supervisor on a server, with time that passes only where it sleeps."""

    def __init__(self, trainer: Trainer, jobs: TrainJobs, folder: Path) -> None:
        self.trainer, self.scheduler, self.error = trainer, TrainJobScheduler("test", jobs), folder / "error.json"
        self.stop, self.usable, self.now_s, self.naps = Stop(), True, 0.0, 0
        self.scenes: list[Callable[[], object]] = []
        """What happens at each look at the job but the first."""
        jobs.sleep = self._sleep

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.naps += 1
        assert self.naps < 1000, "nothing ends it"
        if self.scenes:
            self.scenes.pop(0)()

    def run(self, *, nodes: int = 1, timeout_s: float = 3600.0) -> None:
        role = specs.Role(
            "node", image="i:1", entrypoint="python", num_replicas=nodes, resource=specs.Resource(cpu=1, gpu=0, memMB=1)
        )
        see_through(
            self.scheduler,
            specs.AppDef(name=NAME, roles=[role]),
            TrainJobOpts(run_key="k"),
            stop=self.stop,
            timeout_s=timeout_s,
            error=self.error,
            usable=lambda: self.usable,
            clock=lambda: self.now_s,
        )

    def ends(self, kind: str = "Complete", message: str = "said so") -> Callable[[], None]:
        return lambda: self.trainer.condition(NAME, kind, message=message)

    def soon(self, scene: Callable[[], object]) -> None:
        """Let something happen once the next watch is open."""
        before = self.trainer.asked.count("watch")

        def play() -> None:
            with self.trainer.changed:
                assert self.trainer.changed.wait_for(lambda: self.trainer.asked.count("watch") > before, 20)
            scene()

        threading.Thread(target=play).start()


@pytest.fixture
def trainer() -> Trainer:
    return Trainer()


@pytest.fixture
def stage(trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr("components.train.supervise.WATCH_S", 1)
    with serving(trainer) as host:
        environ = {"KUBECONFIG": str(write_kubeconfig(tmp_path / "kubeconfig", host))}
        jobs = TrainJobs.found(NAMESPACE, environ, timeouts_s=(20.0, 4.0), pauses_s=(1.0, 2.0))
        yield Stage(trainer, jobs, tmp_path)


def test_it_makes_the_job_and_returns_when_it_is_complete(stage: Stage, trainer: Trainer) -> None:
    stage.soon(stage.ends())
    stage.run()
    assert trainer.made == [NAME]
    assert stage.naps <= 2, "the next look saw it, not the watch"


def test_a_watch_that_breaks_off_is_opened_again(stage: Stage, trainer: Trainer) -> None:
    trainer.faults = [Fault("watch", kind) for kind in ("drop", "before", "410", "500", "429")]
    stage.soon(stage.ends("Created"))
    stage.scenes = [lambda: None] * 5 + [stage.ends()]
    stage.run()
    assert [fault.times for fault in trainer.faults] == [0] * 5
    assert trainer.made == [NAME]


def test_a_watch_that_falls_silent_is_opened_again(stage: Stage, trainer: Trainer) -> None:
    trainer.faults = [Fault("watch", "hang")]
    stage.scenes = [stage.ends()]
    stage.run()
    assert trainer.made == [NAME]


@pytest.mark.parametrize("kind", ["500", "429", "before", "after", "hang"])
def test_no_answer_for_a_while_is_waited_out(stage: Stage, trainer: Trainer, kind: str) -> None:
    trainer.faults = [Fault("get", kind), Fault("create", kind)]
    stage.scenes = [lambda: None] * 2 + [stage.ends()]
    stage.run()
    assert trainer.made == [NAME]


def test_no_answer_for_long_leaves_the_job_alone(stage: Stage, trainer: Trainer) -> None:
    stage.scenes = [lambda: trainer.faults.append(Fault("get", "503", times=9))]
    with pytest.raises(ServerUnreachableError) as caught:
        stage.run()
    assert caught.value.exit_code == RESUMABLE
    assert list(trainer.jobs) == [NAME]


def test_a_suspended_job_is_waited_for_until_its_hosts_come_back(stage: Stage, trainer: Trainer) -> None:
    stage.scenes = [lambda: trainer.suspend(NAME), lambda: None, lambda: trainer.resume(NAME), stage.ends()]
    stage.run()
    assert trainer.made == [NAME]
    assert stage.naps == 4


def test_a_second_supervisor_attaches_to_what_runs(stage: Stage, trainer: Trainer) -> None:
    trainer.faults = [Fault("watch", "403")]
    with pytest.raises(UsageError):
        stage.run()
    assert list(trainer.jobs) == [NAME]
    stage.error.write_text("the job's own words are not removed under it")
    stage.soon(stage.ends())
    stage.run()
    assert trainer.made == [NAME]
    assert stage.error.exists()


def test_what_is_done_is_not_done_again(stage: Stage, trainer: Trainer) -> None:
    stage.soon(stage.ends())
    stage.run()
    stage.run()
    assert trainer.made == [NAME]


def test_a_complete_job_that_left_nothing_usable_is_made_anew(stage: Stage, trainer: Trainer) -> None:
    stage.soon(stage.ends())
    stage.run()
    stage.usable = False
    stage.soon(stage.ends())
    stage.run()
    assert trainer.made == [NAME, NAME]


def test_a_job_that_failed_is_told_of_and_made_anew_by_the_next_run(stage: Stage, trainer: Trainer) -> None:
    stage.soon(stage.ends("Failed", "out of restarts"))
    with pytest.raises(GangFailedError, match="out of restarts; its pods say why: kubectl logs"):
        stage.run()
    stage.error.write_text("stale")
    stage.soon(stage.ends())
    stage.run()
    assert trainer.made == [NAME, NAME]
    assert not stage.error.exists()


def test_what_a_worker_said_is_the_message_and_the_exit_code(stage: Stage) -> None:
    stage.scenes = [
        lambda: write_json(stage.error, {"message": "Lower train.lr", "exit_code": 65}),
        stage.ends("Failed"),
    ]
    with pytest.raises(GangFailedError, match=r"^Lower train\.lr$") as caught:
        stage.run()
    assert caught.value.exit_code == 65


def test_a_job_that_somebody_deleted_is_not_made_again_behind_their_back(stage: Stage, trainer: Trainer) -> None:
    stage.soon(lambda: trainer.remove(NAME))
    with pytest.raises(InterruptedRunError, match=r"somebody deleted it.*same run key"):
        stage.run()
    assert trainer.made == [NAME]
    stage.soon(stage.ends())
    stage.run()
    assert trainer.made == [NAME, NAME]


def test_over_time_it_is_cancelled(stage: Stage, trainer: Trainer) -> None:
    with pytest.raises(InterruptedRunError, match="timeout_s are over") as caught:
        stage.run(timeout_s=3.0)
    assert caught.value.exit_code == RESUMABLE
    assert stage.now_s == 3.0
    assert trainer.jobs == {}


def test_asked_to_stop_it_cancels(stage: Stage, trainer: Trainer) -> None:
    stage.scenes = [stage.stop.set]
    with pytest.raises(InterruptedRunError, match="stopped"):
        stage.run()
    assert trainer.jobs == {}


def test_a_job_of_other_settings_is_replaced_only_once_it_ended(stage: Stage, trainer: Trainer) -> None:
    trainer.faults = [Fault("watch", "403")]
    with pytest.raises(UsageError, match="HTTP 403"):
        stage.run()
    with pytest.raises(UsageError, match="other settings"):
        stage.run(nodes=2)
    trainer.condition(NAME, "Complete")
    stage.soon(stage.ends())
    stage.run(nodes=2)
    assert trainer.made == [NAME, NAME]
    assert trainer.jobs[NAME]["spec"]["trainer"]["numNodes"] == 2


def test_a_strangers_job_of_that_name_is_left_alone(stage: Stage, trainer: Trainer) -> None:
    stage.soon(stage.ends("Failed"))
    with pytest.raises(GangFailedError):
        stage.run()
    trainer.jobs[NAME]["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "quantfoundry"}  # of another run
    with pytest.raises(UsageError, match="not of this run"):
        stage.run()
    assert "deletionTimestamp" not in trainer.jobs[NAME]["metadata"]


def test_pods_that_do_not_leave_are_told_of(stage: Stage, trainer: Trainer) -> None:
    stage.soon(stage.ends("Failed"))
    with pytest.raises(GangFailedError):
        stage.run()
    trainer.jobs[NAME]["metadata"]["deletionTimestamp"] = "2026-11-20T00:01:00Z"
    trainer.jobs[NAME]["status"] = {}
    stage.now_s = 0.0
    with pytest.raises(BusyError, match="do not leave"):
        stage.run()
    assert stage.now_s == GONE_S


@pytest.mark.parametrize("error", [BusyError, InterruptedRunError, ServerUnreachableError])
def test_whatever_can_be_tried_again_says_so_by_its_exit_code(error: type[QuantfoundryError]) -> None:
    assert error.exit_code == RESUMABLE
