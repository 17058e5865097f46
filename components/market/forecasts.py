"""A statistical forecast of returns: drift and volatility of the past, carried on as if bars were independent.

Source: J.P. Morgan and Reuters (1996), "RiskMetrics Technical Document", for the volatility: squared returns about
zero, weighted by 0.94 to the power of their age. The variance of a product of independent factors is Goodman's
(1960), "On the Exact Variance of Products".
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.columns import FORECAST_STEPS
from components.market.indicators import smoothed
from components.market.panel import bars_first, growth, symbols_first
from components.market.returns import MONTH, QUARTER

Floats = npt.NDArray[np.float64]

DECAY: Final = 0.94
"""Of the weight of a squared return from bar to bar."""
HORIZON: Final = len(FORECAST_STEPS)


def forecasts(close: Floats, *, horizon: int = HORIZON) -> Floats:
    """Return the features ``FORECASTS``, [symbol, bar, 2 x horizon], of adjusted closes [symbol, bar].

    First the mean of the simple return from the row's bar over the next 1, 2, ... ``horizon`` bars, then its
    standard deviation, all fractions and known with the row's bar. Drift is the exponential average of one-bar
    returns with a span of 63. NaN until there are as many, and where an input is.

    Raises:
        ValueError: If ``close`` is not [symbol, bar], or ``horizon`` is below 1.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be >= 1, was {horizon}")
    (closes,) = bars_first(close)
    returns = growth(closes)
    step = 1 + smoothed(returns, first=1, period=QUARTER, weight=2 / (QUARTER + 1))
    variance = smoothed(returns * returns, first=1, period=MONTH, weight=1 - DECAY)
    square = step * step + variance
    mean, spread = step, np.where(np.isnan(step), np.nan, variance)
    means, stds = [mean - 1], [np.sqrt(spread)]
    for _ in range(1, horizon):
        mean, spread = mean * step, spread * square + mean * mean * variance
        means.append(mean - 1)
        stds.append(np.sqrt(spread))
    return symbols_first([*means, *stds])
