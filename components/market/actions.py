"""Buy, hold or sell: the move that follows, in units of what the price usually moves.

    z[t] = (close[t + h] / close[t] - 1) / (v[t] sqrt(h)),    v[t]: standard deviation of the last ``VOL_BARS`` moves

A move of more than ``DEAD_BAND`` up is a buy, of more down a sell, and less is a hold. Of normal moves each is then a
third. ``v`` knows bars up to t alone; what a decision is judged by looks ahead on purpose.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.columns import ACTIONS
from components.market.rolling import centred_sum

Floats = npt.NDArray[np.float64]

ACTION_LABELLER: Final = "action_v1"
VOL_BARS: Final = 63
"""Bars of past moves, a quarter: from a month alone, a model could learn the error of its volatility."""
DEAD_BAND: Final = 0.43
"""Volatilities; a normal number lies within it in a third of the cases."""
BUY, HOLD, SELL = (float(ACTIONS.index(name)) for name in ("buy", "hold", "sell"))


def past_volatility(close: Floats) -> Floats:
    """Return the standard deviation of the last ``VOL_BARS`` simple returns at each bar of [symbol, bar].

    NaN where one of them is missing, and where the price did not move at all.
    """
    moves = np.full(close.shape, np.nan)
    moves[:, 1:] = close[:, 1:] / close[:, :-1] - 1
    variance = centred_sum(moves.T, moves.T, VOL_BARS).T / (VOL_BARS - 1)
    return np.sqrt(np.where(variance > 0, variance, np.nan))


def scaled_moves(close: Floats, horizon: int) -> Floats:
    """Return z [symbol, bar]: the move of the next ``horizon`` bars, in past volatilities; NaN where unknown.

    Raises:
        ValueError: If ``horizon`` is below 1.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be >= 1, was {horizon}: what is known already is no label")
    moves = np.full(close.shape, np.nan)
    moves[:, :-horizon] = close[:, horizon:] / close[:, :-horizon] - 1
    return moves / (past_volatility(close) * np.sqrt(horizon))


def action_codes(moves: Floats) -> Floats:
    """Return the code in ``ACTIONS`` of each scaled move; NaN for NaN."""
    codes = np.where(moves > DEAD_BAND, BUY, np.where(moves < -DEAD_BAND, SELL, HOLD))
    return np.where(np.isnan(moves), np.nan, codes)


def actions(close: Floats, horizon: int) -> tuple[Floats, Floats, Floats]:
    """Return label, class now and z, each [symbol, bar], of closes [symbol, bar].

    The class now is that of the newest move of ``horizon`` bars that is over: at t it is known.
    """
    moves = scaled_moves(close, horizon)
    codes = action_codes(moves)
    now = np.full(codes.shape, np.nan)
    now[:, horizon:] = codes[:, :-horizon]
    return codes, now, moves
