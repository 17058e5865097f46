"""Markets with a known truth: one with a planted, learnable signal, and its twin that is pure noise.

A latent AR(1) ``a`` per symbol shows in the volume of a bar. In ``planted`` it also moves the next
bar: r[t+1] = sigma[t+1] * (strength * a[t] + shock[t+1]). In ``noise`` the same draws meet strength 0.
Volatility switches between two regimes (Hamilton 1989, "A New Approach to the Economic Analysis of
Nonstationary Time Series"); shocks are Student t and share one factor.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
from dataclasses import dataclass, fields
from datetime import date
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.core.errors import UsageError
from components.market.bars import SCHEMA, SESSION_KNOWN_AT

Floats = npt.NDArray[np.float64]

SCHEME: Final = "synthetic"
MARKETS: Final = ("planted", "noise")
MAX_SYMBOLS: Final = 2_000
MAX_DAYS: Final = 10_000
MAX_STRENGTH: Final = 2.0
EARLIEST_END: Final = date(1980, 1, 1)
LATEST_END: Final = date(2100, 12, 31)

SIGMA: Final = (0.008, 0.020)
"""Daily volatility in the calm and in the turbulent regime."""
LEAVE: Final = (0.01, 0.04)
"""Chance per day of leaving the calm and the turbulent regime; 80 % of days are calm."""
FREEDOM: Final = 5
"""Degrees of freedom of the shocks, which are scaled to unit variance."""
MAX_HALF_LIFE: Final = 1_000
MAX_LEAD_STRENGTH: Final = 100.0
SHARED: Final = 0.25
"""Share of the common factor in the variance of a shock."""

_GAP, _WICK = 0.05, 0.3  # standard deviations of the opening gap and of the wicks, in daily volatilities
_BASE_VOLUME, _VOLUME_SIGNAL, _VOLUME_NOISE = 1e6, 0.5, 0.2
_MIN_PRICE, _MIN_RETURN = 0.01, -0.6


@dataclass(frozen=True, kw_only=True)
class MarketSpec:
    """What makes one synthetic market; equal specs give equal bytes."""

    market: str = "planted"
    symbols: int = 8
    days: int = 2000
    seed: int = 7
    strength: float = 0.35
    """Part of a day's volatility that one standard deviation of the signal moves the next day; 0 in ``noise``."""
    half_life: int = 20
    """Days after which half of the signal is left. 250 is a drift that outlasts a quarter."""
    steady: int = 0
    """1 keeps the calm volatility for ever: what is left of noise says nothing of any later month."""
    end: date = date(2024, 12, 31)
    """Last day; the sessions are the business days up to it."""
    lead_days: int = 0
    """Sessions by which the news of ``planted`` also runs ahead of the market's moves; 0 for never, as in ``noise``."""
    lead_strength: float = 20.0
    """Such news by that of the day itself; it counts only with ``lead_days``."""
    options: int = 0
    """Sessions, counted back from the last, that have option chains; the bars are the same whatever it is."""


@dataclass(frozen=True)
class _Draws:
    """All randomness of a market, [day, symbol]; the same in both markets of a seed."""

    signal: Floats
    sigma: Floats
    shock: Floats
    gap: Floats
    up_wick: Floats
    down_wick: Floats
    volume: Floats


def _regimes(rng: np.random.Generator, days: int) -> npt.NDArray[np.int64]:
    chance = rng.random(days)
    regime = np.zeros(days, dtype=np.int64)
    for day in range(1, days):
        before = int(regime[day - 1])
        regime[day] = 1 - before if chance[day] < LEAVE[before] else before
    return regime


def _signal(rng: np.random.Generator, shape: tuple[int, int], half_life: int) -> Floats:
    signal: Floats = rng.standard_normal(shape)
    memory = 0.5 ** (1 / half_life)
    innovation = float(np.sqrt(1 - memory**2))
    for day in range(1, shape[0]):
        signal[day] = memory * signal[day - 1] + innovation * signal[day]
    return signal


def _shocks(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    common = rng.standard_normal((shape[0], 1))
    normal = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * rng.standard_normal(shape)
    spread = rng.standard_gamma(FREEDOM / 2, shape) / (FREEDOM / 2)  # a chi-square over its degrees of freedom
    return normal / np.sqrt(spread) * np.sqrt((FREEDOM - 2) / FREEDOM)


def _draw(spec: MarketSpec) -> _Draws:
    rng = np.random.Generator(np.random.PCG64(spec.seed))
    shape = (spec.days, spec.symbols)
    return _Draws(
        signal=_signal(rng, shape, spec.half_life),
        sigma=np.array(SIGMA)[(1 - spec.steady) * _regimes(rng, spec.days)][:, None],
        shock=_shocks(rng, shape),
        gap=rng.standard_normal(shape),
        up_wick=np.abs(rng.standard_normal(shape)),
        down_wick=np.abs(rng.standard_normal(shape)),
        volume=rng.standard_normal(shape),
    )


def true_signal(spec: MarketSpec) -> Floats:
    """Return the latent signal a, [symbol, bar], of unit variance: ``a[:, t]`` moves bar t + 1."""
    return np.ascontiguousarray(_draw(spec).signal.T)


def true_volatility(spec: MarketSpec) -> Floats:
    """Return the standard deviation of each bar's shock, [bar], the same for all symbols: ``SIGMA`` by regime."""
    return _draw(spec).sigma[:, 0]


def sessions(spec: MarketSpec) -> npt.NDArray[np.datetime64]:
    """Return the session dates, datetime64[D], ascending."""
    last = np.busday_offset(np.datetime64(spec.end), 0, roll="backward")
    return np.busday_offset(last, np.arange(1 - spec.days, 1))


def names(spec: MarketSpec) -> list[str]:
    """Return the symbols, in the order of the rows."""
    digits = max(3, len(str(spec.symbols - 1)))
    return [f"SYN{number:0{digits}d}" for number in range(spec.symbols)]


def market(spec: MarketSpec) -> pa.Table:
    """Return the bars of the market, by symbol and session; prices have 4 decimals, volume is whole."""
    draws = _draw(spec)
    moves = draws.sigma * draws.shock
    if spec.market == "planted":
        moves[1:] += spec.strength * draws.sigma[1:] * draws.signal[:-1]
    close = 100.0 * np.cumprod(1 + np.maximum(moves, _MIN_RETURN), axis=0)
    before = np.vstack([np.full((1, spec.symbols), 100.0), close[:-1]])
    opening = before * (1 + _GAP * draws.sigma * draws.gap)
    high = np.maximum(opening, close) * (1 + _WICK * draws.sigma * draws.up_wick)
    low = np.minimum(opening, close) * (1 - _WICK * draws.sigma * draws.down_wick)
    volume = np.rint(_BASE_VOLUME * np.exp(_VOLUME_SIGNAL * draws.signal + _VOLUME_NOISE * draws.volume))
    prices = [np.maximum(np.round(price, 4), _MIN_PRICE).T.ravel() for price in (opening, high, low, close)]
    timestamp = np.tile(sessions(spec).astype("datetime64[us]"), spec.symbols)
    columns = [
        np.repeat(np.array(names(spec), dtype=object), spec.days),
        timestamp,
        timestamp + SESSION_KNOWN_AT,
        *prices,
        np.maximum(volume, 1.0).T.ravel(),
        prices[3],
    ]
    return pa.table(
        [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def is_synthetic(source: str) -> bool:
    """Return whether a source is a synthetic market."""
    return source.startswith(f"{SCHEME}:")


def parse_source(source: str) -> MarketSpec:
    """Return the market that a text such as ``synthetic://planted?symbols=8&days=2000&seed=7`` asks for.

    Raises:
        UsageError: If the market, a key or a value does not exist; the right ones are named.
    """
    parts = _split(source)
    values = _query(source, parts)
    strength = _number(source, values, "strength", MarketSpec.strength, low=0.0, high=MAX_STRENGTH)
    if parts.netloc == "noise":
        if "strength" in values and strength != 0:
            raise UsageError(
                f"{source!r:.120}: noise has strength 0. Leave strength out, or ask for {SCHEME}://planted"
            )
        strength = 0.0
    days = _whole(source, values, "days", MarketSpec.days, low=2, high=MAX_DAYS)
    return MarketSpec(
        market=parts.netloc,
        symbols=_whole(source, values, "symbols", MarketSpec.symbols, low=1, high=MAX_SYMBOLS),
        days=days,
        seed=_whole(source, values, "seed", MarketSpec.seed, low=0, high=2**63 - 1),
        strength=strength,
        half_life=_whole(source, values, "half_life", MarketSpec.half_life, low=1, high=MAX_HALF_LIFE),
        steady=_whole(source, values, "steady", MarketSpec.steady, low=0, high=1),
        end=_day(source, values, "end", MarketSpec.end),
        lead_days=_whole(source, values, "lead_days", MarketSpec.lead_days, low=0, high=days - 1),
        lead_strength=_number(
            source, values, "lead_strength", MarketSpec.lead_strength, low=0.0, high=MAX_LEAD_STRENGTH
        ),
        options=_whole(source, values, "options", MarketSpec.options, low=0, high=days),
    )


def _split(source: str) -> SplitResult:
    form = f"{source!r:.120}: want {SCHEME}://<market>?key=value with market {' or '.join(MARKETS)}"
    try:
        parts = urlsplit(source)
    except ValueError:
        raise UsageError(form) from None
    if parts.scheme != SCHEME or parts.netloc not in MARKETS or parts.path not in ("", "/") or parts.fragment:
        raise UsageError(form)
    return parts


def _query(source: str, parts: SplitResult) -> dict[str, str]:
    keys = [item.name for item in fields(MarketSpec)][1:]  # the first, the market, is the host of the source
    values: dict[str, str] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key not in keys:
            raise UsageError(f"{source!r:.120}: no key {key!r:.40}. There is {', '.join(keys)}")
        if key in values:
            raise UsageError(f"{source!r:.120}: {key} is given twice. Keep one")
        values[key] = value
    return values


def _number(source: str, values: dict[str, str], key: str, default: float, *, low: float, high: float) -> float:
    text = values.get(key, str(default))
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise UsageError(f"{source!r:.120}: {key} wants a number from {low:g} to {high:g}, was {text!r:.40}")
    return number


def _whole(source: str, values: dict[str, str], key: str, default: int, *, low: int, high: int) -> int:
    text = values.get(key, str(default))
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(high))
    if not (digits and low <= int(text) <= high):
        raise UsageError(f"{source!r:.120}: {key} wants a whole number from {low} to {high}, was {text!r:.40}")
    return int(text)


def _day(source: str, values: dict[str, str], key: str, default: date) -> date:
    text = values.get(key, default.isoformat())
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not EARLIEST_END <= day <= LATEST_END:
        raise UsageError(f"{source!r:.120}: {key} wants a day, {EARLIEST_END} to {LATEST_END}, was {text!r:.40}")
    return day
