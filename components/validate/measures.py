"""What gates ask about, with one-sided confidence bounds; below, the quantities of a direction.

Bounds are percentiles of the stationary bootstrap (Politis and Romano 1994) over decision times, all symbols
of a time together. A quantity is a function of weights (samples, times): how often each time occurs.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from components.core.judge import CostConfig, JudgeConfig
from components.trading.backtest import Book, backtest
from components.trading.statistics import (
    Array,
    auc_of_ranks,
    bootstrap_weights,
    log_loss_rows,
    optimal_block_length,
    placements,
    ranks,
)
from components.validate.zone import Index, Rows, Zone

MAX_SHIFTS = 999
_MAX_CELLS = 4_000_000  # of float64 in one chunk of histories, as wide as the rows


@dataclass(frozen=True)
class Quantity:
    """Something to measure, and what to say beside it."""

    of: Callable[[Array], Array]
    """From weights (samples, times) to one number per sample; NaN where it is undefined."""
    note: str = ""
    """The numbers behind it, in words."""


@dataclass(frozen=True)
class Measured:
    """A value and where it may lie."""

    value: float
    lower: float
    """One-sided bound; minus infinity if too many resampled histories leave it undefined."""
    upper: float
    """One-sided bound; infinity likewise."""
    note: str


def longest_block(zone: Rows[Any], series: Iterable[Array]) -> float:
    """Return the mean block, in decision times: the longest that any series asks for, at least n^(1/3)."""
    return max(zone.num_times ** (1 / 3), *(optimal_block_length(one) for one in series))


def block_length(zone: Zone, costs: CostConfig) -> float:
    """Return the mean block, in decision times: the longest that any judged series asks for, at least n^(1/3)."""
    table = zone.predictions
    loss = zone.per_time(log_loss_rows(table.label, table.probability)) / zone.rows_per_time
    order = zone.per_time((table.label - table.label.mean()) * ranks(table.probability)) / zone.rows_per_time
    return longest_block(zone, (loss, order, backtest(table, costs).net))


@dataclass(frozen=True)
class Histories:
    """Resampled histories of a zone, drawn once and shown to every question."""

    zone: Rows[Any]
    config: JudgeConfig
    block: float
    """Mean block, in decision times."""

    @cached_property
    def counts(self) -> npt.NDArray[np.uint16]:
        """How often each time occurs, (samples, times)."""
        drawn = bootstrap_weights(
            self.zone.num_times,
            block_length=self.block,
            samples=self.config.bootstrap_samples,
            rng=np.random.default_rng(self.config.seed),
        )
        return np.concatenate([weights.astype(np.uint16) for weights in drawn])

    def weights(self, num: int | None = None) -> Iterator[Array]:
        """Yield the first ``num`` histories, else all, in chunks that stay small when each row gets its weight."""
        size = max(1, _MAX_CELLS // max(self.zone.num_times, self.zone.num_rows))
        counts = self.counts[:num]
        for start in range(0, len(counts), size):
            yield counts[start : start + size].astype(np.float64)

    def draws(self, quantity: Quantity, num: int | None = None) -> Array:
        """Return the quantity in the first ``num`` histories, else in all; NaN where it is undefined."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.concatenate([quantity.of(weights) for weights in self.weights(num)])

    def bounded(self, quantity: Quantity, num: int | None = None) -> Measured:
        """Return the quantity with percentile bounds; a resample that leaves it undefined counts as the worst."""
        drawn = self.draws(quantity, num)
        tail = math.floor((1 - self.config.confidence) * drawn.size)
        lower = np.sort(np.where(np.isfinite(drawn), drawn, -np.inf))[tail]
        upper = np.sort(np.where(np.isfinite(drawn), drawn, np.inf))[-1 - tail]
        return Measured(value_of(quantity, self.zone), float(lower), float(upper), quantity.note)


def bounded(quantity: Quantity, zone: Rows[Any], config: JudgeConfig, *, block: float) -> Measured:
    """Return the quantity with percentile bounds, from histories of its own."""
    return Histories(zone, config, block).bounded(quantity)


def value_of(quantity: Quantity, zone: Rows[Any]) -> float:
    """Return the quantity of the zone as it is; NaN where it is undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(quantity.of(np.ones((1, zone.num_times)))[0])


def ranking(zone: Zone) -> Quantity:
    """Return the AUC: the chance that a bar that rises is scored above one that falls.

    Linear in what each decision time adds to it: of the zone as it is exact, of a resampled history to first order,
    and far cheaper than to rank its rows anew. Each row counts by its placement (DeLong, DeLong and Clarke-Pearson
    1988): the share of the rows with the other label that it is on the right side of.
    """
    table = zone.predictions
    placed = placements(table.label, table.probability)
    ups, downs = zone.per_time(table.label), zone.per_time(1 - table.label)
    right_up, right_down = zone.per_time(table.label * placed), zone.per_time((1 - table.label) * placed)
    whole = right_up.sum() / ups.sum() if ups.any() and downs.any() else math.nan
    return Quantity(
        lambda weights: weights @ right_up / (weights @ ups) + weights @ right_down / (weights @ downs) - whole
    )


def precision_lift(zone: Zone) -> Quantity:
    """Return precision minus the share of rising bars: what an always-long model cannot have."""
    label = zone.predictions.label
    rows, ups = zone.rows_per_time, zone.per_time(label)
    signals, hits = zone.per_time(zone.signal), zone.per_time(label * zone.signal)
    note = f"precision {hits.sum() / signals.sum():.3f}, base rate {ups.sum() / rows.sum():.3f}"
    return Quantity(lambda weights: (weights @ hits) / (weights @ signals) - (weights @ ups) / (weights @ rows), note)


def log_loss_skill(zone: Zone) -> Quantity:
    """Return 1 - log loss / log loss of the base rate *of this zone*, a peer that no model could have known."""
    table = zone.predictions
    rows, ups = zone.rows_per_time, zone.per_time(table.label)
    losses = zone.per_time(log_loss_rows(table.label, table.probability))

    def skill(weights: Array) -> Array:
        total = weights @ rows
        share = weights @ ups / total
        peer: Array = -(share * np.log(share) + (1 - share) * np.log(1 - share))
        return 1 - weights @ losses / total / peer

    return Quantity(skill, f"log loss {losses.sum() / zone.num_rows:.4f}")


def net_sharpe(zone: Zone, costs: CostConfig, *, bars_per_year: float) -> Quantity:
    """Return the annualised Sharpe ratio of the long/flat book after costs; undefined if nothing varies."""
    return sharpe_of(backtest(zone.predictions, costs), bars_per_year=bars_per_year)


def sharpe_of(book: Book, *, bars_per_year: float) -> Quantity:
    """Return the annualised Sharpe ratio of a book with one row per decision time; undefined if nothing varies."""
    note = f"total return {book.net.sum():+.1%} after costs of {book.cost:.2%} a side"
    return sharpe_of_gains(book.net, note, bars_per_year=bars_per_year)


def sharpe_of_gains(net: Array, note: str, *, bars_per_year: float) -> Quantity:
    """Return the annualised Sharpe ratio of gains, one for each decision time; undefined if nothing varies."""
    centre, num = float(net.mean()), net.size
    away = net - centre
    scale = math.sqrt(bars_per_year * (num - 1) / num) if np.ptp(net) > 0 else math.nan

    def sharpe(weights: Array) -> Array:
        mean = weights @ away / num
        variance: Array = weights @ (away * away) / num - mean * mean
        return scale * (centre + mean) / np.sqrt(variance)

    return Quantity(sharpe, note)


def timing_gain(zone: Zone, costs: CostConfig, *, bars_per_year: float) -> Quantity:
    """Return what knowing when earned in a year, after costs: more than holding as much of each symbol all the time.

    It is the covariance of holdings and returns (Grinblatt and Titman 1993, "Performance Measurement without
    Benchmarks"), summed over the symbols, less the costs of the book. Stakes are constant, and the share of a symbol's
    slot that is held all the time is that of its decisions to be long. So who is always long gains nothing, and the
    drift of a rising market is nobody's skill.
    """
    table, num_symbols = zone.predictions, max(len(zone.predictions.symbols), 1)
    known = np.isfinite(table.forward_return)
    share = float(zone.signal[known].sum()) / max(int(np.count_nonzero(known)), 1)
    gain = gain_by_timing(zone, zone.signal / num_symbols, backtest(table, costs), bars_per_year=bars_per_year)
    return Quantity(gain.of, f"in the market {share:.0%} of the time; {gain.note}")


def gain_by_timing(zone: Rows[Any], weight: Array, book: Book, *, bars_per_year: float) -> Quantity:
    """Return the same of any book that holds ``weight`` of the capital, of each row, until the next decision."""
    earned = zone.predictions.forward_return
    timed = zone.per_time(deviations(zone, weight) * deviations(zone, earned))
    paid = book.cost * book.turnover
    held = float(np.where(np.isfinite(earned), weight * earned, 0.0).sum() - timed.sum())
    note = f"over the zone {timed.sum():+.1%} by timing, {paid.sum():.1%} costs, and {held:+.1%} by holding as much"
    gain = bars_per_year * (timed - paid) / zone.num_times
    return Quantity(lambda weights: weights @ gain, note)


def deviations(zone: Rows[Any], rows: Array) -> Array:
    """Return each row's value less the mean of its symbol, of the rows whose forward return is known; 0 elsewhere."""
    table, num_symbols = zone.predictions, max(len(zone.predictions.symbols), 1)
    known = np.isfinite(table.forward_return)
    values = np.where(known, rows, 0.0)
    num_known = np.maximum(np.bincount(table.symbol, known, num_symbols), 1)
    mean = np.bincount(table.symbol, values, num_symbols) / num_known
    away: Array = np.where(known, values - mean[table.symbol], 0.0)
    return away


def excess_loss(zone: Zone, champion: Zone) -> Quantity:
    """Return the log loss minus the champion's; both zones hold the same rows."""
    label = zone.predictions.label
    mine = log_loss_rows(label, zone.predictions.probability)
    return mean_excess(zone, mine, log_loss_rows(label, champion.predictions.probability))


def mean_of(zone: Rows[Any], rows: Array) -> Quantity:
    """Return the mean of ``rows`` over the rows."""
    sums, counts = zone.per_time(rows), zone.rows_per_time
    return Quantity(lambda weights: weights @ sums / (weights @ counts))


def mean_excess(zone: Rows[Any], mine: Array, theirs: Array) -> Quantity:
    """Return the mean loss minus the champion's, from the losses of the same rows."""
    worse, rows = zone.per_time(mine - theirs), zone.rows_per_time
    same = "; every prediction equals the champion's" if np.array_equal(mine, theirs) else ""
    note = f"log loss {mine.mean():.4f}, the champion's {theirs.mean():.4f} on {zone.num_rows:,} common rows{same}"
    return Quantity(lambda weights: weights @ worse / (weights @ rows), note)


def placebo(zone: Zone, *, level: float, seed: int) -> Measured:
    """Return the share of time-shifted label sets that the predictions rank as well as the real ones."""
    score, label = ranks(zone.predictions.probability), zone.predictions.label
    return shifted_share(zone, lambda given: auc_of_ranks(label[given], score), name="AUC", level=level, seed=seed)


def shifted_share(
    zone: Rows[Any],
    fit: Callable[[Index], float],
    *,
    name: str,
    level: float,
    seed: int,
    undefined: str = "all labels are the same",
) -> Measured:
    """Return the share of time-shifted label sets that the predictions fit as well as the real ones.

    All symbols shift alike, by a quarter to three quarters of their rows, where slow signals have faded.
    ``fit`` says, higher is better, how the predictions fit if each row is given the label of the row named; where
    it is not a number, ``undefined`` says why.
    """
    given, shifts = label_shifts(zone)
    if shifts.size > MAX_SHIFTS:
        shifts = np.random.default_rng(seed).choice(shifts, MAX_SHIFTS, replace=False)
    real = fit(given(0))
    if not math.isfinite(real):
        return Measured(math.nan, math.nan, math.nan, undefined)
    shifted = np.array([fit(given(int(shift))) for shift in shifts])
    share = float((1 + np.count_nonzero(shifted >= real)) / (1 + shifts.size))
    limit = float(np.quantile(shifted, 1 - level))
    note = f"{name} {real:.3f}; {1 - level:.0%} of {shifts.size} shifts stay at or below {limit:.3f}"
    return Measured(share, share, share, note)


def label_shifts(zone: Rows[Any]) -> tuple[Callable[[int], Index], Index]:
    """Return how rows shift in time, and by how much they may.

    The first says, for a number of steps, of which row each row takes the place: of the same symbol, so many of its
    rows later, past its end from its start again. The second are a quarter to three quarters of the zone's times.
    """
    order = np.lexsort((zone.time, zone.predictions.symbol))
    _, first, length = np.unique(zone.predictions.symbol[order], return_index=True, return_counts=True)
    start, size = np.repeat(first, length), np.repeat(length, length)
    place, back = np.arange(order.size) - start, np.argsort(order)
    steps = np.arange(math.ceil(zone.num_times / 4), 3 * zone.num_times // 4 + 1)
    return lambda shift: order[start + (place + shift) % size][back], steps
