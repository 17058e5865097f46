"""What is said without a model: a rise is as likely as a fall, and that is no reason to buy."""

from typing import Any

import numpy as np
import numpy.typing as npt


def predict(windows: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Return the outputs of the family, one entry per window [n, time, feature]."""
    return {
        "probability": np.full(len(windows), 0.5, dtype=np.float32),
        "signal": np.zeros(len(windows), dtype=np.bool_),
    }
