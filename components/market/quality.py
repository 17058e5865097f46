"""The quality gate: every rule asked of every row, a score per dataset and symbol, and what is set aside.

A score is the share of the expected bars that are there and that neither an error nor a warning
touches; a symbol that is set aside has none. Expected are the bars that exist, each counted once, and those
that the calendar misses.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from components.market.calendars import Name, calendar, detected, session_days
from components.market.checks import Rows
from components.market.move_rules import bar_hits, move_hits
from components.market.observed import Bools, Floats, Observed, observed, repeat_hits, series, single_row_hits
from components.market.rules import MIN_SCORE, RULES, Finding, Hits
from components.market.session_rules import session_hits

NUM_LISTED: Final = 20
"""Symbols of the manifest's list of the worst."""


@dataclass(frozen=True)
class SymbolQuality:
    """How good the bars of one symbol are."""

    symbol: str
    score: float
    num_rows: int
    num_lacking: int
    num_faulty: int
    """Rows that an error or a warning touches."""
    set_aside: tuple[str, ...]
    """The rules for which the whole symbol is set aside; empty if it is not."""


@dataclass(frozen=True)
class Assessment:
    """What the gate found in one dataset."""

    data: Observed
    calendar: Name
    score: float
    symbols: tuple[SymbolQuality, ...]
    """By symbol."""
    hits: tuple[Hits, ...]
    """In the order of ``rules.RULES``; only rules that are broken."""
    rows_set_aside: Bools
    """Of all rows: those that must not be used, for their own sake or their symbol's."""

    @property
    def fit(self) -> bool:
        """Whether the dataset as a whole is good enough to use."""
        return self.score >= MIN_SCORE

    def count(self, rule: str, column: str | None = None) -> int:
        """Return how many rows, or missing bars, break a rule, in one column or in any."""
        found = [hits for hits in self.hits if hits.rule.name == rule and column in (None, hits.column)]
        rows = np.concatenate([hits.row for hits in found]) if found else np.empty(0, np.int64)
        return len(np.unique(rows[rows >= 0])) + int(np.count_nonzero(rows < 0))

    def counts(self) -> dict[str, int]:
        """Return the count of every rule that is broken, in the order of the rules."""
        return {name: self.count(name) for name in dict.fromkeys(hits.rule.name for hits in self.hits)}

    def findings(self, rule: str | None = None, *, limit: int | None = None) -> Iterator[Finding]:
        """Yield the places where rules are broken; at most ``limit`` per rule and column."""
        for hits in self.hits:
            if rule is None or hits.rule.name == rule:
                for place in range(len(hits.row) if limit is None else min(limit, len(hits.row))):
                    yield self.finding(hits, place)

    def finding(self, hits: Hits, place: int) -> Finding:
        """Return one of the places of ``hits``."""
        row = int(hits.row[place])
        file, number = located(self.data, row)
        stamp = str(hits.time[place])
        return Finding(
            rule=hits.rule.name,
            severity=hits.rule.severity,
            symbol=self.data.names[int(hits.symbol[place])],
            file=file,
            row=number,
            time=stamp[:10] if self.data.is_session else stamp[:19],
            column=hits.column,
            value=_shown(hits.value[place]),
            remedy=hits.rule.remedy,
        )

    def worst(self) -> list[SymbolQuality]:
        """Return the symbols that are set aside or lose score, the worst first."""
        touched = [symbol for symbol in self.symbols if symbol.set_aside or symbol.score < 1]
        return sorted(touched, key=lambda symbol: (not symbol.set_aside, symbol.score, symbol.symbol))

    def facts(self) -> dict[str, Any]:
        """Return the numbers for a manifest."""
        return {
            "score": round(self.score, 6),
            "calendar": self.calendar,
            "rows": len(self.data.symbol),
            "rows_set_aside": int(np.count_nonzero(self.rows_set_aside)),
            "rules": self.counts(),
            "symbols_set_aside": {item.symbol: list(item.set_aside) for item in self.symbols if item.set_aside},
            "worst": {item.symbol: round(item.score, 6) for item in self.worst()[:NUM_LISTED]},
        }

    def issues(self) -> list[str]:
        """Return what is wrong in words: errors first, of these the ones that cost whole symbols, then by count."""
        severities = ("error", "warning", "note")

        def weight(item: tuple[str, int]) -> tuple[int, bool, int]:
            rule = RULES[item[0]]
            return severities.index(rule.severity), rule.scope != "symbol", -item[1]

        counts = sorted(self.counts().items(), key=weight)
        return [f"{RULES[name].title}: {count:,}. {RULES[name].remedy}" for name, count in counts]


def located(data: Observed, row: int) -> tuple[str, int | None]:
    """Return the file and the place in it of one of all rows; none for a row that is missing."""
    if row < 0:
        return "", None
    for part in data.parts:
        if row < len(part.number):
            return part.file, int(part.number[row])
        row -= len(part.number)
    raise IndexError(row)


def assess(parts: Sequence[Rows], *, asof: datetime, calendar_name: Name | None = None) -> Assessment:
    """Return what every rule says about the rows of a dataset.

    ``calendar_name`` names the calendar to hold the days against; without it the one that the
    bars keep is taken. Rows after ``asof`` are errors.
    """
    data = observed(parts)
    hits = single_row_hits(data, asof)
    faulty = _touched(data, hits, lambda found: found.rule.severity == "error")
    repeats = repeat_hits(data, faulty)
    duplicate = _touched(data, repeats, lambda found: found.rule.name == "duplicate")
    future = _touched(data, hits, lambda found: found.rule.name == "future")
    hits += repeats
    if "volume" in data.numbers:
        hits.append(data.hits("zero_volume", "volume", np.flatnonzero(data.numbers["volume"] == 0)))
    present = series(data, duplicate | future, priced=False)
    name = calendar_name or detected(present.time, is_session=data.is_session)
    days = session_days(present.time, name, is_session=data.is_session)
    of_sessions, lacking = session_hits(present, calendar(name, days), days)
    priced = series(data, duplicate | future, priced=True)
    hits += [*of_sessions, *move_hits(priced), *bar_hits(priced, whole_shares=name == "XNYS")]
    rank = {rule: place for place, rule in enumerate(RULES)}
    kept = sorted((item for item in hits if len(item.row)), key=lambda item: rank[item.rule.name])
    return _judged(data, name, tuple(kept), duplicate, lacking)


def _touched(data: Observed, hits: Sequence[Hits], chosen: Callable[[Hits], bool]) -> Bools:
    rows = np.zeros(len(data.symbol), dtype=np.bool_)
    for found in hits:
        if chosen(found):
            rows[found.row[found.row >= 0]] = True
    return rows


def _judged(data: Observed, name: Name, hits: tuple[Hits, ...], duplicate: Bools, lacking: Floats) -> Assessment:
    num = len(data.names)
    faulty = _touched(data, hits, lambda found: found.rule.severity != "note") & ~duplicate
    rows = np.bincount(data.symbol, minlength=num)
    single = rows - np.bincount(data.symbol[duplicate], minlength=num)
    spoilt = np.bincount(data.symbol[faulty], minlength=num)
    expected = single + lacking
    reasons = _symbol_reasons(data, hits)
    clean = np.where([bool(reasons.get(code)) for code in range(num)], 0, single - spoilt)
    with np.errstate(invalid="ignore"):
        score = np.nan_to_num(clean / expected)
    present = np.flatnonzero(rows)
    symbols = tuple(
        SymbolQuality(
            symbol=data.names[code],
            score=float(score[code]),
            num_rows=int(rows[code]),
            num_lacking=round(float(lacking[code])),
            num_faulty=int(spoilt[code]),
            set_aside=reasons.get(int(code), ()) or (() if score[code] >= MIN_SCORE else ("score",)),
        )
        for code in present
    )
    aside = _touched(data, hits, lambda found: found.rule.scope == "row")
    gone = np.zeros(num, dtype=np.bool_)
    gone[present] = [bool(item.set_aside) for item in symbols]
    aside |= gone[data.symbol]
    total = float(expected.sum())
    used = float(clean[score >= MIN_SCORE].sum())
    return Assessment(data, name, used / total if total else 0.0, symbols, hits, aside)


def _symbol_reasons(data: Observed, hits: Sequence[Hits]) -> dict[int, tuple[str, ...]]:
    reasons: dict[int, tuple[str, ...]] = {}
    for found in hits:
        if found.rule.scope == "symbol":
            for code in np.unique(found.symbol):
                reasons[int(code)] = (*reasons.get(int(code), ()), found.rule.name)
    return reasons


def _shown(value: Any) -> str:
    if isinstance(value, np.datetime64):
        return str(value)[:19].replace("T00:00:00", "")  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, float):  # numpy's float64 is one
        return f"{value:.6g}"
    return f"{value!s:.60}"
