"""What is asked of allocations, and how each number is computed.

``net_sharpe`` asks for money after costs, which a rising market pays to whoever holds it. ``timing_gain`` takes off
what holding as much all along would have earned. ``timing`` is what the weights know, whatever it costs to use it: the
correlation, inside each symbol, of what is held with what comes; regimes, controls and holdout ask for it. Whoever
always holds the same has none, however much the market drifts; nor has a tilt to symbols that rise more.
"""

import math
from dataclasses import replace
from typing import Any, Final

import numpy as np

from components.core.judge import JudgeConfig
from components.trading.allocation import trade_allocations
from components.trading.backtest import Book
from components.trading.statistics import Array, sharpe_ratio
from components.validate import controls, deflation
from components.validate.case import Answer, Case, Questions
from components.validate.directions import past_volatility
from components.validate.measures import (
    Measured,
    Quantity,
    deviations,
    gain_by_timing,
    longest_block,
    sharpe_of,
    shifted_share,
)
from components.validate.slices import Slices, in_the_worst, slices_of, thirds
from components.validate.zone import AllocationZone

_ROUNDING: Final = 1e-12
"""Weights that never move differ from their mean by less."""
PLANTED_TIMING: Final = 0.14
"""Of the positive control: about that of an AUC of 0.58."""


def book_of(zone: AllocationZone, config: JudgeConfig) -> Book:
    """Return what trading the weights brought."""
    return trade_allocations(zone.predictions, config.costs)


def block_length(zone: AllocationZone, config: JudgeConfig) -> float:
    """Return the mean block of the bootstrap, in decision times."""
    table = zone.predictions
    timed = zone.per_time(deviations(zone, table.weight) * deviations(zone, table.forward_return))
    return longest_block(zone, (timed, book_of(zone, config).net))


def trial_score(zone: AllocationZone, _: object, config: JudgeConfig) -> float:
    """Return the Sharpe ratio of one decision time to the next, after costs; NaN if nothing varies."""
    return sharpe_ratio(book_of(zone, config).net, periods_per_year=1.0)


def _deviations(zone: AllocationZone) -> tuple[Array, Array]:
    """Return each row's weight and return, less the mean of its symbol; NaN where one of the two never moves."""
    table = zone.predictions
    pair = deviations(zone, table.weight), deviations(zone, table.forward_return)
    moves = all(np.abs(rows).max(initial=0.0) > _ROUNDING for rows in pair)
    return pair if moves else (np.full(zone.num_rows, math.nan), np.full(zone.num_rows, math.nan))


def timing(zone: AllocationZone) -> Quantity:
    """Return the correlation of weights and returns inside symbols, over all rows; NaN if the weights never move.

    The means of the symbols are those of the zone as it is, in every resample.
    """
    held, came = _deviations(zone)
    together, one, two = (zone.per_time(rows) for rows in (held * came, held * held, came * came))

    def correlation(weights: Array) -> Array:
        result: Array = weights @ together / np.sqrt((weights @ one) * (weights @ two))
        return result

    return Quantity(correlation)


def excess_sharpe(
    zone: AllocationZone, champion: AllocationZone, config: JudgeConfig, *, bars_per_year: float
) -> Quantity:
    """Return the champion's annualised Sharpe ratio after costs minus the model's; both zones hold the same rows."""
    mine, theirs = (sharpe_of(book_of(item, config), bars_per_year=bars_per_year) for item in (zone, champion))
    note = f"the model's {mine.note}, the champion's {theirs.note}"
    return Quantity(lambda weights: theirs.of(weights) - mine.of(weights), note)


def placebo(zone: AllocationZone, *, level: float, seed: int) -> Measured:
    """Return the share of time-shifted sets of returns that the weights go with as well as with the real ones."""
    held, came = _deviations(zone)
    room = math.sqrt(float(held @ held) * float(came @ came))
    return shifted_share(
        zone, lambda given: float(held @ came[given]) / room,
        name="correlation", level=level, seed=seed, undefined="the weights, or the returns, are all the same",
    )  # fmt: skip


def regimes(zone: AllocationZone) -> Slices:
    """Return the timing in calm, usual and wild times: thirds of the past volatility."""
    rows = zip(("calm", "usual", "wild"), thirds(past_volatility(zone)[zone.time]), strict=True)
    return slices_of(zone, dict(rows), timing)


def planted(case: Case[AllocationZone]) -> controls.Control:
    """Return models whose weights have a correlation of 0.14 with the returns that come, before costs."""
    table = case.zone.predictions
    _, came = _deviations(case.zone)
    known = came / came.std()
    rest = math.sqrt(1 - PLANTED_TIMING**2)

    def plant(noise: Array) -> Quantity:
        said = PLANTED_TIMING * known + rest * noise[:, 0]
        return timing(AllocationZone(replace(table, weight=said)))

    strength = f"a correlation of {PLANTED_TIMING:g} with what comes"
    return controls.Control(strength, case.line("timing", 0.0), plant, table.weight[:, None])


def _net_sharpe(case: Case[AllocationZone]) -> Answer:
    return case.measure(sharpe_of(book_of(case.zone, case.config), bars_per_year=case.bars_per_year))


def _timing_gain(case: Case[AllocationZone]) -> Answer:
    book = book_of(case.zone, case.config)
    return case.measure(gain_by_timing(case.zone, case.zone.predictions.weight, book, bars_per_year=case.bars_per_year))


def _against_champion(case: Case[Any]) -> Answer:
    return case.against_champion(
        lambda mine, theirs: excess_sharpe(mine, theirs, case.config, bars_per_year=case.bars_per_year)
    )


QUESTIONS: Questions = {
    "net_sharpe": lambda case, _: _net_sharpe(case),
    "timing": lambda case, _: case.measure(timing(case.zone)),
    "timing_gain": lambda case, _: _timing_gain(case),
    "deflated_sharpe": lambda case, _: deflation.sharpe_of(case, book_of(case.zone, case.config).net),
    "worst_regime": lambda case, _: in_the_worst(case, regimes(case.zone)),
    "planted_control": lambda case, gate: controls.found(case, gate, planted(case)),
    "export_parity": lambda case, _: case.parity,
    "placebo": lambda case, gate: placebo(case.zone, level=gate.bound, seed=case.config.seed),
    "feature_causality": lambda case, _: case.causality["feature_causality"],
    "answer_causality": lambda case, _: case.causality["answer_causality"],
    "champion_sharpe": lambda case, _: _against_champion(case),
}
