"""Rules on the path of the price: splits, dividends, bad ticks, stale and reused series."""

from typing import Final

import numpy as np

from components.market.observed import Bools, Floats, Ints, Series
from components.market.rules import (
    ADJUSTMENT_BREAK,
    ADJUSTMENT_GAP,
    LARGE_DAILY_MOVE,
    LARGE_INTRADAY_MOVE,
    STALE_BARS,
    Hits,
)

_SPLITS: Final = np.log(np.array([2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50], dtype=np.float64))
"""Usual split factors. A 3:2 split looks like bad news, so it is not looked for."""
_SPLIT_FIT: Final = 0.03
_SPLIT_OPEN_FIT: Final = 0.1
_CALM_RANGE: Final = 0.1
"""A day on which only the unit changed is calm: log(high / low) below this."""
_WRONG_SPLIT: Final = 0.3
_TICK_DAILY, _TICK_INTRADAY = 0.2, 0.1
_TICK_RETURNS: Final = 0.15
"""A tick comes back: what is left of its leap, as a fraction."""
_TICK_RANGE: Final = 0.25
"""A daily tick is a whole bar at another level: its range, as a fraction of the leap."""
_STRAY: Final = 0.1
_ROUNDED, _EXACT = 1e-4, 1e-9
_FAR: Final = 0.09
"""Below it no move can be a bad tick or a split."""
_NEARLY: Final = 0.99
"""Of a limit: what is this near it is looked at again, to the last digit."""


class Moves:
    """Returns from bar to bar, raw, adjusted, and as dividend and split say they should be."""

    def __init__(self, series: Series) -> None:
        self.close = series.values("close")
        self.has_adjusted = "adj_close" in series.data.numbers
        with np.errstate(all="ignore"):
            self.raw = series.growth(self.close)
            self.expected = self.raw.copy()
            acted = series.acted()
            split, dividend = series.event("split_factor", 1.0, acted), series.event("dividend", 0.0, acted)
            before = series.before(self.close, acted)
            self.expected[acted] = self.close[acted] * split / (before - dividend)
            self.adjusted = series.growth(series.values("adj_close")) if self.has_adjusted else self.expected
            self.far = _beyond(self.adjusted, _FAR)
            self.leap = np.log(self.adjusted[self.far])
        booked = split != 1
        self.booked, self.split, self.dividend = acted[booked], split[booked], dividend[booked]


def move_hits(series: Series) -> list[Hits]:
    """Return what is odd about the path of the price, and what explains it."""
    moves = Moves(series)
    limit = LARGE_DAILY_MOVE if series.data.is_session else LARGE_INTRADAY_MOVE
    tick = _bad_ticks(series, moves)
    hits = [series.hits("bad_tick", "adj_close" if moves.has_adjusted else "close", tick)]
    hits.extend(_large_moves(series, moves, limit))
    if series.data.is_session:
        unadjusted = _unadjusted(series, moves, tick)
        hits.append(series.hits("unadjusted_split", "close", unadjusted, moves.raw[unadjusted]))
    if series.data.events:
        hits.extend(_event_hits(series, moves))
    return hits


def _beyond(ratio: Floats, limit: float) -> Ints:
    """Return the places at which ``ratio`` is further than ``limit`` from 1."""
    far = np.flatnonzero((ratio > 1 + _NEARLY * limit) | (ratio < 1 - _NEARLY * limit))
    return far[np.abs(ratio[far] - 1) > limit]


def _large_moves(series: Series, moves: Moves, limit: float) -> list[Hits]:
    raw, adjusted = _beyond(moves.raw, limit), _beyond(moves.adjusted, limit)
    booked = np.isin(raw, moves.booked)
    explained = ~booked & ~np.isin(raw, adjusted) & (series.event("dividend", 0.0, raw) > 0)
    split, paid, rest = raw[booked], raw[explained], np.union1d(adjusted, raw[~booked & ~explained])
    return [
        series.hits("move_on_split", "close", split, moves.raw[split] - 1),
        series.hits("move_on_dividend", "close", paid, moves.raw[paid] - 1),
        series.hits("large_move", "close", rest, moves.adjusted[rest] - 1),
    ]


def _bad_ticks(series: Series, moves: Moves) -> Ints:
    """Return where the price leaps, and is back a bar later."""
    limit = _TICK_DAILY if series.data.is_session else _TICK_INTRADAY
    far = moves.far[np.abs(moves.leap) > limit]
    leap = moves.leap[np.abs(moves.leap) > limit]
    size = np.abs(leap)
    with np.errstate(invalid="ignore"):
        # The first bar of a series has no return: what follows a last bar is NaN, and at the very end the leap again.
        back = np.log(moves.adjusted[np.minimum(far + 1, len(moves.adjusted) - 1)])
        tick = np.abs(leap + back) < _TICK_RETURNS * size
        if series.data.is_session:
            tick &= _range(series, far) < _TICK_RANGE * size
    return far[tick]


def _range(series: Series, places: Ints) -> Floats:
    return np.log(series.values("high")[places] / series.values("low")[places])


def _unadjusted(series: Series, moves: Moves, tick: Ints) -> Ints:
    """Return where the price changes its unit: at the open, by a usual factor, on a calm day, for good."""
    explained = np.concatenate([moves.booked, tick, tick + 1])
    kept = (np.abs(moves.leap) > _SPLITS[0] - 2 * _SPLIT_FIT) & ~np.isin(moves.far, explained)
    far, leap = moves.far[kept], moves.leap[kept]
    size = np.abs(leap)
    with np.errstate(invalid="ignore"):
        place = np.clip(np.searchsorted(_SPLITS, size), 1, len(_SPLITS) - 1)
        nearest = np.where(size - _SPLITS[place - 1] < _SPLITS[place] - size, _SPLITS[place - 1], _SPLITS[place])
        factor = np.copysign(nearest, leap)
        gap = np.log(series.values("open")[far] / series.before(moves.close, far))
        fits = (np.abs(leap - factor) < _SPLIT_FIT) & (np.abs(gap - factor) < _SPLIT_OPEN_FIT)
        return far[fits & (_range(series, far) < _CALM_RANGE)]


def is_rounded(split: Floats) -> Bools:
    """Return which split factors, new shares per old, lie beside a half or whole number or its inverse, not on it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.maximum(split, 1 / split)
        halves = np.abs(unit - np.round(unit * 2) / 2)
    return (halves > _EXACT) & (halves < _ROUNDED)


def _event_hits(series: Series, moves: Moves) -> list[Hits]:
    hits: list[Hits] = []
    if "split_factor" in series.data.events:
        booked, split = moves.booked, moves.split
        with np.errstate(invalid="ignore", divide="ignore"):
            reinvested = split * (moves.close[booked] + moves.dividend) / series.before(moves.close, booked)
            off = np.fmin(np.abs(np.log(moves.expected[booked])), np.abs(np.log(reinvested)))
        hits.append(series.hits("wrong_split", "split_factor", booked[off > _WRONG_SPLIT]))
        hits.append(series.hits("rounded_split", "split_factor", booked[is_rounded(split)]))
    if moves.has_adjusted:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = moves.adjusted / moves.expected
        far = _beyond(ratio, ADJUSTMENT_GAP)
        off = np.abs(ratio[far] - 1)
        broken = off > ADJUSTMENT_BREAK
        hits.append(series.hits("adjustment_gap", "adj_close", far[~broken], off[~broken]))
        hits.append(series.hits("adjustment_break", "adj_close", far[broken], off[broken]))
    return hits


def bar_hits(series: Series, *, whole_shares: bool) -> list[Hits]:
    """Return what is odd about single bars, though it may be true."""
    opened, high, low, close = (series.values(name) for name in ("open", "high", "low", "close"))
    hits = [series.hits("flat_bar", "close", (opened == close) & (high == close) & (low == close))]
    if not series.data.is_session:
        with np.errstate(invalid="ignore"):
            above = high > np.maximum(opened, close) * (1 + _STRAY)
            below = low < np.minimum(opened, close) * (1 - _STRAY)
        hits += [series.hits("stray_extreme", "high", above), series.hits("stray_extreme", "low", below & ~above)]
    hits.append(series.hits("stale_run", "close", stale(series, (opened, high, low, close))))
    if whole_shares and "volume" in series.data.numbers:
        volume = series.values("volume")
        hits.append(series.hits("fractional_volume", "volume", volume != np.floor(volume)))
    return hits


def stale(series: Series, prices: tuple[Floats, ...]) -> Ints:
    """Return the bars of runs in which the whole bar repeats, long enough to doubt the feed."""
    same = ~series.first
    for values in prices:
        same[1:] &= values[1:] == values[:-1]
    repeats = np.flatnonzero(same)
    start = np.flatnonzero(np.diff(repeats, prepend=-2) > 1)
    length = np.diff(np.append(start, len(repeats)))
    long = length >= STALE_BARS - 1
    of_run = repeats[np.repeat(long, length)]
    return np.union1d(of_run, repeats[start[long]] - 1)
