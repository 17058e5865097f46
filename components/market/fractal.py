"""How rough a price path is: Higuchi's fractal dimension over the last bars.

Source: Higuchi (1988), "Approach to an irregular time series on the basis of the fractal theory".
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.panel import bars_first, earlier
from components.market.rolling import rolling_sum

Floats = npt.NDArray[np.float64]

WINDOW: Final = 126
STEPS: Final = tuple(range(1, 9))


def fractal_dimension(close: Floats, window: int = WINDOW) -> Floats:
    """Return Higuchi's dimension of the last ``window`` log closes, [symbol, bar].

    1 for a straight line, 1.5 for a random walk, 2 for noise about a level: minus the slope of the log
    length of the curve on the log step, steps 1 to 8. NaN until there are ``window`` bars, and where the
    price did not move.

    Raises:
        ValueError: If ``close`` is not [symbol, bar].
    """
    (closes,) = bars_first(close)
    prices = np.log(closes)
    log_steps = np.log(STEPS)
    weights = (log_steps - log_steps.mean()) / np.square(log_steps - log_steps.mean()).sum()
    slope = np.zeros(prices.shape)
    for step, weight in zip(STEPS, weights, strict=True):
        length = _curve_length(prices, step, window)
        slope += weight * np.log(np.where(length > 0, length, np.nan))
    return np.ascontiguousarray(-slope.T)


def _curve_length(prices: Floats, step: int, window: int) -> Floats:
    """Return the mean length, over the ``step`` possible starts, of the curve drawn through every ``step``-th price."""
    moves = np.abs(prices - earlier(prices, step))
    total = np.zeros(prices.shape)
    for start in range(step):
        count = (window - 1 - start) // step
        last = window - 1 - start - count * step  # bars between the curve's last point and the window's
        total += earlier(_strided_sum(moves, step, count), last) * ((window - 1) / (count * step))
    return total / step**2


def _strided_sum(values: Floats, step: int, count: int) -> Floats:
    """Return the sum of ``count`` rows, each ``step`` rows before the next, that ends at each row."""
    padded = np.full((-(-len(values) // step) * step, *values.shape[1:]), np.nan)
    padded[: len(values)] = values
    return rolling_sum(padded.reshape(-1, step, *values.shape[1:]), count).reshape(padded.shape)[: len(values)]
