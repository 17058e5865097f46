"""What an epoch's validation is worth: the numbers that the history records."""

import numpy as np
import numpy.typing as npt

from components.market.columns import QUANTILE_LEVELS

Floats = npt.NDArray[np.float64]

MEDIAN = QUANTILE_LEVELS.index(0.5)


def metrics(said: Floats, came: Floats) -> dict[str, float]:
    """Return quantile loss, the median's absolute error and hit rate, and how far coverage is from the levels.

    ``said`` [row, step, level] and ``came`` [row, step] are standard moves. The median hits where it has the sign of
    what came, at the last step.
    """
    levels = np.array(QUANTILE_LEVELS)
    error = came[..., None] - said
    median = said[..., MEDIAN]
    below = (came[..., None] <= said).mean(axis=(0, 1))
    return {
        "loss": float(np.maximum(levels * error, (levels - 1) * error).mean()),
        "mae": float(np.abs(came - median).mean()),
        "hit_rate": float((np.sign(median[:, -1]) == np.sign(came[:, -1])).mean()),
        "calibration_error": float(np.abs(below - levels).mean()),
    }
