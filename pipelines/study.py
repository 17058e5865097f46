"""Many independent jobs, each with a result file of its own: parallel, and where it was killed it goes on."""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.errors import InterruptedRunError
from components.core.files import file_lock, read_json, write_json
from components.core.run_context import Stop, die_with

Facts = dict[str, Any]
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Study:
    """Jobs by name. Equal names in one folder are equal jobs: who changes what they do takes another folder."""

    folder: Path
    work: Callable[..., Facts]
    """A function of a module: it is imported in other processes."""
    jobs: Mapping[str, Mapping[str, Any]]
    """The arguments of ``work``, by name."""

    def path(self, name: str) -> Path:
        """Return the file that is there once the job is done."""
        return self.folder / "done" / f"{name}.json"

    def left(self) -> list[str]:
        """Return the jobs without a result."""
        return [name for name in self.jobs if not self.path(name).exists()]

    def results(self) -> list[Facts]:
        """Return the results in the order of the jobs, whoever was done first."""
        return [read_json(self.path(name)) for name in self.jobs]


def carry_out(study: Study, *, num_processes: int, on_done: Callable[[int, int], None]) -> list[Facts]:
    """Do the jobs that are left and return all results; ``on_done`` is told how many of how many are done.

    Raises:
        BusyError: If another process works in the folder.
        InterruptedRunError: If a process was killed; the same study goes on from what is done.
    """
    total = len(study.jobs)
    with file_lock(study.folder / "study.lock", f"study {study.folder.name}"):
        if left := study.left():
            os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))  # read when the children load their libraries
            with ProcessPoolExecutor(
                num_processes, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
            ) as pool:
                waiting = [pool.submit(_do, study.work, study.path(name), dict(study.jobs[name])) for name in left]
                try:
                    for number, job in enumerate(as_completed(waiting), start=total - len(left) + 1):
                        job.result()
                        on_done(number, total)
                except BrokenProcessPool:
                    raise InterruptedRunError("a process was killed. The same command goes on from here") from None
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)
        return study.results()


def _begin(parent: int) -> None:
    die_with(parent, Stop(), grace_s=0.0)


def _do(work: Callable[..., Facts], path: Path, arguments: Mapping[str, Any]) -> None:
    write_json(path, work(**arguments))
