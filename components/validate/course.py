"""What trading directions brought in the course of time: by month, over a rolling window, and at its worst."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.core.judge import JudgeConfig
from components.trading.backtest import Book
from components.trading.sharpe import normal_standard_error
from components.trading.statistics import Array, resampled_histories, wilson_interval

ROLLING_TIMES = 63
"""Decision times of one rolling window: a quarter of a year of sessions."""
Z_TWO_SIDED = 1.959964
"""Standard normal, 95% between it and its negative."""

Answer = Literal["shown", "reached", "unbounded", "not reached"]


@dataclass(frozen=True)
class Rolling:
    """The Sharpe ratio of the last ``ROLLING_TIMES`` decision times, annualised; NaN where nothing varied."""

    last: Array
    """Place of each window's last decision time."""
    sharpe: Array
    lower: Array
    """Pointwise 95% band, as if returns were independent (Lo 2002)."""
    upper: Array


def rolling_sharpe(net: Array, *, bars_per_year: float) -> Rolling | None:
    """Return the rolling Sharpe ratio of the gains ``net`` per decision time; None where they fill no two windows."""
    if net.size <= ROLLING_TIMES:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(net, ROLLING_TIMES)
    spread = np.where(np.ptp(windows, axis=1) > 0, windows.std(axis=1, ddof=1), math.nan)
    ratio = windows.mean(axis=1) / spread
    room = Z_TWO_SIDED * np.array([normal_standard_error(float(one), ROLLING_TIMES) for one in ratio])
    year = math.sqrt(bars_per_year)
    last = np.arange(ROLLING_TIMES - 1, net.size, dtype=np.float64)
    return Rolling(last, ratio * year, (ratio - room) * year, (ratio + room) * year)


def monthly_gains(book: Book) -> tuple[list[int], Array]:
    """Return the years and the gains [year, 13] in fractions of the initial capital: of each month, then of the year.

    A gain belongs to the month of its decision. NaN marks a month without a decision.
    """
    months = book.timestamp.astype("datetime64[M]").astype(np.int64)  # since January 1970
    years = np.unique(months // 12)
    table = np.full((years.size, 13), math.nan)
    cells, place = np.unique(months, return_inverse=True)
    table[np.searchsorted(years, cells // 12), cells % 12] = np.bincount(place, book.net)
    table[:, 12] = np.nansum(table[:, :12], axis=1)
    return [1970 + int(year) for year in years], table


def drawdown_interval(net: Array, config: JudgeConfig, *, block: float) -> tuple[float, float]:
    """Return between which deepest drawdowns, negative, 90% of the resampled histories of ``net`` lie."""
    rng = np.random.default_rng(config.seed)
    histories = resampled_histories(net.size, block_length=block, samples=config.bootstrap_samples, rng=rng)
    deepest: list[Array] = []
    for drawn in histories:
        equity = 1.0 + np.cumsum(net[drawn], axis=1)
        highest = np.maximum(1.0, np.maximum.accumulate(equity, axis=1))
        deepest.append((equity / highest - 1.0).min(axis=1))
    low, high = np.quantile(np.concatenate(deepest), [0.05, 0.95])
    return float(low), min(0.0, float(high))


@dataclass(frozen=True)
class Band:
    """A line that the published systems drew, the number beside it, and where that number may lie."""

    name: str
    words: str
    form: str
    value: float | None
    lower: float | None
    upper: float | None
    above: float | None = None
    below: float | None = None

    @property
    def answer(self) -> Answer:
        """Shown if the whole interval is inside the band, reached if only the value is, unbounded if there is none."""
        if self.value is None or not self._inside(self.value):
            return "not reached"
        if self.lower is None or self.upper is None:
            return "unbounded"
        return "shown" if self._inside(self.lower) and self._inside(self.upper) else "reached"

    def _inside(self, number: float) -> bool:
        return (self.above is None or number > self.above) and (self.below is None or number < self.below)


def win_interval(book: Book) -> tuple[float, float]:
    """Return the 95% interval of the share of round trips that earned, if they were independent."""
    return wilson_interval(round(book.win_rate * book.num_trades) if book.num_trades else 0, book.num_trades)
