"""What is held without a trained agent: nothing."""

from typing import Any

import numpy as np
import numpy.typing as npt


def predict(windows: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Return the outputs of the family, one entry per raw window [n, time, feature]."""
    return {"allocation": np.zeros(len(windows), dtype=np.float32)}
