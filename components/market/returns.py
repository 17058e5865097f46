"""Returns, volatility, drawdown and strength relative to a benchmark: the ten columns ``RETURNS``.

All windows count daily bars and end at the row's own bar, so they use nothing that came later.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.panel import bars_first, growth, symbols_first
from components.market.rolling import centred_sum, rolling_max

Floats = npt.NDArray[np.float64]

BARS_PER_YEAR: Final = 252
"""Daily volatility times the square root of this is annual volatility."""

_RETURNS = (1, 5, 21, 63)
_MONTH_AND_QUARTER = (21, 63)


def return_features(close: Floats, benchmark: Floats) -> Floats:
    """Return the features ``RETURNS``, [symbol, bar, 10], of adjusted daily closes [symbol, bar].

    ``benchmark`` [symbol, bar] is the benchmark's adjusted close as of each bar (``as_of``). All are
    fractions: simple returns; volatility, the sample standard deviation of one-bar returns, per year
    (x sqrt(252)); drawdown from the highest close of the window, its own bar included, so <= 0; relative
    strength, the return less the benchmark's. NaN until the window is full, and where an input is.

    Raises:
        ValueError: If the arrays are not of one shape [symbol, bar].
    """
    closes, benchmarks = bars_first(close, benchmark)
    returns = {bars: growth(closes, bars) for bars in _RETURNS}
    volatility = [
        np.sqrt(centred_sum(returns[1], returns[1], bars) * BARS_PER_YEAR / (bars - 1)) for bars in _MONTH_AND_QUARTER
    ]
    drawdown = [closes / rolling_max(closes, bars) - 1 for bars in _MONTH_AND_QUARTER]
    strength = [returns[bars] - growth(benchmarks, bars) for bars in _MONTH_AND_QUARTER]
    return symbols_first([*returns.values(), *volatility, *drawdown, *strength])
