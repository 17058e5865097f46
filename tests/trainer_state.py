"""What a cluster does with ``TrainJob``s, without one; ``trainer_api`` puts the Kubernetes API in front of it.

A job is checked against the schema of every Trainer version. It can stand still, for tests to end it in any way, or
run: then its command is started on each of its nodes as a local process, with the ``PET_*`` variables that Trainer's
controller sets, and its conditions follow the exit codes. A deleted or suspended job's processes get SIGTERM, and the
job is gone, or suspended, once they are.
"""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMESPACE = "team-a"
Job = dict[str, Any]
PYTHON = Path(sys.executable)
"""What ``python`` is in the image that a job names."""


@dataclass
class Fault:
    """What goes wrong with the next requests of one verb: ``create``, ``get``, ``list``, ``watch`` or ``delete``."""

    verb: str
    kind: str
    """``before``: cut off, nothing done. ``after``: done, then cut off. ``hang``: silence. A number: that status.
    Of a watch: ``drop``: cut off in the middle of an event."""
    times: int = 1


class Refusal(Exception):  # noqa: N818 - it is the server's answer
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Trainer:
    """The state of the server; tests read and change it."""

    runs: bool = False
    """Whether jobs run their command."""
    faults: list[Fault] = field(default_factory=list[Fault])
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    made: list[str] = field(default_factory=list[str])
    """Names of the jobs that were created, one for each time."""
    asked: list[str] = field(default_factory=list[str])
    """Verbs of the requests that were carried out."""
    refused: list[str] = field(default_factory=list[str])
    """What a real server would have refused."""
    events: list[tuple[int, str, Job]] = field(default_factory=list[tuple[int, str, Job]])
    released: threading.Event = field(default_factory=threading.Event)
    """Ends the silence of what hangs."""
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _processes: dict[str, list["subprocess.Popen[bytes]"]] = field(default_factory=dict[str, Any])
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def create(self, job: Job) -> Job:
        with self.changed:
            name = job["metadata"]["name"]
            if name in self.jobs:
                raise Refusal(409, f'trainjobs "{name}" already exists')
            number = next(self._numbers)
            job["metadata"] |= {"uid": f"uid-{number}", "creationTimestamp": "2026-11-20T00:00:00Z"}
            self.jobs[name] = job
            self.made.append(name)
            self._tell("ADDED", job)
            if self.runs:
                self._start(job)
            return job

    def get(self, name: str) -> Job:
        with self.changed:
            if name not in self.jobs:
                raise Refusal(404, f'trainjobs "{name}" not found')
            return self.jobs[name]

    def delete(self, name: str, options: dict[str, Any]) -> Job:
        with self.changed:
            job = self.get(name)
            uid = options.get("preconditions", {}).get("uid", job["metadata"]["uid"])
            if uid != job["metadata"]["uid"]:
                raise Refusal(409, "the UID in the precondition does not match")
            if "deletionTimestamp" not in job["metadata"]:
                job["metadata"]["deletionTimestamp"] = "2026-11-20T00:01:00Z"
                self._tell("MODIFIED", job)
                self._end(job, lambda: self._remove(job))
            return job

    def condition(self, name: str, kind: str, *, status: str = "True", message: str = "said so") -> None:
        """Set one condition of a job, as its controller does."""
        with self.changed:
            job = self.jobs[name]
            kept = [item for item in job.get("status", {}).get("conditions", []) if item["type"] != kind]
            now = {"type": kind, "status": status, "reason": f"Test{kind}", "message": message}
            job["status"] = {"conditions": [*kept, now]}
            self._tell("MODIFIED", job)

    def suspend(self, name: str) -> None:
        """Take a job's hosts away, as Kueue does for another job's sake."""
        job = self.get(name)
        job["spec"]["suspend"] = True
        self._end(job, lambda: self.condition(name, "Suspended"))

    def resume(self, name: str) -> None:
        """Give a suspended job hosts again."""
        job = self.get(name)
        job["spec"]["suspend"] = False
        self.condition(name, "Suspended", status="False")
        if self.runs:
            self._start(job)

    def remove(self, name: str) -> None:
        """Let somebody else delete a job."""
        self.delete(name, {})

    def pids(self, name: str) -> list[int]:
        """Return the launchers of a job, one per node."""
        with self.changed:
            return [process.pid for process in self._processes.get(name, [])]

    def after(self, version: int, name: str, wait_s: float) -> list[tuple[int, str, Job]]:
        """Return what happened to a job after a version, waiting for it."""

        def newer() -> list[tuple[int, str, Job]]:
            return [event for event in self.events if event[0] > version and event[2]["metadata"]["name"] == name]

        with self.changed:
            self.changed.wait_for(newer, wait_s)
            return newer()

    def close(self) -> None:
        """End every process that was started here."""
        self.released.set()
        for name in list(self._processes):
            self._kill(name)
        for thread in self._threads:
            thread.join()

    def _tell(self, kind: str, job: Job) -> None:
        version = next(self._numbers)
        job["metadata"]["resourceVersion"] = str(version)
        self.events.append((version, kind, json.loads(json.dumps(job))))
        self.changed.notify_all()

    def _remove(self, job: Job) -> None:
        with self.changed:
            del self.jobs[job["metadata"]["name"]]
            self._tell("DELETED", job)

    def _start(self, job: Job) -> None:
        trainer, name = job["spec"]["trainer"], job["metadata"]["name"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        given = {item["name"]: item["value"] for item in trainer["env"]}
        kept = {key: os.environ[key] for key in ("HOME", "LANG", "TMPDIR") if key in os.environ}
        found = {
            "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        group = {"PET_NNODES": str(trainer["numNodes"]), "PET_NPROC_PER_NODE": "7"}
        group |= {"PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": str(port)}
        self._processes[name] = [
            subprocess.Popen(
                [*trainer["command"], *trainer["args"]],
                env=kept | found | given | group | {"PET_NODE_RANK": str(rank)},
                start_new_session=True,
            )
            for rank in range(trainer["numNodes"])
        ]
        thread = threading.Thread(target=self._follow, args=(job, self._processes[name]))
        self._threads.append(thread)
        thread.start()

    def _follow(self, job: Job, processes: list["subprocess.Popen[bytes]"]) -> None:
        codes = [process.wait() for process in processes]
        name = job["metadata"]["name"]
        with self.changed:
            going = self.jobs.get(name) is job and self._processes.get(name) is processes
            if going and not job["spec"].get("suspend") and "deletionTimestamp" not in job["metadata"]:
                self.condition(name, "Failed" if any(codes) else "Complete", message=f"exit codes {codes}")

    def _end(self, job: Job, then: Any) -> None:
        """Ask a job's processes to leave; go on once they have."""
        processes = self._processes.pop(job["metadata"]["name"], [])
        if not processes:
            then()
            return
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

        def wait() -> None:
            for process in processes:
                process.wait()
            then()

        thread = threading.Thread(target=wait)
        self._threads.append(thread)
        thread.start()

    def _kill(self, name: str) -> None:
        for process in self._processes.pop(name, []):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
