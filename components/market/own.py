"""The columns ``OWN``: what a symbol's own candles say, for whole histories or bar by bar as they come.

Two engines give the same bits: the numpy definition, and a kernel that numba compiles (the extra
``fast``). Loading the kernel takes half a second, compiling it the first time some seconds more, so it is
used where a panel is large enough to win that back, and for everything once it is loaded.
"""

import functools
import logging
from importlib.util import find_spec
from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt

from components.market import own_numpy
from components.market.averages import WARM_BARS, IndicatorState, begin
from components.market.columns import OWN

__all__ = ["IndicatorState", "append", "begin", "kernel", "own_features"]

Floats = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

KERNEL_PAYS_ROWS: Final = 2_000_000
"""Symbols x bars from which on loading the kernel takes less time than numpy loses."""


def own_features(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return the columns ``OWN``, [symbol, column, bar], of candles [symbol, bar].

    Every symbol starts at bar 0 and has no gaps; the end of a shorter one is padded with NaN, which stays NaN.
    Row t is made from bars up to t only, and is NaN until the column's warm-up is over.

    Raises:
        ValueError: If the arrays are not all of one shape [symbol, bar].
    """
    candles = _checked(high, low, close)
    engine = _engine(close.size)
    if engine is own_numpy:
        return own_numpy.whole(*candles)
    return _advanced(engine, begin(len(close)), candles)[0]


def append(state: IndicatorState, high: Floats, low: Floats, close: Floats) -> tuple[Floats, IndicatorState]:
    """Return the columns of the new bars, [symbol, column, bar], and the state after them; ``state`` stays as it is.

    The bits are those of the whole history computed at once, at a cost in proportion to the new bars. The new bars
    of a symbol start at column 0; where it has fewer than others, or none, the rest is NaN.

    Raises:
        ValueError: If the arrays are not all of one shape [symbol, bar], with the symbols of the state.
    """
    candles = _checked(high, low, close)
    if len(close) != len(state.bars):
        raise ValueError(f"the state knows {len(state.bars)} symbols, the candles are of {len(close)}")
    return _advanced(_engine(close.size), state, candles)


def _checked(*arrays: Floats) -> list[Floats]:
    candles = [np.ascontiguousarray(values, dtype=np.float64) for values in arrays]
    if candles[0].ndim != 2 or len({values.shape for values in candles}) != 1:  # noqa: PLR2004
        raise ValueError(f"want three arrays [symbol, bar] of one shape, got {[values.shape for values in candles]}")
    return candles


def _advanced(engine: ModuleType, state: IndicatorState, candles: list[Floats]) -> tuple[Floats, IndicatorState]:
    after = IndicatorState(state.before.copy(), state.averages.copy(), state.bars.copy())
    num_symbols, num_bars = candles[0].shape
    out = np.empty((num_symbols, len(OWN), num_bars))
    engine.advance(*candles, after, out)
    return out, after


def _engine(rows: int) -> ModuleType:
    if rows < KERNEL_PAYS_ROWS and not kernel.cache_info().currsize:
        return own_numpy
    return kernel() or own_numpy


@functools.cache
def kernel() -> ModuleType | None:
    """Return the compiled kernel, or None, and the log says why, where there is none that can be trusted.

    numba does not see that a kernel in its cache was compiled with constants that changed since; so it computes
    a small panel first, and what differs from the definition in one bit is not used.
    """
    if find_spec("numba") is None:
        log.info("numba is not installed: numpy computes the indicators")
        return None
    from components.market import own_numba  # noqa: PLC0415 - half a second, and only where it is worth it

    close = np.exp(np.sin(np.outer(np.arange(1.0, 4.0), np.arange(2.0 * WARM_BARS))))
    candles = [1.01 * close, 0.98 * close, close]
    computed = _advanced(own_numba, begin(len(close)), candles)[0]
    if not np.array_equal(computed.view(np.int64), own_numpy.whole(*candles).view(np.int64)):
        log.warning("the compiled indicators differ from the definition: numpy computes them. Empty numba's cache")
        return None
    return own_numba
