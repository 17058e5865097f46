"""An account by target weights: what a head that names weights, signed or long-only, trades."""

import numpy as np

from components.core.errors import DataError
from components.trading.candles import Candles
from components.trading.engine import Account, trade
from components.trading.settings import TradingConfig
from components.trading.statistics import Array

_ROUNDING = 1e-9


def trade_weights(candles: Candles, weights: Array, config: TradingConfig) -> Account:
    """Return the account after trading ``weights`` [time, symbol], fractions of the initial capital.

    Negative ones are short; what they leave over is cash. A weight beyond ``max_position`` is cut to it. Rows are
    decided at the close; shares are traded when a weight changes, by the rules of ``engine.trade``.

    Raises:
        DataError: If a bar or a weight cannot be traded on, or a row's sizes add up to more than 1.
        ValueError: If the shapes do not fit.
    """
    gross = np.abs(weights).sum(axis=-1)
    beyond = np.flatnonzero(~(gross <= 1 + _ROUNDING))
    if beyond.size:
        raise DataError(
            f"the sizes add up to {gross[beyond[0]]:g} of the capital",
            file="weights", row=int(beyond[0]) + 1, remedy="Give finite weights whose sizes add up to at most 1",
        )  # fmt: skip
    limit = config.max_position
    return trade(candles, np.clip(weights, -limit, limit).T / limit, config)
