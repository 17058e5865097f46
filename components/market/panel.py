"""How the features walk through a panel: symbols x bars outside, bars x symbols inside.

Every symbol starts at bar 0 and has no gaps; the end of a shorter one is padded with NaN. With
bars first, one operation treats all symbols at a bar, and memory is walked through in order.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TILE_SYMBOLS = 8  # one cache line of a bar, and few enough to stay in the cache for all columns


def bars_first(*panels: Floats) -> tuple[Floats, ...]:
    """Return the panels [symbol, bar] as contiguous [bar, symbol].

    Raises:
        ValueError: If they are not all of one shape [symbol, bar].
    """
    arrays = [np.asarray(panel, dtype=np.float64) for panel in panels]
    if arrays[0].ndim != 2 or len({array.shape for array in arrays}) != 1:  # noqa: PLR2004
        shapes = [array.shape for array in arrays]
        raise ValueError(f"want {len(arrays)} arrays [symbol, bar] of one shape, got {shapes}")
    return tuple(np.ascontiguousarray(array.T) for array in arrays)


def symbols_first(columns: Sequence[Floats]) -> Floats:
    """Return the columns [bar, symbol] as one array [symbol, bar, column]."""
    bars, symbols = columns[0].shape
    result = np.empty((symbols, bars, len(columns)))
    for first in range(0, symbols, _TILE_SYMBOLS):
        tile = slice(first, first + _TILE_SYMBOLS)
        for place, values in enumerate(columns):
            result[tile, :, place] = values[:, tile].T
    return result


def earlier(values: Floats, bars: int) -> Floats:
    """Return ``values`` [bar, symbol] as they were ``bars`` before; NaN where there was no bar yet."""
    result = np.full(values.shape, np.nan)
    result[bars:] = values[: max(len(values) - bars, 0)]
    return result


def growth(values: Floats, bars: int = 1) -> Floats:
    """Return the simple return over ``bars``, a fraction; NaN where there was no bar yet."""
    return values / earlier(values, bars) - 1
