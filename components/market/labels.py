"""What a decision after bar t is judged by. Labels look ahead on purpose; features never do."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def next_direction(close: Floats) -> Floats:
    """Return 1.0 where the next bar of [symbol, bar] closes higher and 0.0 where it does not.

    NaN where either bar is missing, so on a calendar grid a gap gives no label, nor does the last
    bar. With windows of 64 this is the 65th candle.
    """
    label = np.full(close.shape, np.nan)
    now, then = close[:, :-1], close[:, 1:]
    label[:, :-1] = np.where(np.isnan(now) | np.isnan(then), np.nan, then > now)
    return label


def next_open_return(open: Floats) -> Floats:  # noqa: A002
    """Return what a decision after bar t earns, a fraction: bought at the open of t + 1, sold at that of t + 2.

    NaN where either open is missing, and for the last two bars of [symbol, bar].
    """
    earned = np.full(open.shape, np.nan)
    earned[:, :-2] = open[:, 2:] / open[:, 1:-1] - 1
    return earned


def ahead(values: Floats, horizon: int) -> Floats:
    """Return what ``values`` [row, time] will be ``horizon`` times later; NaN where there is no such time yet.

    Raises:
        ValueError: If ``horizon`` is below 1.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be >= 1, was {horizon}: what is known already is no label")
    later = np.full(values.shape, np.nan)
    later[:, :-horizon] = values[:, horizon:]
    return later
