"""Slow traits of a symbol: beta, Hurst exponent and liquidity regime.

Sources: Mandelbrot and Van Ness (1968), "Fractional Brownian motions, fractional noises and applications"
(how the variance of increments scales with Hurst's exponent); Amihud (2002), "Illiquidity and stock returns".
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.panel import bars_first, earlier, growth
from components.market.rolling import centred_sum, rolling_sum

Floats = npt.NDArray[np.float64]

BETA_BARS: Final = 252
HURST_BARS: Final = 126
HURST_LAGS: Final = tuple(range(2, 33))
ILLIQUIDITY_BARS: Final = 21
REGIME_BARS: Final = 252

LOW, NORMAL, HIGH = 0.0, 1.0, 2.0
"""The liquidity regimes."""

_TILE_SYMBOLS = 8  # a few thousand bars of so many symbols stay in the cache while they are ranked


def characteristics(close: Floats, volume: Floats, benchmark: Floats) -> Floats:
    """Return the features ``CHARACTERISTICS``, [symbol, bar, 3], of adjusted daily bars [symbol, bar].

    ``benchmark`` is the benchmark's adjusted close as of each bar. NaN until a feature's window is full,
    and where its value does not exist.

    Raises:
        ValueError: If the arrays are not of one shape [symbol, bar].
    """
    columns = [beta(close, benchmark), hurst_exponent(close), liquidity_regime(close, volume)]
    return np.stack(columns, axis=-1)


def beta(close: Floats, benchmark: Floats) -> Floats:
    """Return the slope of the last 252 one-bar returns on the benchmark's, [symbol, bar].

    NaN until there are as many, and where the benchmark did not move.

    Raises:
        ValueError: If the arrays are not of one shape [symbol, bar].
    """
    own, market = (growth(values) for values in bars_first(close, benchmark))
    shared = centred_sum(own, market, BETA_BARS)
    square = centred_sum(market, market, BETA_BARS)
    return np.ascontiguousarray((shared / np.where(square > 0, square, np.nan)).T)


def hurst_exponent(close: Floats, window: int = HURST_BARS) -> Floats:
    """Return the Hurst exponent of the last ``window`` log closes, [symbol, bar].

    Half the least-squares slope of the log variance of x[t] - x[t - lag] on the log lag, lags 2 to 32:
    0.5 for a random walk, above it where moves persist, below it where they revert. The few, overlapping
    differences of long lags pull it down in short windows: see the test for how a random walk reads in 126
    bars. NaN until the window is full, and where the price did not move or moved along a straight line.

    Raises:
        ValueError: If ``close`` is not [symbol, bar].
    """
    (closes,) = bars_first(close)
    prices = np.log(closes)
    log_lags = np.log(HURST_LAGS)
    weights = (log_lags - log_lags.mean()) / np.square(log_lags - log_lags.mean()).sum()
    slope = np.zeros(prices.shape)
    for lag, weight in zip(HURST_LAGS, weights, strict=True):
        moves, count = prices - earlier(prices, lag), window - lag
        square = centred_sum(moves, moves, count)
        slope += weight * np.log(np.where(square > 0, square / count, np.nan))
    return np.ascontiguousarray(slope.T / 2)


def liquidity_regime(close: Floats, volume: Floats) -> Floats:
    """Return ``LOW``, ``NORMAL`` or ``HIGH`` liquidity, [symbol, bar].

    Illiquidity is Amihud's: the mean of |return| per unit of money traded over those of the last 21 bars
    that traded; without any it is infinite. It is ranked among its own values at the 252 bars before:
    liquidity is low in the top third of illiquidity and high in the bottom third. Ties count half, so a price
    that never moves is normal. NaN until there are 252 values to rank among.

    Raises:
        ValueError: If the arrays are not of one shape [symbol, bar].
    """
    closes, volumes = bars_first(close, volume)
    illiquidity = np.ascontiguousarray(_illiquidity(closes, closes * volumes).T)
    rank = np.zeros(illiquidity.shape, dtype=np.int16)  # twice the number of values below, ties once
    for first in range(0, len(rank), _TILE_SYMBOLS):
        tile = slice(first, first + _TILE_SYMBOLS)
        for bars in range(1, REGIME_BARS + 1):
            before, now = illiquidity[tile, :-bars], illiquidity[tile, bars:]
            rank[tile, bars:] += before < now
            rank[tile, bars:] += before <= now
    third = 2 * REGIME_BARS // 3
    regime = np.where(rank > 2 * third, LOW, np.where(rank < third, HIGH, NORMAL))
    past = np.full(illiquidity.shape, np.nan)
    past[:, REGIME_BARS:] = illiquidity[:, :-REGIME_BARS]
    return np.where(np.isnan(illiquidity) | np.isnan(past), np.nan, regime)


def _illiquidity(close: Floats, money: Floats) -> Floats:
    per_money = np.divide(1.0, money, out=np.zeros(money.shape), where=money != 0)
    total = rolling_sum(np.abs(growth(close)) * per_money, ILLIQUIDITY_BARS)
    count = rolling_sum((money > 0).astype(np.float64), ILLIQUIDITY_BARS)
    without = np.where(np.isnan(total), np.nan, np.inf)
    return np.divide(total, count, out=without, where=count > 0)
