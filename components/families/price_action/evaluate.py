"""The score of an epoch, which epoch is kept, and the lines in which a person reads it."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.trading.confusion import Confusion
from components.trading.statistics import wilson_interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Loss and directions of one pass over one zone, at a probability of one half."""

    loss: float
    confusion: Confusion

    def metrics(self) -> dict[str, float]:
        """Return the numbers that the history records, by name; a share without any case counts as 0."""
        counts = self.confusion
        shares = {"accuracy": counts.accuracy, "precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
        return {"loss": self.loss} | {name: 0.0 if math.isnan(share) else share for name, share in shares.items()}


@dataclass(frozen=True)
class Best:
    """The epoch whose weights are kept."""

    epoch: int
    loss: float
    precision_bound: float
    """Lower Wilson bound of the validation precision: three lucky hits are not a precision of 1."""


def cross_entropy(log_odds: Floats, target: Floats) -> float:
    """Return the mean binary cross-entropy in nats; ``target`` may lie between 0 and 1."""
    return float(np.mean(np.logaddexp(0.0, log_odds) - target * log_odds))


def score(log_odds: Floats, labels: Floats) -> Score:
    """Return the loss and the directions of the rows of one zone."""
    return Score(cross_entropy(log_odds, labels), Confusion.of(log_odds > 0, labels > 0))


def candidate(epoch: int, validation: Score, *, confidence: float) -> Best:
    """Return ``epoch`` as one that may be chosen."""
    counts = validation.confusion
    said = counts.true_positive + counts.false_positive
    return Best(epoch, validation.loss, wilson_interval(counts.true_positive, said, confidence=confidence)[0])


def wins(new: Best, chosen: Best | None, *, lowest: float, tolerance: float) -> bool:
    """Return whether ``new`` replaces ``chosen``; ``lowest`` is the lowest loss so far, that of ``new`` included.

    Epochs within ``tolerance`` of the lowest loss count as equal, and the more precise one wins.
    """
    limit = lowest * (1 + tolerance)
    if new.loss > limit:
        return False
    if chosen is None or chosen.loss > limit:
        return True
    return (new.precision_bound, -new.loss) > (chosen.precision_bound, -chosen.loss)


def epoch_line(epoch: int, epochs: int, train: Score, validation: Score) -> str:
    """Return what is said after epoch number ``epoch``, counted from 1."""

    def part(name: str, zone: Score) -> str:
        found = zone.metrics()
        return f"{name} loss {zone.loss:.4f} acc {found['accuracy']:.3f} F1 {found['f1']:.2f}"

    return f"epoch {epoch}/{epochs}  {part('train', train)}  {part('val', validation)}"


def new_best_line(best: Best, precision: float) -> str:
    """Return what is said when an epoch's weights become the ones that are kept."""
    return f"new best: epoch {best.epoch}, val loss {best.loss:.4f}, precision {precision:.3f}"


_LOW_F1 = 0.3
_OVERFIT = 1.02


def advice(history: dict[str, list[float]], best_epoch: int) -> list[str]:
    """Return what to try next, judged by the epochs so far; ``best_epoch`` counts from 1."""
    lines: list[str] = []
    f1 = history["val_f1"][best_epoch - 1]
    if f1 < _LOW_F1:
        lines.append(
            f"validation F1 {f1:.2f} is below {_LOW_F1}: try model.d_model=256 with model.layers=4, or train.lr=0.0005"
        )
    train, validation = history["train_loss"], history["val_loss"]
    if validation[-1] > _OVERFIT * validation[best_epoch - 1] and train[-1] < train[best_epoch - 1]:
        lines.append(
            f"validation loss rose from {validation[best_epoch - 1]:.4f} to {validation[-1]:.4f} while training loss "
            "fell: overfitting; try model.dropout=0.2 and train.weight_decay=0.05"
        )
    return lines
