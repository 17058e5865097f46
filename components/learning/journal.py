"""What one training writes down as it goes: TensorBoard events, and the spool of metrics for MLflow."""

from collections.abc import Mapping

from components.core.run_context import RunContext
from components.learning.events import Events
from components.learning.spool import SPOOL, Spool


class Journal:
    """The files of one training; ``name`` is its key among those of the run.

    A ``part`` of a run that trains several models has curves of its own, named after it.
    """

    def __init__(self, run: RunContext, name: str, *, num_lines: int, first_step: int, part: str = "") -> None:
        self._clock, self._prefix = run.clock, f"{part}/" if part else ""
        self._spool = Spool(run.folder / run.part / SPOOL, training=name, position=num_lines)
        self._events = Events(run.folder / "tensorboard" / run.part / part, first_step=first_step)

    def write_step(self, step: int, values: Mapping[str, float]) -> None:
        """Spool what one step measured."""
        named = {f"{self._prefix}{name}": value for name, value in values.items()}
        self._spool.append(step, named, time_ms=int(self._clock().timestamp() * 1000))

    def write_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Record what one epoch measured, by tag, in both files."""
        self._events.write(epoch, values)
        self.write_step(epoch, values)

    def sync(self) -> int:
        """Wait until all lines are on the disk and return how many there are, for the checkpoint."""
        self._spool.sync()
        return self._spool.position

    def close(self) -> None:
        """Close the files."""
        self._events.close()
        self._spool.close()
