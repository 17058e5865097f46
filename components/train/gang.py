"""Several training processes on one host, started and watched through TorchX.

A gang is restarted as a whole, from its newest checkpoint: gloo does not survive a process that comes back
alone. What a process says in words (data that cannot be used, a loss that is not finite) ends the run, and a run
that was asked to stop is not restarted.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from torchx import specs
from torchx.runner import Runner
from torchx.schedulers import local_scheduler

from components.core.errors import InterruptedRunError, QuantfoundryError
from components.core.files import read_json
from components.core.run_context import PARENT, Stop

if TYPE_CHECKING:
    from torchx.schedulers import SchedulerFactory

log = logging.getLogger(__name__)

ERROR: Final = "error.json"
"""Where a worker leaves what it has to say, in the folder of the gang's logs."""
MAX_RESTARTS: Final = 3
GRACE_S: Final = 60
"""How long the processes may take to save after they were asked to stop."""
POLL_S: Final = 0.2


class GangFailedError(QuantfoundryError):
    """A training process gave up with a message, or they failed more often than they are restarted."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def gang_app(worker: Sequence[str], *, processes: int) -> specs.AppDef:
    """Return the TorchX application that runs ``python -m *worker`` in ``processes`` processes of this host.

    The interpreter is this one, by its path: no shell, no ``torchrun`` of another environment.
    """
    role = specs.Role(
        name="trainer",
        image=str(Path.cwd()),
        entrypoint=sys.executable,
        args=["-m", "torch.distributed.run", "--standalone", "--nnodes=1", *workers(worker, per_host=processes)],
        env={**os.environ, "OMP_NUM_THREADS": "1", PARENT: str(os.getpid())},
        num_replicas=1,
        resource=specs.Resource(cpu=processes, gpu=0, memMB=0),
    )
    return specs.AppDef(name="quantfoundry-train", roles=[role])


def workers(worker: Sequence[str], *, per_host: int) -> list[str]:
    """Return the arguments of ``torch.distributed.run`` that are the same on one host and on each of several."""
    watched = ["--max-restarts=0", f"--shutdown-timeout={GRACE_S}"]
    return [f"--nproc-per-node={per_host}", *watched, "-m", *worker]


def run_gang(app: specs.AppDef, *, logs: Path, stop: Stop, max_restarts: int = MAX_RESTARTS) -> None:
    """Run the processes to their end; start all of them again if one dies.

    Raises:
        InterruptedRunError: If ``stop`` was set; they saved first.
        GangFailedError: If one gave up with a message, or they died more than ``max_restarts`` times.
    """
    logs.mkdir(parents=True, exist_ok=True)
    (logs / ERROR).unlink(missing_ok=True)
    schedulers = {"local_cwd": cast("SchedulerFactory", local_scheduler.create_scheduler)}
    with Runner("quantfoundry", schedulers) as runner:
        for attempt in range(1, max_restarts + 2):
            handle = runner.run(app, "local_cwd", {"log_dir": str(logs)})
            stop.install()  # again: TorchX takes the signals for itself
            state = _finish(runner, handle, stop)
            if state == specs.AppState.SUCCEEDED:
                return
            if stop:
                raise InterruptedRunError("stopped and saved. Run again with the same run key to go on")
            if (logs / ERROR).exists():
                error = read_json(logs / ERROR)
                raise GangFailedError(error["message"], error["exit_code"])
            log.warning("the training processes ended as %s, try %d of %d", state.name, attempt, max_restarts + 1)
    message = f"the training processes died {max_restarts + 1} times; their output is below {logs}"
    raise GangFailedError(message, GangFailedError.exit_code)


def _finish(runner: Runner, handle: str, stop: Stop) -> specs.AppState:
    """Return the final state; a stop is passed on to every process."""
    while True:
        status = runner.status(handle)
        if status is None or status.is_terminal():
            return specs.AppState.UNKNOWN if status is None else status.state
        if stop:
            runner.cancel(handle)
        time.sleep(POLL_S)
