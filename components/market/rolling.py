"""Sums and maxima over the last bars, at the cost of three operations a bar whatever the window.

Bars are cut into blocks of one window's length. A window then is the end of one block and the start
of the next: a suffix of the one, which it contains whole, and a prefix of the other. No term is ever
subtracted again, so nothing drifts, a NaN spoils only the windows that hold it, and no value after
the window's last bar takes part (van Herk 1992; Gil and Werman 1993, for maxima).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-13  # a window's sum of squares carries a smaller relative error


def rolling_sum(values: Floats, window: int) -> Floats:
    """Return the sum of the last ``window`` rows of ``values`` [bar, ...]; NaN before there are as many."""
    return _rolling(values, window, np.add, 0.0)


def rolling_max(values: Floats, window: int) -> Floats:
    """Return the maximum of the last ``window`` rows of ``values`` [bar, ...]; NaN before there are as many."""
    return _rolling(values, window, np.maximum, -np.inf)


def centred_sum(first: Floats, second: Floats, window: int) -> Floats:
    """Return the sum of (x - mean x)(y - mean y) over the last ``window`` rows; NaN before there are as many.

    Meant for returns, whose mean is small beside their spread. Of x with itself, a sum that is rounding
    noise beside the squares is exactly 0: all rows were alike.
    """
    products = rolling_sum(first * second, window)
    total = rolling_sum(first, window)
    other = total if second is first else rolling_sum(second, window)
    result = products - total * other / window
    if second is first:
        result[result <= _ROUNDING * products] = 0.0
    return result


def merged(mean: Floats, square: Floats, *, size: int, parts: int) -> tuple[Floats, Floats]:
    """Return the mean and the sum of squared deviations of the last ``parts`` x ``size`` rows.

    ``mean`` and ``square`` are those of the last ``size`` rows: of one row, the row and 0. All is measured from the
    mean of the newest part, so no digit is lost where the level is large, and rows that are all alike have no
    deviation at all (Chan, Golub and LeVeque 1983). NaN before there are enough rows.
    """
    means, squares = np.full(mean.shape, np.nan), np.full(mean.shape, np.nan)
    reach = (parts - 1) * size
    if len(mean) <= reach:
        return means, squares
    newest = mean[reach:]
    shift, spread, total = np.zeros_like(newest), np.zeros_like(newest), square[reach:].copy()
    for part in range(1, parts):
        rows = slice(reach - part * size, len(mean) - part * size)
        difference = mean[rows] - newest
        shift += difference
        spread += difference * difference
        total += square[rows]
    shift *= 1 / parts
    means[reach:] = newest + shift
    squares[reach:] = total + size * (spread - parts * shift * shift)
    return means, squares


def _rolling(values: Floats, window: int, combine: np.ufunc, identity: float) -> Floats:
    result = np.full(values.shape, np.nan)
    bars = len(values)
    if bars < window:
        return result
    prefix = np.full((-(-bars // window) * window, *values.shape[1:]), identity)
    prefix[:bars] = values
    suffix = prefix.copy()
    prefixes, suffixes = (array.reshape(-1, window, *values.shape[1:]) for array in (prefix, suffix))
    for offset in range(1, window):
        combine(prefixes[:, offset], prefixes[:, offset - 1], out=prefixes[:, offset])
        combine(suffixes[:, -1 - offset], suffixes[:, -offset], out=suffixes[:, -1 - offset])
    tail = prefix[window - 1 : bars]
    tail[::window] = identity  # a window that is exactly one block is in the suffix already
    combine(suffix[: bars - window + 1], tail, out=result[window - 1 :])
    return result
