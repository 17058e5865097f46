"""What the predictions of a zone would have earned, said anew at each evaluation of a training."""

from dataclasses import dataclass, replace

from components.core.judge import CostConfig
from components.market.predictions import Predictions
from components.trading.backtest import Book, backtest
from components.trading.settings import PRESETS
from components.trading.statistics import Array


@dataclass(frozen=True)
class Profit:
    """Figures of one evaluation after costs, NaN where one is undefined."""

    total_return: float
    """Fraction of the capital."""
    sharpe_ratio: float
    """Per year."""
    win_rate: float
    """Share of the round trips that earned more than their costs."""
    max_drawdown: float
    """Fraction below the highest equity before it, zero or negative."""
    num_trades: int
    """Round trips."""
    profit_and_loss: float
    """Money."""


def profit_of(book: Book, *, bars_per_year: float, capital: float = PRESETS["s2"].capital) -> Profit:
    """Return the figures of a book that was traded with ``capital``."""
    found = book.summary(bars_per_year=bars_per_year)
    return Profit(
        total_return=found["total_return"],
        sharpe_ratio=found["sharpe"],
        win_rate=found["win_rate"],
        max_drawdown=found["max_drawdown"],
        num_trades=book.num_trades,
        profit_and_loss=capital * found["total_return"],
    )


@dataclass(frozen=True)
class ProfitTracker:
    """Trades the rows of one zone by ``backtest``: fills at the next open, an equal slot per symbol, no stops.

    In a training it is the validation zone, by which epochs are chosen: these numbers show how the training
    goes and prove nothing. No gate reads them, and neither does the choice of the weights.
    """

    rows: Predictions
    """The zone's rows and the threshold; each evaluation brings probabilities of its own."""
    costs: CostConfig
    bars_per_year: float
    capital: float = PRESETS["s2"].capital
    """Money at the start."""

    def track(self, probability: Array) -> Profit:
        """Return what a book earns that acts on ``probability`` (row,).

        Raises:
            ValueError: If a probability is not finite or a forward return cannot be one.
        """
        book = backtest(replace(self.rows, probability=probability), self.costs)
        return profit_of(book, bars_per_year=self.bars_per_year, capital=self.capital)
