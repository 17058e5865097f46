"""The rules of the quality gate: what each looks for, how much it matters, what is set aside, what to do.

An *error* is a row or series that must not be learned from; it is set aside. A *warning* may be
true (markets crash, shares do not trade) and stays, but it costs score. A *note* costs nothing.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Severity = Literal["error", "warning", "note"]
Scope = Literal["row", "symbol", "nothing"]

LARGE_DAILY_MOVE: Final = 0.40
LARGE_INTRADAY_MOVE: Final = 0.10
"""Moves of the close from bar to bar, as fractions, from which a rule asks for the reason."""
ADJUSTMENT_GAP, ADJUSTMENT_BREAK = 0.005, 0.05
"""Fractions by which the return of adj_close may leave the one that close, dividend and split give."""
MIN_BARS: Final = 60
"""Fewer bars of a symbol teach nothing: one window of the shipped models is this long."""
STALE_BARS: Final = 10
PARTIAL_DAY: Final = 0.8
"""Share of a symbol's usual bars below which a day is partial."""
REUSE_GAP_SESSIONS: Final = 20
MIN_SCORE: Final = 0.8
"""A dataset or symbol below it is not fit for use."""


PILLS: Final[dict[Severity, tuple[str, str]]] = {
    "error": ("fail", "✕ error"),
    "warning": ("open", "! warning"),
    "note": ("pass", "note"),
}
"""Style and words of a severity, for a page."""


@dataclass(frozen=True)
class Rule:
    """One question that is asked of every row or series."""

    name: str
    severity: Severity
    scope: Scope
    """What is set aside where it is broken."""
    title: str
    remedy: str


@dataclass(frozen=True)
class Hits:
    """All places where one rule is broken in one column."""

    rule: Rule
    column: str
    row: npt.NDArray[np.int64]
    """Place among all rows of the dataset; -1 where the fault is that a row is missing."""
    symbol: npt.NDArray[np.int64]
    time: npt.NDArray[np.datetime64]
    value: npt.NDArray[Any]


@dataclass(frozen=True)
class Finding:
    """One place where one rule is broken."""

    rule: str
    severity: Severity
    symbol: str
    file: str
    row: int | None
    """1 is the first row below the header; None where a row is missing."""
    time: str
    column: str
    value: str
    remedy: str


def _error(name: str, scope: Scope, title: str, remedy: str) -> Rule:
    return Rule(name, "error", scope, title, remedy)


def _warning(name: str, title: str, remedy: str) -> Rule:
    return Rule(name, "warning", "nothing", title, remedy)


def _note(name: str, title: str, remedy: str) -> Rule:
    return Rule(name, "note", "nothing", title, remedy)


_CATALOGUE: Final = (
    _error("bad_symbol", "row", "Symbol that is no ticker", "Use A-Z, 0-9 and at most one '.' or '-'"),
    _error("bad_time", "row", "Time that is empty, naive or no time", "Write ISO 8601; instants with their zone"),
    _error("future", "row", "Bar later than asof", "Remove it, or give a later asof"),
    _error("bad_price", "row", "Price missing or not above 0", "Load the row again from the vendor"),
    _error("bad_volume", "row", "Volume missing or below 0", "Load the row again from the vendor"),
    _error("high_below_low", "row", "High below low", "Load the row again from the vendor"),
    _error("outside_range", "row", "Open or close outside low to high", "Load the row again; adjust all prices alike"),
    _error("conflict", "row", "Several different rows of one symbol and time", "Find out which row is right; keep it"),
    _error("bad_tick", "row", "Price that leaps away and straight back", "Compare with another vendor; correct it"),
    _error(
        "short_history", "symbol", f"Fewer than {MIN_BARS} bars", f"Load at least {MIN_BARS} bars, or drop the symbol"
    ),
    _error(
        "unadjusted_split", "symbol", "Price jumps by a split factor, and none is booked", "Book the split, or adjust"
    ),
    _error("wrong_split", "symbol", "Booked split that does not fit the price", "Correct split_factor and adj_close"),
    _error(
        "ticker_reuse", "symbol", "Long gap, then another price level: maybe another company", "Split the series in two"
    ),
    Rule("duplicate", "note", "row", "Row repeated in full", "Nothing: one of the rows is kept"),
    _warning("missing_session", "No bar on a day on which the market was open", "Load the missing days"),
    _warning("off_calendar", "Bar on a day on which the market was closed", "Check the date and the time zone"),
    _warning("partial_day", f"Day with less than {PARTIAL_DAY:.0%} of its usual bars", "Load the day again"),
    _warning("ends_early", "Series ends before the others", "Was it delisted, renamed, or not updated?"),
    _warning("stale_run", f"The same bar {STALE_BARS} times or more", "Check that the feed was alive"),
    _warning("zero_volume", "Nothing traded", "The price is a quote or an echo: check it"),
    _warning("large_move", "Move that neither split nor dividend explains", "Check it against the news"),
    _warning("adjustment_gap", "adj_close leaves close, dividend and split by more than 0.5 %", "Compute it anew"),
    _warning("adjustment_break", "adj_close leaves close, dividend and split by more than 5 %", "Compute it anew"),
    _warning("stray_extreme", "High or low far from open and close of its bar", "Clip it before use of the range"),
    _note("starts_late", "Series starts after the others", "Nothing: a listing, or a shorter file"),
    _note("flat_bar", "Open, high and low equal the close", "Do not use its range"),
    _note("fractional_volume", "Volume that is no whole number of shares", "It was adjusted: do not count money by it"),
    _note("weekend_bar", "Bar on a Saturday or Sunday, UTC", "Is the clock the right one? FX opens on Sunday evening"),
    _note("move_on_split", "Large move of the close on the day of a split", "Use adjusted prices"),
    _note("move_on_dividend", "Large move of the close that a dividend explains", "Use adjusted prices"),
    _note("rounded_split", "Split factor with the vendor's rounding", "Nothing: the error is below 1e-4"),
)

RULES: Final = {rule.name: rule for rule in _CATALOGUE}
"""Every rule of bars by its name, in the order of the report."""

REFUSED: Final = frozenset(
    {
        "bad_symbol", "bad_time", "future", "bad_price", "bad_volume",
        "high_below_low", "outside_range", "conflict", "duplicate",
    }
)  # fmt: skip
"""What the strict reader refuses; the other rules need the whole series to see."""
