"""Option features of the quotes: volatilities by tenor, skew, carry, expected move, width of the quotes.

Sources: Cboe (2019), "Volatility Index Methodology" (the forward from put-call parity, interpolation in total
variance); Xing, Zhang and Zhao (2010), "What Does the Individual Option Volatility Smirk Tell Us About Future
Equity Returns?". Days count 365 to the year; expirations of today are left out.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs]

from components.market.black_scholes import implied_vol
from components.market.option_chain import CALL, PUT, Chain
from components.market.option_positioning import next_slice
from components.market.ragged import Codes, Flags, Floats, interpolated, median

DAYS_PER_YEAR: Final = 365.0
TENORS_DAYS: Final = (7, 30, 60, 90)
PARITY_BAND: Final = 0.10
"""Pairs whose strike is within this fraction of the spot say where the forward is."""
MAX_STRIKE_GAP: Final = 0.15
"""Strikes further apart, as a fraction of the forward, are not interpolated between."""
MAX_DELTA_GAP: Final = 0.25
_WING_DELTA, _WING = 0.25, 0.10


@dataclass(frozen=True)
class Surface:
    """What a chain's quotes say of each expiration."""

    years: Floats
    """[slice]; NaN on the day of expiration."""
    forward: Floats
    """[slice]"""
    carried: Floats
    """[slice]: the forward's value today, S e^(-qT): the spot without what is paid out before expiration."""
    has_parity: Flags
    """[slice]: the forward comes from put-call parity, not from the rate."""
    vol: Floats
    """[node, 2]: the vendor's implied volatility, solved from the mid where the vendor has none."""
    unsolved: Codes
    """[snapshot]: usable quotes at whose mid there is no implied volatility."""


def surface(chain: Chain, *, rate: Floats, dividend_yield: float) -> Surface:
    """Return forwards and volatilities; ``rate``, [snapshot], and the yield per year, continuously compounded."""
    years = np.where(chain.days > 0, chain.days / DAYS_PER_YEAR, np.nan)
    rates, spot = rate[chain.snapshot], chain.spot[chain.snapshot]
    mid = (chain.bid + chain.ask) / 2
    nearby = np.abs(chain.strike / spot[chain.slice] - 1) <= PARITY_BAND
    by_pair = chain.strike + np.exp(rates * years)[chain.slice] * (mid[:, CALL] - mid[:, PUT])
    parity = median(chain.slice, np.where(nearby & (by_pair > 0), by_pair, np.nan), len(years))
    has_parity = np.isfinite(parity)
    forward = np.where(has_parity, parity, spot * np.exp((rates - dividend_yield) * years))
    node_years, node_rate = years[chain.slice, None], rates[chain.slice, None]
    wanted = np.isfinite(mid) & np.isnan(chain.vol) & np.isfinite(node_years)
    carried = forward * np.exp(-rates * years)
    terms = (carried[chain.slice, None], chain.strike[:, None], node_years)  # a spot without yield, the same forward
    given = [np.broadcast_to(values, mid.shape)[wanted] for values in terms]
    calls = np.broadcast_to([True, False], mid.shape)[wanted]
    rate_there = np.broadcast_to(node_rate, mid.shape)[wanted]
    vol = chain.vol.copy()
    vol[wanted] = implied_vol(mid[wanted], *given, is_call=calls, rate=rate_there).vol
    failed = (wanted & np.isnan(vol)).sum(axis=1)
    unsolved = np.bincount(chain.snapshot[chain.slice], failed, minlength=len(chain.symbol)).astype(np.int64)
    return Surface(years, forward, carried, has_parity, vol, unsolved)


def volatilities(chain: Chain, quotes: Surface, realised_vol: Floats) -> dict[str, Floats]:
    """Return the features of quotes, each [snapshot]; ``realised_vol``, [snapshot], per year, known by that day."""
    smile = np.where(chain.strike < quotes.forward[chain.slice], quotes.vol[:, PUT], quotes.vol[:, CALL])
    at_money = _at_forward(chain, quotes)
    atm = {days: _at_tenor(chain, quotes, at_money, days) for days in TENORS_DAYS}
    call_wing, put_wing = (_at_delta(chain, quotes, smile, delta) for delta in (_WING_DELTA, 1 - _WING_DELTA))
    wings = {days: [_at_tenor(chain, quotes, wing, days) for wing in (call_wing, put_wing)] for days in (30, 90)}
    low, high = (
        _at_tenor(chain, quotes, _at_moneyness(chain, quotes, smile, place), 30) for place in (1 - _WING, 1 + _WING)
    )
    forward_variance = (90 * atm[90] ** 2 - 30 * atm[30] ** 2) / 60
    return {
        **{f"atm_vol_{days}d": values for days, values in atm.items()},
        "term_slope_7_30": atm[30] - atm[7],
        "term_slope_30_90": atm[90] - atm[30],
        "forward_vol_30_90": np.sqrt(np.where(forward_variance >= 0, forward_variance, np.nan)),
        "risk_reversal_25d": wings[30][0] - wings[30][1],
        "butterfly_25d": (wings[30][0] + wings[30][1]) / 2 - atm[30],
        "skew_90_110": low - high,
        "risk_reversal_25d_90d": wings[90][0] - wings[90][1],
        "implied_carry_30d": _carry(chain, quotes),
        "vol_premium": atm[30] - realised_vol,
        "variance_premium": atm[30] ** 2 - realised_vol**2,
        **_moves(chain, quotes),
        "median_spread": _spread(chain),
    }


def _at_forward(chain: Chain, quotes: Surface) -> Floats:
    """Return the volatility at the forward, [slice]: the mean of what calls and puts say, or the one there is."""
    sides = [_at_moneyness(chain, quotes, quotes.vol[:, side], 1.0) for side in (CALL, PUT)]
    either = np.where(np.isnan(sides[0]), sides[1], sides[0])
    return np.where(np.isnan(sides[1]), either, (either + sides[1]) / 2)


def _at_moneyness(chain: Chain, quotes: Surface, vol: Floats, place: float) -> Floats:
    moneyness = chain.strike / quotes.forward[chain.slice]
    return interpolated(chain.slice, moneyness, vol, place, len(chain.days), max_gap=MAX_STRIKE_GAP)


def _at_delta(chain: Chain, quotes: Surface, smile: Floats, delta: float) -> Floats:
    """Return the volatility, [slice], where a call's forward delta is ``delta``; a put's is that less 1."""
    deviation = smile * np.sqrt(quotes.years)[chain.slice]
    depth = np.log(quotes.forward[chain.slice] / chain.strike)
    known = deviation > 0
    d1 = np.where(known, depth / np.where(known, deviation, 1.0) + deviation / 2, np.nan)
    return interpolated(chain.slice, ndtr(d1), smile, delta, len(chain.days), max_gap=MAX_DELTA_GAP)


def _at_tenor(chain: Chain, quotes: Surface, vol: Floats, days: int) -> Floats:
    """Return a volatility per slice at one tenor, [snapshot]: total variance is straight between expirations."""
    years = days / DAYS_PER_YEAR
    num = len(chain.symbol)
    return np.sqrt(interpolated(chain.snapshot, quotes.years, vol**2 * quotes.years, years, num) / years)


def _carry(chain: Chain, quotes: Surface) -> Floats:
    years = 30 / DAYS_PER_YEAR
    growth = np.where(quotes.has_parity, np.log(quotes.forward / chain.spot[chain.snapshot]), np.nan)
    return interpolated(chain.snapshot, quotes.years, growth, years, len(chain.symbol)) / years


def _moves(chain: Chain, quotes: Surface) -> dict[str, Floats]:
    straddle = ((chain.bid + chain.ask) / 2).sum(axis=1)
    price = _at_moneyness(chain, quotes, straddle, 1.0) / chain.spot[chain.snapshot]
    years = 30 / DAYS_PER_YEAR
    squared = interpolated(chain.snapshot, quotes.years, price**2, years, len(chain.symbol))
    return {
        "expected_move_next": np.append(price, np.nan)[next_slice(chain)],
        "expected_move_30d": np.sqrt(squared),
    }


def _spread(chain: Chain) -> Floats:
    width = (chain.ask - chain.bid) / ((chain.ask + chain.bid) / 2)
    owner = np.repeat(chain.snapshot[chain.slice], 2)
    return median(owner, width.ravel(), len(chain.symbol))
