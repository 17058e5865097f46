"""Gamma exposure of dealers and the price at which it changes sign.

Sign convention, the market's usual guess (Baltussen, Da, Lammers and Martens 2021, "Hedging demand and market
intraday momentum"): customers sell calls and buy puts, so dealers are long the calls and short the puts.
Exposure is the value of stock that dealers trade against a move of 1 %: above 0 they sell rises and buy falls.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from dataclasses import dataclass
from typing import Final

import numpy as np

from components.market.option_chain import CALL, Chain
from components.market.option_positioning import NEAR_DAYS
from components.market.option_surface import Surface
from components.market.ragged import Codes, Floats, ratio, total

SHARES_PER_CONTRACT: Final = 100.0
SEARCH: Final = np.linspace(0.70, 1.30, 31)
"""Prices, as parts of the spot, between which zero gamma is looked for."""
_HALVINGS, _ROUNDING = 8, 1e-12
_SQRT_TAU = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True)
class _Position:
    """Open contracts with a volatility and time left, one entry each."""

    snapshot: Codes
    d1: Floats
    deviation: Floats
    """vol x sqrt(years)"""
    scale: Floats
    """Signed currency per 1 % move when the density at d1 is 1, at the spot of today."""


def gamma_exposure(chain: Chain, quotes: Surface) -> dict[str, Floats]:
    """Return the features of dealer gamma, each [snapshot]; NaN where no contract has interest and volatility."""
    num = len(chain.symbol)
    position, days = _position(chain, quotes)
    here = position.scale * _density(position.d1)
    near = days <= NEAR_DAYS
    net, gross = total(position.snapshot, here, num), total(position.snapshot, np.abs(here), num)
    flip = _zero(position, num)
    return {
        "gamma_exposure": net,
        "gamma_exposure_near": total(position.snapshot[near], here[near], num),
        "gamma_exposure_balance": ratio(net, gross),
        "zero_gamma": flip * chain.spot,
        "zero_gamma_distance": flip - 1,
    }


def _position(chain: Chain, quotes: Surface) -> tuple[_Position, Codes]:
    """Return the open contracts and their days to expiration."""
    deviation = quotes.vol * np.sqrt(quotes.years)[chain.slice, None]
    node, side = np.nonzero((deviation > 0) & (chain.open_interest > 0))
    at = chain.slice[node]
    spread = deviation[node, side]
    d1 = np.log(quotes.forward[at] / chain.strike[node]) / spread + spread / 2
    sign = np.where(side == CALL, 1.0, -1.0)
    money = chain.open_interest[node, side] * SHARES_PER_CONTRACT * quotes.carried[at] * 0.01
    scale = sign * money / spread  # gamma x S^2 is S e^(-qT) x density(d1) / deviation
    return _Position(chain.snapshot[at], d1, spread, scale), chain.days[at]


def _density(d1: Floats) -> Floats:
    return np.exp(-np.square(d1) / 2) / _SQRT_TAU


def _exposure(position: _Position, place: Floats, num: int) -> Floats:
    """Return the exposure, [snapshot], if the price were ``place`` of today's spot."""
    shift = np.log(place)[position.snapshot] / position.deviation
    here = position.scale * _density(position.d1 + shift)
    return place * np.bincount(position.snapshot, here, minlength=num)


def _zero(position: _Position, num: int) -> Floats:
    """Return the part of the spot nearest to 1 at which the exposure changes sign, NaN where it does not."""
    levels = np.stack([_exposure(position, np.full(num, place), num) for place in SEARCH], axis=1)
    # Far from every strike the exposure is rounding: a change of its sign there is no level of the market.
    sign = np.where(np.abs(levels) > _ROUNDING * np.abs(levels).max(axis=1, keepdims=True), np.sign(levels), 0.0)
    turns = sign[:, 1:] * sign[:, :-1] < 0
    distance = np.where(turns, np.abs((SEARCH[1:] + SEARCH[:-1]) / 2 - 1), np.inf)
    step = np.argmin(distance, axis=1)
    low, high = SEARCH[step], SEARCH[step + 1]
    at_low = np.take_along_axis(levels, step[:, None], axis=1)[:, 0]
    at_high = np.take_along_axis(levels, step[:, None] + 1, axis=1)[:, 0]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = _exposure(position, middle, num)
        left = (found >= 0) != (at_low >= 0)
        low, at_low = np.where(left, low, middle), np.where(left, at_low, found)
        high, at_high = np.where(left, middle, high), np.where(left, found, at_high)
    climb = at_high - at_low
    zero = low - at_low * (high - low) / np.where(climb == 0, 1.0, climb)
    return np.where(turns.any(axis=1), zero, np.nan)
