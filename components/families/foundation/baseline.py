"""What is said without a trained model: normal quantiles of the past volatility, around no move."""

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from components.market.columns import FORECAST_STEPS, FOUNDATION, QUANTILE_LEVELS
from components.market.moves import past_volatility


def predict(windows: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Return the outputs of the family, one entry per raw window [n, time, feature]; NaN without a volatility."""
    last = windows[:, -1].astype(np.float64)
    month, quarter = (last[:, FOUNDATION.index(name)] for name in ("vol_21d", "vol_63d"))
    sizes = past_volatility(month, quarter)[:, None] * np.sqrt(FORECAST_STEPS)
    deviations = np.array([NormalDist().inv_cdf(level) for level in QUANTILE_LEVELS])
    return {"quantile": (sizes[..., None] * deviations).astype(np.float32)}
