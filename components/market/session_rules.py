"""Rules on which bars are there: missing and closed days, partial days, early ends, reused tickers."""

from dataclasses import dataclass

import numpy as np

from components.market.calendars import Calendar, Days
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
    day: Days
    start: Ints
    """Place in the series of the day's first bar."""
    count: Ints
    place: Ints
    """Of the day in the calendar; meaningless where the market was closed."""
    is_open: Bools


def attendance(series: Series, book: Calendar, days: Days) -> Attendance:
    """Return the days of each symbol, given the day of each bar; there must be a bar."""
    new = series.first.copy()
    new[1:] |= days[1:] != days[:-1]
    start = np.flatnonzero(new)
    count = np.diff(np.append(start, len(days)))
    day = days[start]
    first = day.min()
    every: Days = first + np.arange(int((day.max() - first).astype(np.int64)) + 1)
    place = np.minimum(np.searchsorted(book.days, every), max(len(book.days) - 1, 0))
    is_open = book.days[place] == every
    since = (day - first).astype(np.int64)
    return Attendance(series.symbol[start], day, start, count, place[since], is_open[since])


def session_hits(series: Series, book: Calendar, days: Days) -> tuple[list[Hits], Floats]:
    """Return the faults, and how many bars each symbol lacks, given the trading day of each bar."""
    lacking = np.zeros(len(series.data.names))
    if not len(days):
        return [], lacking
    found = attendance(series, book, days)
    usual = _usual(found, len(lacking))
    missing, reopened = _missing(found, book)
    np.add.at(lacking, missing.symbol, usual[missing.symbol])
    hits = [missing, _off_calendar(series, found), *_ends(series, days), _reused(series, found.start[reopened])]
    if not series.data.is_session:
        expected = usual[found.symbol] * book.open_share[found.place]
        partial = found.is_open & (found.count < PARTIAL_DAY * expected)
        np.add.at(lacking, found.symbol[partial], (expected - found.count)[partial])
        counts = found.count[partial].astype(np.float64)
        hits.append(series.hits("partial_day", "time", found.start[partial], counts))
        if book.name != "24/7":
            weekday = (series.time.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
            hits.append(series.hits("weekend_bar", "time", weekday >= 5))  # noqa: PLR2004 - Saturday
    hits.append(_short(series))
    return hits, lacking


def _usual(found: Attendance, num_symbols: int) -> Floats:
    """Return the median number of bars a day of each symbol."""
    num_days = np.bincount(found.symbol, minlength=num_symbols)
    if found.count.max() == 1:
        return np.minimum(num_days, 1.0)
    rank = np.lexsort((found.count, found.symbol))
    middle = np.cumsum(num_days) - num_days + num_days // 2
    present = num_days > 0
    usual = np.zeros(num_symbols)
    usual[present] = found.count[rank][middle[present]]
    return usual


def _missing(found: Attendance, book: Calendar) -> tuple[Hits, Ints]:
    """Return a hit per symbol and open day without a bar, and which attended days follow a long gap."""
    places = np.arange(len(found.day)) if found.is_open.all() else np.flatnonzero(found.is_open)
    symbol, place = found.symbol[places], found.place[places]
    holes = np.flatnonzero((np.diff(place) != 1) & (symbol[1:] == symbol[:-1]))
    gap = place[holes + 1] - place[holes] - 1
    inside: Ints = np.arange(int(gap.sum())) - np.repeat(np.cumsum(gap) - gap, gap)
    day = book.days[np.repeat(place[holes] + 1, gap) + inside].astype("datetime64[us]")
    nowhere = np.full(len(day), -1)
    reopened = places[holes + 1][gap > REUSE_GAP_SESSIONS]
    return Hits(RULES["missing_session"], "time", nowhere, np.repeat(symbol[holes], gap), day, day), reopened


def _off_calendar(series: Series, found: Attendance) -> Hits:
    return series.hits("off_calendar", "time", np.repeat(~found.is_open, found.count))


def _ends(series: Series, days: Days) -> list[Hits]:
    first = np.flatnonzero(series.first)
    last = np.append(first[1:], len(series.row)) - 1
    return [
        series.hits("ends_early", "time", last[days[last] < days.max()]),
        series.hits("starts_late", "time", first[days[first] > days.min()]),
    ]


def _reused(series: Series, places: Ints) -> Hits:
    adjusted = series.values("adj_close" if "adj_close" in series.data.numbers else "close")
    with np.errstate(all="ignore"):
        leap = np.abs(np.log(adjusted[places] / series.before(adjusted, places))) > np.log1p(LARGE_DAILY_MOVE)
    return series.hits("ticker_reuse", "close", places[leap])


def _short(series: Series) -> Hits:
    first = np.flatnonzero(series.first)
    num_bars = np.diff(np.append(first, len(series.row)))
    short = num_bars < MIN_BARS
    return series.hits("short_history", "time", first[short], num_bars[short].astype(np.float64))
