"""Where a training stands, as JSON: what a checkpoint holds besides tensors."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from components.families.price_action.config import TrainConfig
from components.families.price_action.evaluate import Best, Score
from components.learning.gradient import GradientNorms
from components.learning.schedule import PlateauState
from components.learning.settings import Plateau
from components.learning.stopping import Stopping
from components.trading.confusion import Confusion


@dataclass
class Position:
    """Where training stands: everything that is no tensor."""

    epoch: int = 0
    """Epochs that are over."""
    batch: int = 0
    """Batches of the running epoch that are over; with the seed and the epoch it says which windows come next."""
    step: int = 0
    """Steps that are over, of all epochs."""
    num_lines: int = 0
    """Lines of metrics that were spooled."""
    loss_sum: float = 0.0
    """Sum of the losses of the running epoch's samples."""
    confusion: Confusion = field(default_factory=Confusion)
    """Directions of the running epoch's samples, with dropout on."""
    norms: GradientNorms = field(default_factory=GradientNorms)
    """Gradients of the running epoch's steps."""
    stopping: Stopping = field(default_factory=Stopping)
    """Lowest validation loss, and how long ago it was."""
    plateau: PlateauState = field(default_factory=PlateauState)
    """Reductions of the learning rate so far, where the schedule makes any."""
    best: Best | None = None
    """The epoch whose weights are kept."""
    history: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return the position that ``values`` wrote down."""
        best = values["best"] and Best(**values["best"])
        read: dict[str, Any] = {
            **values,
            "confusion": Confusion(**values["confusion"]),
            "norms": GradientNorms(**values["norms"]),
            "stopping": Stopping(**values["stopping"]),
            "plateau": PlateauState(**values["plateau"]),
            "best": best,
        }
        return cls(**read)

    def end_epoch(self, train: Score, validation: Score, config: TrainConfig) -> dict[str, float]:
        """Record the epoch, begin the next one and return its metrics by their names in the history."""
        zones = {"train": train, "val": validation}
        metrics = {f"{part}_{name}": value for part, zone in zones.items() for name, value in zone.metrics().items()}
        for name, value in metrics.items():
            self.history.setdefault(name, []).append(value)
        self.epoch += 1
        self.batch, self.loss_sum, self.confusion, self.norms = 0, 0.0, Confusion(), GradientNorms()
        self.stopping = self.stopping.advance(config.stopping, metrics)
        if isinstance(config.schedule, Plateau):
            self.plateau = self.plateau.advance(config.schedule, metrics)
        return metrics

    def values(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return asdict(self)
