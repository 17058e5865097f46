"""Rules on the path of the price: splits, dividends, bad ticks, stale and reused series."""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.observed import Bools, Floats, Series
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


class Moves:
    """Returns from bar to bar, raw, adjusted, and as dividend and split say they should be."""

    def __init__(self, series: Series) -> None:
        close = series.values("close")
        before = series.previous(close)
        self.dividend = series.event("dividend", 0.0)
        self.split = series.event("split_factor", 1.0)
        self.has_adjusted = "adj_close" in series.data.numbers
        with np.errstate(all="ignore"):
            self.raw = close / before
            self.expected = close * self.split / (before - self.dividend)
            self.reinvested = self.split * (close + self.dividend) / before
            if self.has_adjusted:
                adjusted = series.values("adj_close")
                self.adjusted = adjusted / series.previous(adjusted)
            else:
                self.adjusted = self.expected
            self.leap = np.log(self.adjusted)
            self.range = np.log(series.values("high") / series.values("low"))
            self.gap = np.log(series.values("open") / before)


def move_hits(series: Series) -> list[Hits]:
    """Return what is odd about the path of the price, and what explains it."""
    moves = Moves(series)
    limit = LARGE_DAILY_MOVE if series.data.is_session else LARGE_INTRADAY_MOVE
    big, adjusted_big = np.abs(moves.raw - 1) > limit, np.abs(moves.adjusted - 1) > limit
    booked = moves.split != 1
    paid = big & ~booked & ~adjusted_big & (moves.dividend > 0)
    tick = _bad_ticks(series, moves)
    hits = [
        series.hits("bad_tick", "adj_close" if moves.has_adjusted else "close", tick),
        series.hits("move_on_split", "close", big & booked, moves.raw - 1),
        series.hits("move_on_dividend", "close", paid, moves.raw - 1),
        series.hits("large_move", "close", adjusted_big | (big & ~booked & ~paid), moves.adjusted - 1),
    ]
    if series.data.is_session:
        hits.append(series.hits("unadjusted_split", "close", _unadjusted(series, moves, tick), moves.raw))
    if series.data.events:
        hits.extend(_event_hits(series, moves))
    return hits


def _bad_ticks(series: Series, moves: Moves) -> Bools:
    with np.errstate(invalid="ignore"):
        size = np.abs(moves.leap)
        back = np.abs(moves.leap + series.following(moves.leap)) < _TICK_RETURNS * size
        if series.data.is_session:
            return (size > _TICK_DAILY) & back & (moves.range < _TICK_RANGE * size)
        return (size > _TICK_INTRADAY) & back


def _unadjusted(series: Series, moves: Moves, tick: Bools) -> Bools:
    """Return where the price changes its unit: at the open, by a usual factor, on a calm day, for good."""
    after_tick = np.zeros(len(tick), dtype=np.bool_)
    after_tick[1:] = tick[:-1]
    with np.errstate(invalid="ignore"):
        size = np.abs(moves.leap)
        place = np.clip(np.searchsorted(_SPLITS, np.nan_to_num(size)), 1, len(_SPLITS) - 1)
        nearest = np.where(size - _SPLITS[place - 1] < _SPLITS[place] - size, _SPLITS[place - 1], _SPLITS[place])
        factor = np.copysign(nearest, moves.leap)
        fits = (np.abs(moves.leap - factor) < _SPLIT_FIT) & (np.abs(moves.gap - factor) < _SPLIT_OPEN_FIT)
        return fits & (moves.range < _CALM_RANGE) & (moves.split == 1) & ~tick & ~after_tick


def is_rounded(split: Floats) -> Bools:
    """Return which split factors, new shares per old, lie beside a half or whole number or its inverse, not on it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.maximum(split, 1 / split)
        halves = np.abs(unit - np.round(unit * 2) / 2)
    return (halves > _EXACT) & (halves < _ROUNDED)


def _event_hits(series: Series, moves: Moves) -> list[Hits]:
    hits: list[Hits] = []
    if "split_factor" in series.data.events:
        with np.errstate(invalid="ignore", divide="ignore"):
            off = np.fmin(np.abs(np.log(moves.expected)), np.abs(np.log(moves.reinvested)))
        booked = moves.split != 1
        hits.append(series.hits("wrong_split", "split_factor", booked & (off > _WRONG_SPLIT)))
        hits.append(series.hits("rounded_split", "split_factor", booked & is_rounded(moves.split)))
    if moves.has_adjusted:
        with np.errstate(invalid="ignore", divide="ignore"):
            off = np.abs(moves.adjusted / moves.expected - 1)
        hits.append(series.hits("adjustment_gap", "adj_close", (off > ADJUSTMENT_GAP) & (off <= ADJUSTMENT_BREAK), off))
        hits.append(series.hits("adjustment_break", "adj_close", off > ADJUSTMENT_BREAK, off))
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


def stale(series: Series, prices: tuple[Floats, ...]) -> Bools:
    """Return the bars of runs in which the whole bar repeats, long enough to doubt the feed."""
    starts: npt.NDArray[np.bool_] = series.first.copy()
    for values in prices:
        starts[1:] |= values[1:] != values[:-1]
    run = np.cumsum(starts) - 1
    return (np.bincount(run) >= STALE_BARS)[run] if len(run) else starts
