"""See one job of one run through to its end: attach to it or start it, follow it, call it off.

Whatever happens to the supervisor, there is one job: its name is made of the run key, a job that ended badly is
removed by its uid before another is made, and a job that is preempted only waits.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from torchx import specs

from components.core.errors import BusyError, InterruptedRunError
from components.core.files import read_json
from components.core.run_context import Stop
from components.train.cluster import Job, TrainJobs
from components.train.gang import GangFailedError
from components.train.trainjob import TrainJobOpts, TrainJobScheduler, belongs_to, request_of, state_of

log = logging.getLogger(__name__)

WATCH_S: Final = 10
"""How long one watch lasts: so often it is looked whether time is up, or somebody asked to stop."""
PAUSE_S: Final = 1.0
"""Between two looks at a job, however fast a watch breaks off."""
GONE_S: Final = 300.0
"""How long the pods of a job that was deleted may take to save and leave."""
LIVE: Final = {specs.AppState.PENDING, specs.AppState.RUNNING}


def see_through(
    scheduler: TrainJobScheduler,
    app: specs.AppDef,
    opts: TrainJobOpts,
    *,
    stop: Stop,
    timeout_s: float,
    error: Path,
    usable: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return once the run's job has succeeded: the one that is there, or one that is started now.

    ``usable`` says whether what a job left can be used; one that ended without is started again. ``error`` is where
    a worker leaves its words.

    Raises:
        InterruptedRunError: If ``stop`` was set or ``timeout_s`` are over, which cancels the job, or if somebody
            deleted it; the same run key goes on.
        GangFailedError: If the job failed.
        UsageError: If the job's name is another's, or it runs with other settings.
        ServerUnreachableError: If the cluster does not answer for minutes; the job goes on.
    """
    deadline = clock() + timeout_s
    request = scheduler.submit_dryrun(app, opts)
    if _free(scheduler.jobs, request.request, opts.run_key, usable, clock):
        error.unlink(missing_ok=True)
    name = scheduler.schedule(request)
    state, message = _followed(scheduler.jobs, name, stop, lambda: deadline - clock())
    if state == specs.AppState.SUCCEEDED:
        return
    if state != specs.AppState.FAILED:
        raise InterruptedRunError(f"TrainJob {name}: {message}. Run again with the same run key to go on")
    if error.exists():
        said = read_json(error)
        raise GangFailedError(said["message"], said["exit_code"])
    pods = f"kubectl logs -l jobset.sigs.k8s.io/jobset-name={name}"
    raise GangFailedError(f"TrainJob {name} failed: {message}; its pods say why: {pods}", GangFailedError.exit_code)


def _free(jobs: TrainJobs, request: Job, run_key: str, usable: Callable[[], bool], clock: Callable[[], float]) -> bool:
    """Return whether the run has no job; one of its own that ended, and is of no use, is removed first."""
    name = request["metadata"]["name"]
    while (there := jobs.get(name)) is not None and belongs_to(there, run_key):
        state, message = state_of(there)
        done = state == specs.AppState.SUCCEEDED and request_of(there) == request_of(request) and usable()
        if done or state in LIVE:
            log.info("TrainJob %s: attached", name)
            return False
        log.info("TrainJob %s: %s, %s; it is removed", name, state.name, message)
        if state != specs.AppState.CANCELLED:
            jobs.delete(there)
        _wait_until_gone(jobs, there, clock)
    return there is None


def _wait_until_gone(jobs: TrainJobs, job: Job, clock: Callable[[], float]) -> None:
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    deadline = clock() + GONE_S
    while (there := jobs.get(name)) is not None and there["metadata"]["uid"] == uid:
        if clock() >= deadline:
            raise BusyError(f"TrainJob {name}: deleted, but its pods do not leave. Look at them, then run again")
        jobs.sleep(PAUSE_S)


def _followed(jobs: TrainJobs, name: str, stop: Stop, left_s: Callable[[], float]) -> tuple[specs.AppState, str]:
    """Return how the job ended; one that has to end is deleted."""
    uid, before = "", None
    while True:
        job = jobs.get(name)
        uid = uid or (job["metadata"]["uid"] if job else "")
        if job is None or job["metadata"]["uid"] != uid:
            return specs.AppState.CANCELLED, "somebody deleted it"
        state, message = state_of(job)
        if state != before:
            log.info("TrainJob %s: %s %s", name, state.name, message)
        if state not in LIVE:
            return state, message
        if stop or left_s() <= 0:
            jobs.delete(job)
            return specs.AppState.CANCELLED, "stopped; it was deleted" if stop else "timeout_s are over; it was deleted"
        before = state
        wait_s = max(1, min(WATCH_S, int(left_s())))
        for changed in jobs.changes(name, job["metadata"]["resourceVersion"], for_s=wait_s):
            if changed is None or state_of(changed)[0] != state:
                break
        jobs.sleep(PAUSE_S)
