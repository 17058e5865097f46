"""Run a compiled pipeline on this machine, in a child process of its own session.

The runner replaces global state (loggers, ``print``), leaves tasks running when it is killed and
tells nothing of why a task failed. So it gets a process of its own; progress, errors and results
pass through files in the run's folder, and the whole group is stopped when we are.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO, Any, Literal

import yaml

from components.core.errors import RESUMABLE, InterruptedRunError, QuantfoundryError
from components.core.files import file_lock, read_json, write_json
from components.core.run_context import PARENT
from pipelines.request import RunRequest

Event = dict[str, Any]
Runner = Literal["subprocess", "docker"]
"""Whether the steps of a run are processes of this environment, or containers of their images."""
GRACE_S = 30.0
"""How long a step may take to save after it was asked to stop."""
POLL_S = 0.1
RESULT = "result.json"


class StepFailedError(QuantfoundryError):
    """A step ended the run; its message, and its exit code, are the step's."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def finished(request: RunRequest) -> bool:
    """Return whether this very run ended before: then there is nothing to do."""
    return (request.folder / RESULT).exists()


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        PARENT: str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "FEAST_USAGE": "False",
    }


def _new_events(file: IO[str]) -> Iterator[Event]:
    while line := file.readline():
        with contextlib.suppress(ValueError):  # a step killed while writing leaves half a line
            yield json.loads(line)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _stop_group(child: subprocess.Popen[bytes]) -> None:
    """Ask every process of the run to save and leave; after a while, make it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        child.poll()
        if not _group_lives(child.pid):
            return
        time.sleep(POLL_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@contextlib.contextmanager
def _interruptible() -> Generator[Callable[[], bool]]:
    """Yield a function that says whether SIGTERM or SIGINT asked us to stop."""
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _frame: asked.append(got))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _contained(request: RunRequest, package: Path, runner: Runner) -> Generator[None]:
    """Check the images of the steps first; leave no container behind, nor one that an earlier run left."""
    if runner != "docker":
        yield
        return
    from pipelines import containers  # noqa: PLC0415 - imports kfp and docker, which most runs do not want here

    containers.check(package)
    containers.clear(request.run_key)
    try:
        yield
    finally:
        containers.clear(request.run_key)


def execute(
    request: RunRequest, package: Path, on_event: Callable[[Event], None], *, runner: Runner = "subprocess"
) -> None:
    """Run ``package`` to its end; every progress event of a step goes to ``on_event``.

    Raises:
        BusyError: If this run key is being run already.
        EnvironmentMissingError: If its steps shall run in containers, and there is no engine or no fresh image.
        InterruptedRunError: If a signal stopped it; the same request resumes.
        StepFailedError: If a step ended with an error.
    """
    folder = request.folder
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / "run.lock", f"run {request.run_key}"), _contained(request, package, runner):
        for name in ("error.json", RESULT):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "artifacts", ignore_errors=True)
        events = folder / "progress.jsonl"
        events.write_text("", encoding="utf-8")
        write_json(folder / "request.json", {"family": request.family.name, "arguments": request.arguments})
        command = [sys.executable, "-m", "pipelines.local_child", str(package), str(folder), runner]
        (folder / "logs").mkdir(exist_ok=True)
        with (
            (folder / "logs" / "pipeline.log").open("ab") as log,
            events.open(encoding="utf-8") as lines,
            _interruptible() as interrupted,
        ):
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_environment()
            )
            try:
                while child.poll() is None and not interrupted():
                    for event in _new_events(lines):
                        on_event(event)
                    time.sleep(POLL_S)
            finally:
                _stop_group(child)
            for event in _new_events(lines):
                on_event(event)
        if interrupted():
            raise InterruptedRunError(f"interrupted. The same command resumes run {request.run_key}")
        _raise_failure(folder, child.returncode)
        require_steps(folder, package)
        write_json(folder / RESULT, {name: read_json(folder / f"{name}.json") for name in _steps(folder)})


def _steps(folder: Path, state: str = "finished") -> list[str]:
    with (folder / "progress.jsonl").open(encoding="utf-8") as lines:
        return [event["step"] for event in _new_events(lines) if event.get("event") == state]


def require_steps(folder: Path, package: Path) -> None:
    """Believe no exit code alone: the runner takes a container that is gone before it looks for a success.

    Raises:
        StepFailedError: If fewer steps said that they finished than the pipeline has.
    """
    spec = next(yaml.safe_load_all(package.read_text(encoding="utf-8")))
    done, tasks = _steps(folder), spec["root"]["dag"]["tasks"]
    if len(done) < len(tasks):
        told = f"of {len(tasks)} steps only {len(done)} said that they finished: {', '.join(done)}"
        raise StepFailedError(f"{told}. The same command resumes the run", RESUMABLE)


def _raise_failure(folder: Path, code: int) -> None:
    if (folder / "error.json").exists():
        error = read_json(folder / "error.json")
        log = folder / "logs" / f"{error['step']}.log"
        raise StepFailedError(f"{error['step']}: {error['message']}\nlog: {log}", error["exit_code"])
    if code != 0:
        ended = set(_steps(folder))
        step = next((name for name in _steps(folder, "started") if name not in ended), "pipeline")
        log = folder / "logs" / f"{step}.log"
        raise StepFailedError(f"{step}: crashed (exit code {code}); the end of the log says why\nlog: {log}", 1)
