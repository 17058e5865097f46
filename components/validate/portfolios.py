"""What is asked of portfolios, beside the questions of allocations.

A portfolio is always invested, so it earns what its market does: money is asked for as the gain, after costs, over all
symbols in equal parts, held at the same stake. Both books are resampled together, split by split.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from components.core.judge import JudgeConfig
from components.trading.allocation import trade_allocations, weight_panel
from components.trading.backtest import Book
from components.trading.statistics import Array, sharpe_ratio
from components.validate import allocations, deflation
from components.validate.allocations import book_of
from components.validate.case import Case, Questions
from components.validate.measures import Quantity, deviations, longest_block, sharpe_of_gains
from components.validate.zone import AllocationZone, PortfolioZone


def equal_parts(zone: AllocationZone, config: JudgeConfig) -> Book:
    """Return the book that gives every symbol the same, and pays for buying it once and selling it.

    What keeps the parts equal in between costs it nothing, so it is a stricter peer than any that can be held.
    """
    table = zone.predictions
    book = trade_allocations(
        replace(table, weight=np.full(zone.num_rows, 1 / max(len(table.symbols), 1))), config.costs
    )
    turnover = np.zeros(book.turnover.size)
    if turnover.size:
        _, weights, forward = weight_panel(table)
        turnover[0] = 1.0
        turnover[-1] += (1 + forward[-1]).sum() / weights.shape[1]
    return replace(book, turnover=turnover)


def gain_over_holding(zone: PortfolioZone, config: JudgeConfig) -> Array:
    """Return what each split earned more than equal parts, after the costs of both."""
    return book_of(zone, config).net - equal_parts(zone, config).net


def relative_sharpe(zone: PortfolioZone, config: JudgeConfig, *, bars_per_year: float) -> Quantity:
    """Return the annualised Sharpe ratio of that gain; undefined if it never varies."""
    ours, held = book_of(zone, config), equal_parts(zone, config)
    note = f"{ours.net.sum():+.1%}, equal parts {held.net.sum():+.1%}, after costs of {ours.cost:.2%} a side"
    return sharpe_of_gains(ours.net - held.net, note, bars_per_year=bars_per_year)


def block_length(zone: PortfolioZone, config: JudgeConfig) -> float:
    """Return the mean block of the bootstrap, in decision times."""
    table = zone.predictions
    timed = zone.per_time(deviations(zone, table.weight) * deviations(zone, table.forward_return))
    return longest_block(zone, (timed, gain_over_holding(zone, config)))


def trial_score(zone: PortfolioZone, _: object, config: JudgeConfig) -> float:
    """Return the Sharpe ratio of the gain over holding, of one split to the next; NaN if it never varies."""
    return sharpe_ratio(gain_over_holding(zone, config), periods_per_year=1.0)


def _relative(case: Case[Any]) -> Quantity:
    return relative_sharpe(case.zone, case.config, bars_per_year=case.bars_per_year)


QUESTIONS: Questions = {
    **allocations.QUESTIONS,
    "relative_sharpe": lambda case, _: case.measure(_relative(case)),
    "deflated_sharpe": lambda case, _: deflation.sharpe_of(case, gain_over_holding(case.zone, case.config)),
}
