"""What an epoch's validation is worth: the numbers that the history records."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.families.hybrid.config import LossWeights
from components.market.columns import ACTIONS
from components.trading.profit import ProfitTracker

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Said:
    """What a network said of the windows of a zone."""

    chance: Floats
    """[sample, class]"""
    move: Floats
    """[sample]: in past volatilities."""


def log_loss(chance: Floats, label: Codes) -> float:
    """Return the mean of -log P(label), in nats."""
    tiny = np.finfo(np.float64).tiny
    return float(-np.log(np.maximum(chance[np.arange(len(label)), label], tiny)).mean())


def shares_of_each(said: Codes, label: Codes) -> dict[str, float]:
    """Return accuracy, and precision, recall and F1 as means over the classes; 0 for one not said or come."""
    right, told, came = (
        np.array([np.sum(flags) for flags in kind], dtype=np.float64)
        for kind in zip(
            *(((said == code) & (label == code), said == code, label == code) for code in range(len(ACTIONS))),
            strict=True,
        )
    )
    precision, recall = right / np.maximum(told, 1), right / np.maximum(came, 1)
    f1 = 2 * right / np.maximum(told + came, 1)
    return {
        "accuracy": float(np.mean(said == label)),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1_score": float(f1.mean()),
    }


def metrics(said: Said, label: Codes, move: Floats, weights: LossWeights, profit: ProfitTracker) -> dict[str, float]:
    """Return the loss of validation and ``config.METRICS``.

    The Sharpe ratio, per year and after costs, is that of a book that holds a symbol where buy is the likeliest; a
    book that does nothing has 0.
    """
    action, error = said.chance.argmax(axis=1), said.move - move
    mse = float(np.mean(error**2))
    sharpe = profit.track((action == ACTIONS.index("buy")).astype(np.float64)).sharpe_ratio
    return {
        "loss": weights.classification * log_loss(said.chance, label) + weights.regression * mse,
        **shares_of_each(action, label),
        "mse": mse,
        "mae": float(np.mean(np.abs(error))),
        "sharpe_ratio": 0.0 if math.isnan(sharpe) else sharpe,
    }
