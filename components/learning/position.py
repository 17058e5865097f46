"""Where a training by the loop stands: everything that is no tensor."""

from dataclasses import dataclass, field
from typing import Any, Self

from components.learning.gradient import GradientNorms
from components.learning.schedule import PlateauState
from components.learning.stopping import Stopping


@dataclass
class Position:
    """Where training stands: everything that is no tensor, as JSON."""

    epoch: int = 0
    """Epochs that are over."""
    batch: int = 0
    """Batches of the running epoch that are over; with the seed and the epoch it says which samples come next."""
    step: int = 0
    """Steps that are over, of all epochs."""
    num_lines: int = 0
    """Lines of metrics that were spooled."""
    num_seen: int = 0
    """Samples of the running epoch that are over."""
    loss_sum: float = 0.0
    """Sum of their losses."""
    best_epoch: int = 0
    """The epoch whose weights are kept, from 1."""
    norms: GradientNorms = field(default_factory=GradientNorms)
    stopping: Stopping = field(default_factory=Stopping)
    plateau: PlateauState = field(default_factory=PlateauState)
    history: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return the position that ``dataclasses.asdict`` wrote down."""
        read: dict[str, Any] = {
            **values,
            "norms": GradientNorms(**values["norms"]),
            "stopping": Stopping(**values["stopping"]),
            "plateau": PlateauState(**values["plateau"]),
        }
        return cls(**read)
