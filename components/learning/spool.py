"""Metrics spooled to a local file by training, and sent to MLflow exactly once by whoever has the network.

A step of training appends one line and waits for nobody. A resumed training repeats steps that the
spool already holds: their sequence numbers say so and they are not written twice.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from components.core.errors import ArtifactError
from components.core.files import atomic_file, canonical_json, file_lock, read_json, write_json

SPOOL = "metrics.jsonl"
"""Name of the file in the run's folder."""

MOST_VALUES = 1000
"""What MLflow takes in one batch."""


@dataclass(frozen=True)
class Line:
    """What one step measured."""

    number: int
    """Place in the training's sequence of lines, from 0."""
    step: int
    time_ms: int
    """When it was written, since 1970 in UTC."""
    values: Mapping[str, float]


class Spool:
    """The append-only file of one training.

    ``position``, from the checkpoint, is the number of the next line. Lines of another training under
    the same path are replaced.
    """

    def __init__(self, path: Path, *, training: str, position: int) -> None:
        self.position = position
        owner, held = _read(path) if path.is_file() else ("", [])
        if owner != training:
            with atomic_file(path) as file:
                file.write(f"{canonical_json({'training': training})}\n".encode())
            held = []
        self._num_held = held[-1].number + 1 if held else 0
        self._file = path.open("ab", buffering=0)
        self._file.truncate(len(_whole(path.read_bytes())))

    def append(self, step: int, values: Mapping[str, float], *, time_ms: int) -> None:
        """Write ``values`` of ``step``, unless an interrupted run has written this line before.

        Raises:
            ValueError: If a value is not finite.
        """
        for name, value in values.items():
            if not math.isfinite(value):
                raise ValueError(f"metric {name!r} of step {step} is {value}; record finite numbers only")
        if self.position >= self._num_held:
            line = {"number": self.position, "step": step, "time_ms": time_ms, "values": dict(values)}
            self._file.write(f"{canonical_json(line)}\n".encode())
        self.position += 1

    def sync(self) -> None:
        """Wait until all lines are on the disk: before a checkpoint says that they are."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _whole(content: bytes) -> bytes:
    """Return the lines that are whole: a killed writer may leave half a line."""
    return content[: content.rfind(b"\n") + 1]


def _read(path: Path) -> tuple[str, list[Line]]:
    """Return the training that ``path`` belongs to, and its lines."""
    try:
        head, *rest = (json.loads(line) for line in _whole(path.read_bytes()).splitlines())
        return str(head["training"]), [Line(**line) for line in rest]
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{path}: a line is damaged ({error}). Delete the file; its metrics are lost") from None


def read_lines(path: Path) -> list[Line]:
    """Return the lines of a spool, in the order in which they were written.

    Raises:
        ArtifactError: If a line is damaged.
    """
    return _read(path)[1]


def replay(spool: Path, client: Any, run_id: str) -> int:
    """Send what ``spool`` holds to the MLflow run and return the number of values that were new to it.

    What was acknowledged is kept beside the spool. What MLflow holds already, by name and step, is not
    sent again: a crash between sending and acknowledging doubles nothing. Without a spool nothing is sent.

    Raises:
        ArtifactError: If a line is damaged.
        BusyError: If another process is sending the same spool.
    """
    from mlflow.entities import Metric  # noqa: PLC0415 - takes two seconds

    if not spool.is_file():
        return 0
    note = spool.with_suffix(".sent.json")
    with file_lock(spool.with_suffix(".lock"), f"run {run_id}"):
        training, lines = _read(spool)
        sent = read_json(note) if note.is_file() else {}
        first = sent["position"] if (sent.get("run"), sent.get("training")) == (run_id, training) else 0
        pending = [line for line in lines if line.number >= first]
        held = _held(client, run_id, {name for line in pending for name in line.values})
        num_new = 0
        for batch in _batches(pending):
            metrics = [
                Metric(name, value, line.time_ms, line.step)
                for line in batch
                for name, value in line.values.items()
                if line.step not in held[name]
            ]
            client.log_batch(run_id, metrics=metrics)
            write_json(note, {"run": run_id, "training": training, "position": batch[-1].number + 1})
            num_new += len(metrics)
    return num_new


def _held(client: Any, run_id: str, names: set[str]) -> dict[str, set[int]]:
    """Return the steps that MLflow holds of each metric."""
    return {name: {item.step for item in client.get_metric_history(run_id, name)} for name in names}


def _batches(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield the lines in runs of at most ``MOST_VALUES`` values."""
    batch: list[Line] = []
    num_values = 0
    for line in lines:
        if batch and num_values + len(line.values) > MOST_VALUES:
            yield batch
            batch, num_values = [], 0
        batch.append(line)
        num_values += len(line.values)
    if batch:
        yield batch
