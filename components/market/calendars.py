"""When a market is open, by asset class, from the maintained package ``exchange_calendars``.

Daily stock files and their intraday bars are held against the New York Stock Exchange, FX against
24/5 (a day runs from 17:00 to 17:00 in New York), crypto against 24/7. What fits none of them, such as a bond
market's days, is held against the days that the data itself has.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from dataclasses import dataclass
from typing import Final, Literal

import exchange_calendars
import numpy as np
import numpy.typing as npt
import pandas as pd

Name = Literal["XNYS", "24/5", "24/7", "data"]
Days = npt.NDArray[np.datetime64]
Times = npt.NDArray[np.datetime64]

NEW_YORK: Final = "America/New_York"
TITLES: Final[dict[Name, str]] = {
    "XNYS": "New York Stock Exchange",
    "24/5": "Monday to Friday",
    "24/7": "every day",
    "data": "the days of the data itself",
}
_KNOWN: Final[tuple[Name, ...]] = ("XNYS", "24/5", "24/7")
_FX_ROLL: Final = np.timedelta64(7, "h")
_MAX_OFF, _MAX_ABSENT = 0.01, 0.05


@dataclass(frozen=True)
class Calendar:
    """The sessions of a market from the first to the last day of a dataset."""

    name: Name
    days: Days
    """Each open day, datetime64[D], ascending."""
    open_share: npt.NDArray[np.float64]
    """Length of each session over the usual one: below 1 where the exchange closed early."""


def calendar(name: Name, days: Days) -> Calendar:
    """Return the sessions of ``name`` over the span of ``days``."""
    if name == "data" or not len(days):
        found = np.unique(days)
        return Calendar("data", found, np.ones(len(found)))
    first, last = days.min(), days.max()
    margin = np.timedelta64(10, "D")  # the package wants a span that holds a session
    book = exchange_calendars.get_calendar(name, start=str(first - margin), end=str(last + margin))
    sessions = book.sessions.to_numpy().astype("datetime64[D]")
    length = (book.closes - book.opens).to_numpy().astype("timedelta64[s]").astype(np.float64)
    inside = (sessions >= first) & (sessions <= last)
    return Calendar(name, sessions[inside], (length / np.median(length))[inside])


def session_days(times: Times, name: Name, *, is_session: bool) -> Days:
    """Return the trading day of each bar; ``times`` are UTC, or session dates already."""
    if is_session or name in ("24/7", "data"):
        return times.astype("datetime64[D]")
    local = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(NEW_YORK).tz_localize(None).to_numpy()
    return (local + _FX_ROLL if name == "24/5" else local).astype("datetime64[D]")


def _distinct(days: Days) -> Days:
    """Return each day once, ascending."""
    if not len(days):
        return days
    first = days.min()
    seen = np.zeros(int((days.max() - first).astype(np.int64)) + 1, dtype=np.bool_)
    seen[(days - first).astype(np.int64)] = True
    return first + np.flatnonzero(seen)


def detected(times: Times, *, is_session: bool) -> Name:
    """Return the calendar that the bars keep: hardly a day too many, and few too little."""
    for name in _KNOWN:
        days = _distinct(session_days(times, name, is_session=is_session))
        if not len(days):
            break
        sessions = calendar(name, days).days
        on, num_open = np.isin(days, sessions), len(sessions)
        if np.mean(~on) <= _MAX_OFF and num_open - on.sum() <= _MAX_ABSENT * num_open:
            return name
    return "data"
