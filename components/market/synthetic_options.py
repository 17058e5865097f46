"""Option chains of a synthetic market, with the truth behind each price: seeded, equal bytes for equal specs.

The market's two regimes are a Markov chain, so the variance that is to be expected over any horizon has a closed
form (Hamilton 1989): it is the term structure at the money. A smile that is quadratic in standard deviations is
planted on it, and quotes are Black-Scholes values around that. Puts are held more than calls, most when it is
turbulent. A day's chain is the same however many days are asked for.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.core.errors import UsageError
from components.market.black_scholes import greeks
from components.market.synthetic import LEAVE, SIGMA, MarketSpec, market, names, sessions, true_volatility

Floats = npt.NDArray[np.float64]

RATE: Final = 0.03
DIVIDEND_YIELD: Final = 0.01
PREMIUM: Final = 0.10
"""Implied volatility at the money is what is to be expected, plus this part of it."""
SKEW, CURVATURE = -0.10, 0.03
"""Relative change of volatility per standard deviation of log-moneyness, and per its square, up to three."""
PUT_CALL: Final = (1.2, 1.6)
"""Expected put/call ratio of open interest in the calm and in the turbulent regime."""
TURNOVER: Final = 0.15
"""Expected volume per contract open."""
WEEKS: Final = (0, 1, 2, 4, 8, 13, 26)
"""Expirations: the next Friday, and that many weeks after it."""
STRIKES_EACH_SIDE: Final = 12
MAX_ROWS: Final = 20_000_000

_SESSIONS_PER_YEAR, _DAYS_PER_YEAR = 252.0, 365.0
_BASE_INTEREST, _INTEREST_NOISE, _INTEREST_WIDTH, _INTEREST_OFFSET = 2000.0, 0.3, 1.5, 0.5
_HALF_SPREAD, _MIN_HALF_SPREAD = 0.01, 0.005
_WIDEST = 3.0
_STREAM = 1  # numbers the seed's random streams apart from the market's own


def true_atm_vol(spec: MarketSpec, days: Floats) -> Floats:
    """Return the planted volatility per year at the money for ``days``, [tenor], ahead of each bar: [bar, tenor]."""
    return _atm_vol(spec, true_volatility(spec)[:, None], days)


def _atm_vol(spec: MarketSpec, sigma: Floats, days: Floats) -> Floats:
    """Return the volatility at the money for ``days`` ahead of days whose daily volatility is ``sigma``."""
    calm, turbulent = np.square(SIGMA)
    stationary = LEAVE[0] / (LEAVE[0] + LEAVE[1])
    memory = 1 - LEAVE[0] - LEAVE[1]
    horizon = days * (_SESSIONS_PER_YEAR / _DAYS_PER_YEAR)
    now = (sigma == SIGMA[1]).astype(np.float64)
    fading = memory * (1 - memory**horizon) / (horizon * (1 - memory))
    share = stationary + (now - stationary) * fading
    signal = spec.strength**2 if spec.market == "planted" else 0.0
    variance = (calm + (turbulent - calm) * share) * (1 + signal)
    return (1 + PREMIUM) * np.sqrt(_SESSIONS_PER_YEAR * variance)


def option_chains(spec: MarketSpec, *, days: int) -> pa.Table:
    """Return the chains of all symbols over the last ``days`` sessions, by session, symbol and contract.

    Columns as in a vendor's file: date, underlying, expiration, type, strike, bid, ask, last, volume,
    open_interest, implied_vol (the planted truth), underlying_price. Options are European, at ``RATE`` and
    ``DIVIDEND_YIELD``; prices have 4 decimals and a half spread of 1 %, at least 0.005. A contract worth less than
    half a cent has no bid.

    Raises:
        UsageError: If the market has fewer sessions, or the table would have more than ``MAX_ROWS`` rows.
    """
    _refuse_too_many(spec, days)
    dates = sessions(spec)[-days:]
    spot = market(spec)["close"].to_numpy().reshape(spec.symbols, spec.days).T[-days:, :, None, None, None]
    expiration = _expirations(dates)
    ahead = (expiration - dates[:, None]).astype(np.float64)
    years = ahead[:, None, :, None, None] / _DAYS_PER_YEAR
    sigma = true_volatility(spec)[-days:]
    atm = _atm_vol(spec, sigma[:, None], ahead)[:, None, :, None, None]
    strike = _strikes(spot)
    forward = spot * np.exp((RATE - DIVIDEND_YIELD) * years)
    place = np.clip(np.log(strike / forward) / (atm * np.sqrt(years)), -_WIDEST, _WIDEST)
    vol = np.round(atm * (1 + SKEW * place + CURVATURE * place**2), 6)
    is_call = np.array([True, False])
    value = greeks(spot, strike, years, vol, is_call=is_call, rate=RATE, dividend_yield=DIVIDEND_YIELD).value
    half = np.maximum(_HALF_SPREAD * value, _MIN_HALF_SPREAD)
    interest, volume = _positions(spec, dates, place, sigma == SIGMA[1])

    def column(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return np.broadcast_to(values, value.shape).ravel()

    return pa.table(
        {
            "date": column(dates.astype("datetime64[us]")[:, None, None, None, None]),
            "underlying": column(np.array(names(spec), dtype=object)[:, None, None, None]),
            "expiration": column(expiration.astype("datetime64[us]")[:, None, :, None, None]),
            "type": column(np.array(["call", "put"], dtype=object)),
            "strike": column(strike),
            "bid": column(np.round(np.where(value > half, value - half, 0.0), 4)),
            "ask": column(np.round(value + half, 4)),
            "last": column(np.round(value, 4)),
            "volume": column(volume),
            "open_interest": column(interest),
            "implied_vol": column(vol),
            "underlying_price": column(spot),
        }
    )


def _refuse_too_many(spec: MarketSpec, days: int) -> None:
    per_day = spec.symbols * len(WEEKS) * (2 * STRIKES_EACH_SIDE + 1) * 2
    if not 1 <= days <= min(spec.days, MAX_ROWS // per_day):
        largest = min(spec.days, MAX_ROWS // per_day)
        raise UsageError(f"chains of {days} days: ask for 1 to {largest} ({per_day} contracts a day, {spec.days} days)")


def _expirations(dates: npt.NDArray[np.datetime64]) -> npt.NDArray[np.datetime64]:
    """Return the Fridays, [day, expiration], after each date."""
    friday = np.busday_offset(dates + np.timedelta64(1, "D"), 0, roll="forward", weekmask="Fri")
    return friday[:, None] + np.array(WEEKS) * np.timedelta64(7, "D")


def _strikes(spot: Floats) -> Floats:
    """Return the listed strikes: multiples of the largest of 1, 2, 2.5 and 5 x 10^n within 2.5 % of the spot."""
    widest = 0.025 * spot
    decade = 10.0 ** np.floor(np.log10(widest))
    step = decade * np.select([widest >= 5 * decade, widest >= 2.5 * decade, widest >= 2 * decade], [5, 2.5, 2], 1.0)
    away = np.arange(-STRIKES_EACH_SIDE, STRIKES_EACH_SIDE + 1, dtype=np.float64)[:, None]
    return np.round((np.rint(spot / step) + away) * step, 8)


def _positions(
    spec: MarketSpec, dates: npt.NDArray[np.datetime64], place: Floats, turbulent: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return open interest and volume, whole: most half a deviation out of the money, less at later expirations."""
    side = np.array([1.0, -1.0])
    bell = np.exp(-np.square((place - _INTEREST_OFFSET * side) / _INTEREST_WIDTH) / 2)
    weight = bell / (1 + np.array(WEEKS))[:, None, None]
    calls = weight[..., :1].sum(axis=(2, 3, 4), keepdims=True)
    puts = weight[..., 1:].sum(axis=(2, 3, 4), keepdims=True)
    wanted = np.where(turbulent, PUT_CALL[1], PUT_CALL[0])[:, None, None, None, None]
    expected = _BASE_INTEREST * weight * np.where(side > 0, 1.0, wanted * calls / puts)
    draws = np.empty((2, *expected.shape))
    for at, day in enumerate(dates.astype(np.int64)):
        rng = np.random.Generator(np.random.PCG64([spec.seed, _STREAM, int(day)]))
        draws[:, at] = rng.standard_normal((2, *expected.shape[1:]))
    interest = np.rint(expected * np.exp(_INTEREST_NOISE * draws[0]))
    return interest, np.rint(TURNOVER * interest * np.exp(_INTEREST_NOISE * draws[1]))
