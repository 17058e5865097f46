"""Values, sensitivities and implied volatilities of European options, for arrays that broadcast together.

Sources: Black and Scholes (1973), "The Pricing of Options and Corporate Liabilities"; Merton (1973), "Theory of
Rational Option Pricing" (the dividend yield); Manaster and Koehler (1982), "The Calculation of Implied Variances"
(Newton's start at the inflection point, from which it cannot overshoot).

Units: ``years`` to expiration; ``vol``, ``rate`` and ``dividend_yield`` per year as fractions, the last two
continuously compounded; prices in the currency of ``spot``. Inputs that mean nothing give NaN.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs]

Floats = npt.NDArray[np.float64]
Numbers = Floats | float
Flags = npt.NDArray[np.bool_] | bool

SOLVED, NOT_A_NUMBER, NO_TIME, BELOW_INTRINSIC, ABOVE_BOUND = range(5)
REASONS: Final = ("", "an input is not a usable number", "no time is left", "no time value", "above any volatility")
"""Why there is no implied volatility, by code."""

_TALLEST = 40.0  # vol x sqrt(years): beyond it a price equals its upper bound in float64
_NOTHING = 1e-30  # of the money amounts: prices below it are not solved
_ROUNDING = 8 * np.finfo(np.float64).eps
_MAX_STEPS = 100
_SQRT_TAU = float(np.sqrt(2 * np.pi))


class Greeks(NamedTuple):
    """The value of an option and its derivatives, each in the broadcast shape."""

    value: Floats
    delta: Floats
    """Per 1 of spot."""
    gamma: Floats
    """Change of delta per 1 of spot."""
    vega: Floats
    """Per 1.00 of volatility; a vendor's vega per percentage point is a hundredth of it."""
    theta: Floats
    """Per year that passes; a vendor's theta per day is 1 / 365 of it."""


class ImpliedVol(NamedTuple):
    """Solved volatilities, NaN where there is none, and why: an index into ``REASONS``, 0 where solved."""

    vol: Floats
    reason: npt.NDArray[np.uint8]


class _Terms(NamedTuple):
    usable: npt.NDArray[np.bool_]
    spot: Floats
    strike: Floats
    years: Floats
    vol: Floats
    rate: Floats
    dividend_yield: Floats
    is_call: npt.NDArray[np.bool_]


def _terms(
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    vol: Numbers,
    *,
    rate: Numbers,
    dividend_yield: Numbers,
    is_call: Flags,
) -> _Terms:
    """Return the inputs in one shape, with 1 in place of what cannot be used."""
    given = np.broadcast_arrays(spot, strike, years, vol, rate, dividend_yield, is_call)
    numbers = [np.asarray(values, dtype=np.float64) for values in given[:-1]]
    finite = np.logical_and.reduce([np.isfinite(values) for values in numbers])
    usable = finite & (numbers[0] > 0) & (numbers[1] > 0) & (numbers[2] >= 0) & (numbers[3] >= 0)
    spots, strikes, time, vols, rates, yields = (np.where(usable, values, 1.0) for values in numbers)
    return _Terms(usable, spots, strikes, time, vols, rates, yields, given[-1].astype(np.bool_))


def greeks(
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    vol: Numbers,
    *,
    is_call: Flags,
    rate: Numbers = 0.0,
    dividend_yield: Numbers = 0.0,
) -> Greeks:
    """Return value, delta, gamma, vega and theta.

    Without time or volatility the value is the discounted intrinsic value, delta a step that is a half at the
    money, and gamma and vega are 0.
    """
    terms = _terms(spot, strike, years, vol, rate=rate, dividend_yield=dividend_yield, is_call=is_call)
    held, paid = np.exp(-terms.dividend_yield * terms.years), np.exp(-terms.rate * terms.years)
    moneyness = np.log(terms.spot / terms.strike) + (terms.rate - terms.dividend_yield) * terms.years
    root = np.sqrt(terms.years)
    spread = terms.vol * root
    moving = spread > 0
    step = np.where(moneyness == 0, 0.0, np.copysign(np.inf, moneyness))
    d1 = np.where(moving, moneyness / np.where(moving, spread, 1.0) + spread / 2, step)
    sign = np.where(terms.is_call, 1.0, -1.0)
    in_spot = held * ndtr(sign * d1)
    in_strike = terms.strike * paid * ndtr(sign * (d1 - spread))
    density = held * np.exp(-np.square(d1) / 2) / _SQRT_TAU
    gamma = np.where(moving, density / (terms.spot * np.where(moving, spread, 1.0)), 0.0)
    vega = np.where(moving, terms.spot * density * root, 0.0)
    decay = terms.spot * density * terms.vol / (2 * np.where(moving, root, 1.0))
    carried = sign * (terms.dividend_yield * terms.spot * in_spot - terms.rate * in_strike)
    theta = carried - np.where(moving, decay, 0.0)
    columns = (sign * (terms.spot * in_spot - in_strike), sign * in_spot, gamma, vega, theta)
    return Greeks(*(np.where(terms.usable, values, np.nan) for values in columns))


def implied_vol(
    price: Numbers,
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    *,
    is_call: Flags,
    rate: Numbers = 0.0,
    dividend_yield: Numbers = 0.0,
) -> ImpliedVol:
    """Return the volatility per year at which the option is worth ``price``, and why where there is none.

    Solved as the time value of the out-of-the-money twin (put-call parity), so an option deep in the money is
    as precise as the digits that its price has left.
    """
    terms = _terms(spot, strike, years, price, rate=rate, dividend_yield=dividend_yield, is_call=is_call)
    paid = np.exp(-terms.rate * terms.years)
    forward = terms.spot * np.exp((terms.rate - terms.dividend_yield) * terms.years)
    sign = np.where(terms.is_call, 1.0, -1.0)
    intrinsic = np.maximum(sign * (forward - terms.strike), 0.0)
    unit = np.sqrt(forward * terms.strike)
    value = terms.vol / paid  # _terms carries the price in the place of vol: both must be >= 0
    time_value = (value - intrinsic) / unit
    depth = -np.abs(np.log(forward / terms.strike))
    limit, _ = _normalised(depth, np.full(depth.shape, _TALLEST))
    conditions = [
        ~terms.usable,
        terms.years == 0,
        time_value <= np.maximum(_ROUNDING * value / unit, _NOTHING),
        time_value >= limit * (1 - _ROUNDING),
    ]
    reason = np.select(conditions, [NOT_A_NUMBER, NO_TIME, BELOW_INTRINSIC, ABOVE_BOUND], SOLVED).astype(np.uint8)
    solvable = reason == SOLVED
    vol = np.full(reason.shape, np.nan)
    vol[solvable] = _solve(depth[solvable], time_value[solvable]) / np.sqrt(terms.years[solvable])
    return ImpliedVol(vol, reason)


def _normalised(depth: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Return the price over sqrt(forward x strike), undiscounted, and its derivative by ``spread``.

    ``depth`` <= 0 is the log-moneyness of an option out of the money, ``spread`` > 0 is vol x sqrt(years).
    """
    d1 = depth / spread + spread / 2
    half = np.exp(depth / 2)
    price = half * ndtr(d1) - ndtr(d1 - spread) / half
    return price, half * np.exp(-np.square(d1) / 2) / _SQRT_TAU


def _solve(depth: Floats, price: Floats) -> Floats:
    """Return the spread at which each normalised price is met: Newton inside a bracket, bisection where it leaves.

    Below the inflection point Newton works on the logarithm of the price, which is nearly straight there.
    """
    spread = np.maximum(np.sqrt(-2 * depth), _SQRT_TAU * price)
    below, _ = _normalised(depth, np.maximum(spread, _ROUNDING))
    in_log = price < below
    low, high = np.zeros_like(price), np.full_like(price, _TALLEST)
    active = np.arange(len(price))
    for _ in range(_MAX_STEPS):
        if len(active) == 0:
            break
        at, target = spread[active], price[active]
        found, slope = _normalised(depth[active], at)
        low[active] = np.where(found < target, at, low[active])
        high[active] = np.where(found < target, high[active], at)
        ratio = np.maximum(found, np.finfo(np.float64).tiny) / target
        gap = np.where(in_log[active], target * ratio * np.log(ratio), found - target)
        newton = at - gap / np.maximum(slope, np.finfo(np.float64).tiny)
        inside = (newton > low[active]) & (newton < high[active])
        spread[active] = np.where(inside, newton, (low[active] + high[active]) / 2)
        active = active[np.abs(spread[active] - at) > _ROUNDING * at]
    return spread
