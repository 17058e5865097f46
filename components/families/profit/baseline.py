"""What is said without a trained model: hold nothing, and expect what the statistical forecast expects."""

from typing import Any

import numpy as np
import numpy.typing as npt

from components.families.profit import COLUMNS

_NEXT = COLUMNS.index("forecast_mean_1d")


def predict(windows: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Return the outputs of the family, one entry per raw window [n, time, feature]."""
    return {"allocation": np.zeros(len(windows), dtype=np.float32), "expected_return": windows[:, -1, _NEXT].copy()}
