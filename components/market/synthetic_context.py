"""The context of a synthetic market: funds, yields and news tone that move with its path, seeded.

The tables have the columns of the real files: what reads those reads these. All randomness that is not the
market's own comes from a stream of the same seed, so a market and its noise twin differ only by their paths, and by
what the news of the planted one says of moves ``lead_days`` ahead.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.market.context import FUNDS, FUNDS_FILE, TENORS, TONE_FILE, YIELDS_FILE
from components.market.context_files import TONES
from components.market.synthetic import MarketSpec, market, sessions
from components.market.synthetic_options import true_atm_vol

Floats = npt.NDArray[np.float64]

DURATION_YEARS: Final = (7.5, 17.0)
"""What IEF and TLT lose per unit of yield."""
CREDIT_BETA: Final = 0.4
"""HYG's share of the benchmark's move."""
VOL_BETA: Final = 0.6
"""VIXY's share of the relative change of 30-day volatility."""
FLIGHT: Final = 0.5
"""Percentage points that the 10-year yield rises with a benchmark that doubles: money leaves bonds for stocks."""

_LEVELS, _PULL, _YIELD_NOISE = (2.0, 3.0), 0.002, (0.03, 0.04)
_ROLL, _SHOCK_BETA, _MIN_MOVE, _MAX_MOVE = -0.002, -1.5, -0.5, 1.0
_TONE, _TONE_BETA, _TONE_NOISE, _TONE_MEMORY = -1.0, 20.0, 0.3, 0.8
_STREAM = 2


def benchmark_returns(spec: MarketSpec) -> Floats:
    """Return the mean close-to-close return of the market's symbols, [bar]; 0 for the first."""
    close = market(spec)["close"].to_numpy().reshape(spec.symbols, spec.days)
    returns = np.zeros(spec.days)
    returns[1:] = (close[:, 1:] / close[:, :-1] - 1).mean(axis=0)
    return returns


def synthetic_context(spec: MarketSpec) -> dict[str, pa.Table]:
    """Return the tables behind the context features, by the names of the files that ``context_table`` reads.

    ``FUNDS_FILE``: symbol, date, close of ``FUNDS``, SPY the equal-weighted market; 8 digits, since
    rolling futures wears VIXY down without end.
    ``YIELDS_FILE``: date, y_2y and y_10y in percent, 2 decimals. ``TONE_FILE``: date, every
    calendar day, and one tone per theme in GDELT's points; the tone of a day is of that day's move
    and, in a planted market with ``lead_days``, of the move that many sessions later.
    """
    rng = np.random.Generator(np.random.PCG64([spec.seed, _STREAM]))
    days, moves = sessions(spec), benchmark_returns(spec)
    yields = _yields(rng, moves)
    funds = _funds(rng, spec, moves, yields)
    date = days.astype("datetime64[us]")
    closes = np.asarray(100 * np.cumprod(1 + funds, axis=0), dtype=np.float64)
    return {
        FUNDS_FILE: pa.table(
            {
                "symbol": np.repeat(np.array(FUNDS, dtype=object), spec.days),
                "date": np.tile(date, len(FUNDS)),
                "close": _significant(closes).T.ravel(),
            }
        ),
        YIELDS_FILE: pa.table({"date": date, **dict(zip(TENORS, yields.T, strict=True))}),
        TONE_FILE: _tones(rng, days, _news(spec, moves)),
    }


def _news(spec: MarketSpec, moves: Floats) -> Floats:
    """Return the points that moves add to the tone of each session, [bar]: its own move and, if told, one to come."""
    news = moves.copy()
    if spec.market == "planted" and spec.lead_days:
        news[: -spec.lead_days] += spec.lead_strength * moves[spec.lead_days :]
    return _TONE_BETA * news


def _significant(values: Floats) -> Floats:
    """Return values above 0 with 8 digits."""
    decade = 10.0 ** np.floor(np.log10(values))
    return np.round(values / decade, 7) * decade


def _yields(rng: np.random.Generator, moves: Floats) -> Floats:
    """Return the 2- and 10-year yields, percent, pulled to their levels and moved by the benchmark, not below 0."""
    noise = rng.standard_normal((len(moves), 2)) * _YIELD_NOISE
    yields = np.empty((len(moves), 2))
    level = np.array(_LEVELS)
    for day, move in enumerate(moves):
        level = np.maximum(level + _PULL * (np.array(_LEVELS) - level) + FLIGHT * move + noise[day], 0.0)
        yields[day] = level
    return np.round(yields, 2)


def _funds(rng: np.random.Generator, spec: MarketSpec, moves: Floats, yields: Floats) -> Floats:
    """Return the daily returns of ``FUNDS``, [bar, fund]."""
    change = np.diff(yields[:, 1], prepend=yields[:1, 1]) / 100
    carry = yields[:, 1] / 100 / 252
    vol = true_atm_vol(spec, np.array([30.0]))[:, 0]
    surprise = np.diff(vol, prepend=vol[:1]) / vol
    credit = CREDIT_BETA * moves + 1.5 * carry + 0.001 * rng.standard_normal(len(moves))
    feared = np.clip(VOL_BETA * surprise + _SHOCK_BETA * moves + _ROLL, _MIN_MOVE, _MAX_MOVE)
    medium, long = (carry - years * change for years in DURATION_YEARS)
    return np.stack([moves, credit, medium, feared, long], axis=1)


def _tones(rng: np.random.Generator, days: npt.NDArray[np.datetime64], told: Floats) -> pa.Table:
    calendar = np.arange(days[0], days[-1] + np.timedelta64(1, "D"))
    news = np.zeros(len(calendar))
    news[np.searchsorted(calendar, days)] = told
    noise = _TONE_NOISE * rng.standard_normal((len(calendar), len(TONES)))
    tone = np.empty_like(noise)
    mood = np.zeros(len(TONES))
    for day, shock in enumerate(noise):
        mood = _TONE_MEMORY * mood + shock
        tone[day] = _TONE + news[day] + mood
    columns = {name: np.round(tone[:, place], 4) for place, name in enumerate(TONES)}
    return pa.table({"date": calendar.astype("datetime64[us]"), **columns})
