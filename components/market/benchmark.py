"""What the market did, at every bar of every symbol: a fund where there is one, else the symbols' own average."""

import numpy as np
import numpy.typing as npt

from components.market.asof import Times, as_of
from components.market.panel import bars_first, growth

Floats = npt.NDArray[np.float64]

MAX_AGE = np.timedelta64(5, "D")
"""How long the benchmark's last close stands in for a bar that it has not."""


def benchmark_at(known_at: Times, close: Floats, bars: Times) -> Floats:
    """Return the benchmark's newest close, at most five days old, at each of ``bars`` [symbol, bar]; else NaN."""
    return as_of(known_at, close, bars, max_age=MAX_AGE)


def market_index(close: Floats, known_at: Times) -> tuple[Times, Floats]:
    """Return the times and levels of an index that holds all symbols in equal parts, rebalanced at each bar.

    ``close`` and ``known_at`` are [symbol, bar], with NaN and NaT after a symbol's end. It starts at 1 and
    moves by the mean one-bar return of the symbols with a bar at that time; a symbol's first bar has none.
    """
    (closes,) = bars_first(close)
    present = ~np.isnat(known_at)
    times, slot = np.unique(known_at[present], return_inverse=True)
    moves = growth(closes).T[present]
    moved = ~np.isnan(moves)
    total: Floats = np.bincount(slot[moved], weights=moves[moved], minlength=len(times)).astype(np.float64)
    count = np.bincount(slot[moved], minlength=len(times))
    level: Floats = np.cumprod(1 + total / np.maximum(count, 1), dtype=np.float64)
    return times, level
