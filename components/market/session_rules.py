"""Rules on which bars are there: missing and closed days, partial days, early ends, reused tickers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.market.calendars import Calendar, session_days
from components.market.observed import Bools, Floats, Ints, Series
from components.market.rules import (
    LARGE_DAILY_MOVE,
    MIN_BARS,
    PARTIAL_DAY,
    REUSE_GAP_SESSIONS,
    RULES,
    Hits,
)


@dataclass(frozen=True)
class Attendance:
    """Each symbol's days: one entry per symbol and day that has a bar."""

    symbol: Ints
    day: npt.NDArray[np.datetime64]
    start: Ints
    """Place in the series of the day's first bar."""
    count: Ints
    place: Ints
    """Of the day in the calendar; meaningless where the market was closed."""
    is_open: Bools


def attendance(series: Series, book: Calendar) -> Attendance:
    """Return the days of each symbol."""
    days = session_days(series.time, book.name, is_session=series.data.is_session)
    new = series.first.copy()
    new[1:] |= days[1:] != days[:-1]
    start = np.flatnonzero(new)
    count = np.diff(np.append(start, len(days)))
    day = days[start]
    place = np.minimum(np.searchsorted(book.days, day), max(len(book.days) - 1, 0))
    is_open = book.days[place] == day if len(day) else np.zeros(0, dtype=np.bool_)
    return Attendance(series.symbol[start], day, start, count, place, is_open)


def session_hits(series: Series, book: Calendar) -> tuple[list[Hits], Floats]:
    """Return the faults, and how many bars each symbol lacks."""
    found = attendance(series, book)
    lacking = np.zeros(len(series.data.names))
    if not len(found.day):
        return [], lacking
    usual = _usual(found, len(lacking))
    missing, gap_before = _missing(found, book)
    np.add.at(lacking, missing.symbol, usual[missing.symbol])
    hits = [missing, _off_calendar(series, found), *_ends(series, found), _reused(series, found, gap_before)]
    if not series.data.is_session:
        expected = usual[found.symbol] * book.open_share[found.place]
        partial = found.is_open & (found.count < PARTIAL_DAY * expected)
        np.add.at(lacking, found.symbol[partial], (expected - found.count)[partial])
        where = _at(series, found.start[partial])
        hits.append(series.hits("partial_day", "time", where, _spread(series, found)))
        if book.name != "24/7":
            weekday = (series.time.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
            hits.append(series.hits("weekend_bar", "time", weekday >= 5))  # noqa: PLR2004 - Saturday
    hits.append(_short(series))
    return hits, lacking


def _usual(found: Attendance, num_symbols: int) -> Floats:
    """Return the median number of bars a day of each symbol."""
    rank = np.lexsort((found.count, found.symbol))
    num_days = np.bincount(found.symbol, minlength=num_symbols)
    middle = np.cumsum(num_days) - num_days + num_days // 2
    present = num_days > 0
    usual = np.zeros(num_symbols)
    usual[present] = found.count[rank][middle[present]]
    return usual


def _missing(found: Attendance, book: Calendar) -> tuple[Hits, Ints]:
    """Return a hit per symbol and open day without a bar, and the open days before each attended one."""
    gap_before = np.zeros(len(found.day), dtype=np.int64)
    places = np.flatnonzero(found.is_open)
    symbol, place = found.symbol[places], found.place[places]
    step = np.diff(place) - 1
    gap = np.where(symbol[1:] == symbol[:-1], step, 0)
    gap_before[places[1:]] = gap
    holes = np.flatnonzero(gap)
    number = np.repeat(gap[holes], gap[holes])
    inside = np.arange(len(number)) - np.repeat(np.cumsum(gap[holes]) - gap[holes], gap[holes])
    day = book.days[np.repeat(place[holes] + 1, gap[holes]) + inside].astype("datetime64[us]")
    nowhere = np.full(len(day), -1)
    of = np.repeat(symbol[holes], gap[holes])
    return Hits(RULES["missing_session"], "time", nowhere, of, day, day), gap_before


def _off_calendar(series: Series, found: Attendance) -> Hits:
    return series.hits("off_calendar", "time", np.repeat(~found.is_open, found.count))


def _ends(series: Series, found: Attendance) -> list[Hits]:
    first = np.flatnonzero(series.first)
    last = np.append(first[1:], len(series.row)) - 1
    days = np.repeat(found.day, found.count)
    return [
        series.hits("ends_early", "time", _at(series, last[days[last] < days.max()])),
        series.hits("starts_late", "time", _at(series, first[days[first] > days.min()])),
    ]


def _reused(series: Series, found: Attendance, gap_before: Ints) -> Hits:
    adjusted = series.values("adj_close" if "adj_close" in series.data.numbers else "close")
    before = series.previous(adjusted)
    with np.errstate(all="ignore"):
        leap = np.abs(np.log(adjusted / before)) > np.log1p(LARGE_DAILY_MOVE)
    long_gap = np.zeros(len(series.row), dtype=np.bool_)
    long_gap[found.start] = gap_before > REUSE_GAP_SESSIONS
    return series.hits("ticker_reuse", "close", long_gap & leap)


def _short(series: Series) -> Hits:
    first = np.flatnonzero(series.first)
    num_bars = np.diff(np.append(first, len(series.row)))
    counts = np.zeros(len(series.row))
    counts[first] = num_bars
    return series.hits("short_history", "time", _at(series, first[num_bars < MIN_BARS]), counts)


def _at(series: Series, places: Ints) -> Bools:
    where = np.zeros(len(series.row), dtype=np.bool_)
    where[places] = True
    return where


def _spread(series: Series, found: Attendance) -> Floats:
    """Return the bars of each day at its first bar."""
    counts = np.zeros(len(series.row))
    counts[found.start] = found.count
    return counts
