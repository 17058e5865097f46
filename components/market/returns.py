"""Returns, volatility, drawdown and strength relative to a benchmark: the ten columns ``RETURNS``.

All windows count daily bars and end at the row's own bar, so they use nothing that came later.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.panel import bars_first, growth, symbols_first
from components.market.rolling import merged, rolling_max

Floats = npt.NDArray[np.float64]

BARS_PER_YEAR: Final = 252
"""Daily volatility times the square root of this is annual volatility."""

RETURN_BARS: Final = (1, 5, 21, 63)
SEVEN, MONTH, QUARTER = 7, 21, 63
"""Bars: volatility's windows are three times seven, and three months."""


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
    return symbols_first([*own_columns(closes), *strength_columns(closes, benchmarks)])


def strength_columns(close: Floats, benchmark: Floats) -> list[Floats]:
    """Return relative strength over a month and a quarter, each [bar, symbol], of closes [bar, symbol]."""
    return [growth(close, bars) - growth(benchmark, bars) for bars in (MONTH, QUARTER)]


def own_columns(close: Floats) -> list[Floats]:
    """Return the part of ``RETURNS`` that needs no benchmark, each [bar, symbol], of closes [bar, symbol]."""
    returns = [growth(close, bars) for bars in RETURN_BARS]
    seven = merged(returns[0], np.zeros_like(close), size=1, parts=SEVEN)
    month = merged(*seven, size=SEVEN, parts=MONTH // SEVEN)
    quarter = merged(*month, size=MONTH, parts=QUARTER // MONTH)
    return [
        *returns,
        np.sqrt(month[1] * (BARS_PER_YEAR / (MONTH - 1))),
        np.sqrt(quarter[1] * (BARS_PER_YEAR / (QUARTER - 1))),
        close / rolling_max(close, MONTH) - 1,
        close / rolling_max(close, QUARTER) - 1,
    ]
