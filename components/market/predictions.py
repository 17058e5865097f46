"""What every family says about the next bar: the one table that the judge and the backtest read."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Predictions:
    """One row per symbol and decision time, sorted by time, then symbol; all arrays have one length."""

    symbols: tuple[str, ...]
    """Names, by code."""
    symbol: npt.NDArray[np.int64]
    """Code of the symbol of each row: its place in ``symbols``."""
    timestamp: npt.NDArray[np.datetime64]
    """Start of the bar that the decision is made after, datetime64[us], UTC."""
    probability: npt.NDArray[np.float64]
    """P(the next close is higher), calibrated, in [0, 1]."""
    label: npt.NDArray[np.float64]
    """1.0 if the next close was higher, 0.0 if not."""
    forward_return: npt.NDArray[np.float64]
    """Next open to the open after it, a fraction; NaN where unknown."""
    threshold: float
    """Go long where ``probability >= threshold``."""
