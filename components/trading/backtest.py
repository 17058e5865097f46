"""A long/flat book over predictions: fixed stakes, next-open fills, costs on everything traded.

The book holds one slot per symbol, worth 1 / num_symbols of the initial capital. A decision at
t (``probability >= threshold``) buys the slot's shares at the next open, keeps the *shares* while
the decision stands, and sells them at the open after it falls. Gains are not reinvested. So returns
are simple (fractions of the initial capital; they add up), turnover does not depend on the costs,
and profit falls by exactly turnover times any added cost. ``components/trading/paper.py`` trades the
same rule bar by bar and arrives at the same equity.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.core.judge import CostConfig
from components.market.predictions import Predictions
from components.trading.performance import drawdown_of, equity_of, figures
from components.trading.statistics import Array

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Book:
    """What a book did, one row per decision time; money is a fraction of the initial capital."""

    timestamp: npt.NDArray[np.datetime64]
    """Decision times."""
    gross: Array
    """Gain from the next open to the open after it, before costs."""
    turnover: Array
    """Value bought and sold at the next open; the last row also holds the final sale."""
    exposure: Array
    """Share of the slots that are invested."""
    cost: float
    """Paid per unit of turnover."""
    num_trades: int
    """Round trips, each with an entry and an exit."""
    win_rate: float
    """Share of the round trips that earned more than their costs; NaN without any."""

    @property
    def net(self) -> Array:
        """Gain after costs."""
        result: Array = self.gross - self.cost * self.turnover
        return result

    @property
    def equity(self) -> Array:
        """Capital before the first decision and after each one: one entry more than there are rows."""
        return equity_of(self.net)

    @property
    def drawdown(self) -> Array:
        """Fraction below the highest equity so far, zero or negative; as long as ``equity``."""
        return drawdown_of(self.net)

    def summary(self, *, bars_per_year: float) -> dict[str, float]:
        """Return the figures of ``performance.figures``."""
        return figures(
            self.net,
            turnover=float(self.turnover.sum()),
            cost=self.cost,
            exposure=self.exposure,
            num_trades=self.num_trades,
            win_rate=self.win_rate,
            bars_per_year=bars_per_year,
        )


def panel(predictions: Predictions) -> tuple[npt.NDArray[np.datetime64], Flags, Array]:
    """Return times, decisions and forward returns as (time, symbol) tables.

    A decision is True only where a row says so and its forward return is known; without one the
    slot is flat, and the forward return reads 0.

    Raises:
        ValueError: If a probability or the threshold is not finite, or a return is infinite or not above -1.
    """
    known = np.isfinite(predictions.forward_return)
    broken = np.isinf(predictions.forward_return) | (predictions.forward_return <= -1)
    if not (np.isfinite(predictions.probability).all() and np.isfinite(predictions.threshold)):
        raise ValueError("a probability or the threshold is not a finite number; a book cannot act on it")
    if broken.any():
        raise ValueError(f"forward_return {predictions.forward_return[broken][0]} cannot be a return; repair the bars")
    times, row = np.unique(predictions.timestamp, return_inverse=True)
    shape = (times.size, len(predictions.symbols))
    want: Flags = np.zeros(shape, dtype=np.bool_)
    forward: Array = np.zeros(shape)
    want[row, predictions.symbol] = (predictions.probability >= predictions.threshold) & known
    forward[row, predictions.symbol] = np.where(known, predictions.forward_return, 0.0)
    return times, want, forward


def backtest(predictions: Predictions, costs: CostConfig) -> Book:
    """Return the book that trades the predictions.

    Raises:
        ValueError: As in ``panel``.
    """
    times, want, forward = panel(predictions)
    return _trade(times, want, forward, costs.per_side)


def hold(predictions: Predictions, costs: CostConfig) -> Book:
    """Return the baseline: buy every symbol at its first open, sell after its last known return.

    Raises:
        ValueError: As in ``panel``.
    """
    times, _, forward = panel(predictions)
    want: Flags = np.zeros(forward.shape, dtype=np.bool_)
    row = np.searchsorted(times, predictions.timestamp)
    want[row, predictions.symbol] = np.isfinite(predictions.forward_return)
    return _trade(times, want, forward, costs.per_side)


def _trade(times: npt.NDArray[np.datetime64], want: Flags, forward: Array, cost: float) -> Book:
    num_times, num_symbols = want.shape
    gross, turnover = np.zeros(num_times), np.zeros(num_times)
    stake = 1.0 / max(num_symbols, 1)
    value = np.zeros(num_symbols)
    held = np.zeros(num_symbols, dtype=np.bool_)
    sales: list[Array] = []
    for t in range(num_times):
        entering: Flags = want[t] & ~held
        leaving: Flags = held & ~want[t]
        sales.append(value[leaving])
        turnover[t] = stake * entering.sum() + value[leaving].sum()
        value = np.where(want[t], np.where(held, value, stake), 0.0)
        gross[t] = value @ forward[t]
        value *= 1.0 + forward[t]
        held = want[t]
    if num_times:
        sales.append(value[held])
        turnover[-1] += value.sum()
    sold: Array = np.concatenate(sales) if sales else np.zeros(0)
    exposure: Array = want.sum(axis=1) * stake
    wins = sold * (1 - cost) > stake * (1 + cost)
    return Book(
        timestamp=times,
        gross=gross,
        turnover=turnover,
        exposure=exposure,
        cost=cost,
        num_trades=sold.size,
        win_rate=float(wins.mean()) if sold.size else float("nan"),
    )
