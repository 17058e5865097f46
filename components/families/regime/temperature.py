"""One temperature for all regimes, so that a probability is a frequency.

Source: Guo et al. (2017), "On Calibration of Modern Neural Networks".
"""

# pyright: reportUnknownArgumentType=false
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

COLDEST, HOTTEST = 0.25, 8.0
_STEPS = 60


def log_loss(scores: Floats, label: npt.NDArray[np.int64]) -> float:
    """Return the mean of -log P(label), in nats, of log-odds [row, class]."""
    top = scores.max(axis=1, keepdims=True)
    total = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    return float(np.mean(total - scores[np.arange(len(label)), label]))


def fit_temperature(scores: Floats, label: npt.NDArray[np.int64]) -> float:
    """Return the temperature, within [``COLDEST``, ``HOTTEST``], with the lowest log loss of ``scores`` / temperature.

    The log loss is convex in 1 / temperature, so a ternary search over that finds it.
    """
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(_STEPS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if log_loss(scores * left, label) <= log_loss(scores * right, label):
            high = right
        else:
            low = left
    return 2 / (low + high)
