"""Prices without the jumps of splits and dividends, at a level that the future cannot move.

A vendor's ``adj_close`` is anchored at the newest bar: a dividend paid tomorrow rescales every
earlier row. Anchored at the first bar instead, the level at t is made of returns up to t only.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Candles(NamedTuple):
    """Candles of many symbols, each field [symbol, bar]; ``technical(*candles)`` takes them."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


def forward_adjusted(candles: Candles, adj_close: Floats) -> Candles:
    """Return the candles as traded, put at the level close[0] x the adjusted returns since bar 0.

    Open, high, low and close are scaled by one factor per bar and volume is divided by it, so the
    money traded in a bar stays as it was. Every symbol starts at bar 0; NaN after its end stays NaN.

    Raises:
        ValueError: If a symbol has no price at bar 0 or a price is not above 0.
    """
    close = candles.close
    if not (np.all(close[:, :1] > 0) and np.all(adj_close[:, :1] > 0)):
        raise ValueError("every symbol must start at bar 0 with a price above 0")
    if np.any(close <= 0) or np.any(adj_close <= 0):
        raise ValueError("prices must be above 0; read the bars with read_bars, which checks them")
    level = adj_close * (close[:, :1] / adj_close[:, :1])
    factor = level / close
    return Candles(candles.open * factor, candles.high * factor, candles.low * factor, level, candles.volume / factor)
