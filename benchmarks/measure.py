"""How the benchmarks measure: one thread, CPU seconds, contenders in turn within one process, medians, ratios.

On a busy machine wall time is off by a factor of ten and CPU time by a tenth, so ratios are taken round by
round, from runs that follow each other. Import this module first: it sets the number of threads.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[_name] = "1"

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

pa.set_cpu_count(1)
pa.set_io_thread_count(1)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

MIB = 2**20


@dataclass(frozen=True)
class Contender:
    """One way to do the job."""

    run: Callable[[], object]
    rows: int
    """Rows that one run deals with: a slow peer may be given fewer."""
    columns: int = 1
    repeats: int | None = None
    """Rounds it takes part in; None is all."""


@dataclass(frozen=True)
class Result:
    """What was measured of a contender."""

    cpu_s: list[float]
    peak_mib: float
    """Most memory in use during its first run, above what was in use before."""
    contender: Contender

    @property
    def cells_per_cpu_s(self) -> float:
        """Rows x columns per CPU second, of the median round."""
        return self.contender.rows * self.contender.columns / statistics.median(self.cpu_s)


def _memory_mib(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def _peak_mib(run: Callable[[], object]) -> float:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _memory_mib("VmRSS")
    run()
    return _memory_mib("VmHWM") - before


def run_alone(job: Callable[[], object]) -> None:
    """Do ``job`` and print the most memory this process held, for ``peak_alone_mib`` to read."""
    job()
    print(_memory_mib("VmHWM"))


def peak_alone_mib(script: str, *arguments: str) -> float:
    """Return the most memory that a process of its own holds, libraries included, for a job under ``run_alone``."""
    done = subprocess.run([sys.executable, script, *arguments], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def measure(contenders: Mapping[str, Contender], *, rounds: int) -> dict[str, Result]:
    """Run all contenders once for their memory and to warm up, then in turn, ``rounds`` times."""
    peaks = {name: _peak_mib(contender.run) for name, contender in contenders.items()}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            if contender.repeats is not None and number >= contender.repeats:
                continue
            gc.collect()
            start = time.process_time()
            contender.run()
            times[name].append(time.process_time() - start)
    return {name: Result(times[name], peaks[name], contender) for name, contender in contenders.items()}


def ratio(ours: Result, peer: Result) -> float:
    """Return how many times the peer's CPU time per cell is ours: the median of the rounds both took part in."""
    share = (ours.contender.rows * ours.contender.columns) / (peer.contender.rows * peer.contender.columns)
    return statistics.median(share * theirs / mine for mine, theirs in zip(ours.cpu_s, peer.cpu_s, strict=False))


class Stood(Protocol):
    """Where a training stood."""

    @property
    def cpu_s(self) -> float:
        """CPU seconds of training until then."""
        ...

    @property
    def loss(self) -> float:
        """That of the validation."""
        ...


def seconds_to(points: Sequence[Stood], loss: float) -> float:
    """Return the CPU seconds after which the loss was first reached; infinity if it was not."""
    return next((point.cpu_s for point in points if point.loss <= loss), float("inf"))


def show(title: str, results: Mapping[str, Result], *, against: Mapping[str, str]) -> None:
    """Print a table of the results, and the ratios: ``against`` maps one of ours to its peer."""
    print(f"\n{title}")
    print(f"{'':44}{'M rows/cpu-s':>14}{'columns':>9}{'M cells/cpu-s':>15}{'peak MiB':>10}{'runs':>6}")
    for name, result in results.items():
        rows = result.contender.rows / statistics.median(result.cpu_s) / 1e6
        cells = result.cells_per_cpu_s / 1e6
        columns = result.contender.columns
        print(f"{name:44}{rows:14.3f}{columns:9d}{cells:15.2f}{result.peak_mib:10.0f}{len(result.cpu_s):6d}")
    for name, peer in against.items():
        print(f"  {name} / {peer}: {ratio(results[name], results[peer]):.1f}x")
