"""The moves of the next bars that quantiles are asked of, and the past volatility that makes them alike.

A move is a log return from the close of the decision, cumulated over the steps. Divided by past volatility and the root
of the step, the moves of a calm and of a wild stock have about one distribution.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.market.labels import ahead
from components.market.returns import BARS_PER_YEAR

Floats = npt.NDArray[np.float64]

MOVE_LABELLER: Final = "moves_v1"
"""The version of these rules; a change of the label or of the volatility is a new one."""

INPUTS: Final = ("return_1d", "vol_21d", "vol_63d")
"""Columns of the returns that labels are made of."""

MIN_VOLATILITY: Final = 1e-3
"""Daily: a stock that hardly moves, such as one about to be bought, must not make a small move look huge."""


def past_volatility(month: Any, quarter: Any) -> Any:
    """Return the volatility of one bar from those per year of month and quarter: their root mean square, floored.

    Of arrays or of torch tensors, of any shape.
    """
    return (((month * month + quarter * quarter) / 2 / BARS_PER_YEAR) + MIN_VOLATILITY**2) ** 0.5


def moves(returns: Floats, horizon: int) -> Floats:
    """Return the log returns [symbol, time, step] from each bar to the next 1 to ``horizon``, of one-bar returns.

    NaN from the first bar on that is missing.

    Raises:
        ValueError: If ``horizon`` is below 1.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be >= 1, was {horizon}: what is known already is no label")
    steps = [ahead(np.log1p(returns), step) for step in range(1, horizon + 1)]
    return np.cumsum(np.stack(steps, axis=-1), axis=-1)
