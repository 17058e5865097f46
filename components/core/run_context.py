"""All that a step may touch: where it writes, what it logs, its clock, its stop flag."""

import contextlib
import json
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from components.core.clock import Clock, system_clock
from components.core.errors import RESUMABLE, QuantfoundryError
from components.core.files import room, write_json
from components.core.workspace import Workspace

PARENT = "QF_PARENT_PID"
"""Environment variable with the process that a local step must not outlive."""


ORPHAN_GRACE_S = 20.0
"""How long a step may take to save after its caller died."""


class Stop:
    """A flag that SIGTERM and SIGINT set; long loops poll it at safe points."""

    def __init__(self) -> None:
        self._flag = threading.Event()

    def set(self) -> None:
        """Ask the loop to save and leave."""
        self._flag.set()

    def __bool__(self) -> bool:
        return self._flag.is_set()

    def install(self) -> None:
        """Let SIGTERM and SIGINT set the flag."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._heed)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        self.set()


def _ignore(**_: object) -> None:
    return None


def _never() -> bool:
    return False


@dataclass(frozen=True)
class RunContext:
    """What one step of one run may touch.

    ``progress`` shows a person how far it is (``done``, ``total``, ``text``) or a ``line`` to keep;
    ``checkpoints`` outlives the process, so that the same run key resumes from it.
    """

    step: str
    run_key: str
    workspace: Workspace
    clock: Clock = system_clock
    stop: Stop = field(default_factory=Stop)
    progress: Callable[..., None] = _ignore
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("quantfoundry"))
    part: str = ""
    """Which of several trainings of the run this is: the folder, below the run's, of its curves."""
    enough: Callable[[], bool] = _never
    """Whether a training may end after the epoch that is over, with its best weights: a search says so of the poor."""
    serves: bool = True
    """Whether the bundle may be served, and so judged. That of a search's trial may not: it has no graph and no
    picture of its training, which are most of what a small trial would cost."""

    @property
    def folder(self) -> Path:
        """The run's own folder: logs, reports and results."""
        return self.workspace.run(self.run_key)

    def record(self, **facts: object) -> None:
        """Keep the step's facts beside the run, for its summary and for the next person."""
        write_json(self.folder / f"{self.step}.json", facts)

    @property
    def checkpoints(self) -> Path:
        """Where training keeps what it needs to resume."""
        return self.folder / "checkpoints"


def die_with(pid: int, stop: Stop, *, grace_s: float) -> None:
    """Set ``stop`` when process ``pid`` is gone, and leave with 75 if that is not heeded within ``grace_s``."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        os._exit(RESUMABLE)

    def watch() -> None:
        select.select([handle], [], [])
        stop.set()
        time.sleep(grace_s)
        os._exit(RESUMABLE)

    threading.Thread(target=watch, daemon=True).start()


def _log_to(folder: Path, step: str) -> list[logging.Handler]:
    form = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    form.converter = time.gmtime
    folder.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [
        logging.FileHandler(folder / f"{step}.log", encoding="utf-8"),
        logging.StreamHandler(sys.stderr),
    ]
    for handler in handlers:
        handler.setFormatter(form)
        logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    return handlers


@contextlib.contextmanager
def open_run(step: str, *, root: str, run_key: str) -> Generator[RunContext]:
    """Yield the context of one step; log, report progress and leave with the right exit code.

    A ``QuantfoundryError`` ends the process with its exit code after its message was written to
    ``error.json`` in the run's folder, where the caller and the next person look for it.
    """
    workspace = Workspace.at(root)
    folder = workspace.run(run_key)
    handlers = _log_to(folder / "logs", step)
    started = time.monotonic()
    events = folder / "progress.jsonl"

    def progress(**fields: object) -> None:
        line = json.dumps({"step": step, "elapsed_s": round(time.monotonic() - started, 3), **fields})
        with events.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    stop = Stop()
    stop.install()
    if PARENT in os.environ:
        die_with(int(os.environ[PARENT]), stop, grace_s=ORPHAN_GRACE_S)
    run = RunContext(
        step=step, run_key=run_key, workspace=workspace, stop=stop, progress=progress, log=logging.getLogger(step)
    )
    run.log.info("started run=%s", run_key)
    progress(event="started")
    try:
        with room(workspace.root):
            yield run
    except QuantfoundryError as error:
        run.log.error("%s: %s", type(error).__name__, error)  # noqa: TRY400 - the message is the remedy
        facts = {"step": step, "kind": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
        with contextlib.suppress(OSError):  # a full disk must not hide what went wrong: stderr has it
            write_json(folder / "error.json", facts)
            progress(event="failed")
        sys.exit(error.exit_code)
    except BaseException:
        run.log.exception("the step crashed")
        progress(event="failed")
        raise
    else:
        progress(event="finished")
        run.log.info("finished after %.1f s", time.monotonic() - started)
    finally:
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
