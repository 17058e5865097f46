"""What is asked of directions; ``measures.py`` says how each number is computed."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from scipy.special import ndtr, ndtri  # pyright: ignore[reportMissingTypeStubs]

from components.core.judge import GateConfig, JudgeConfig
from components.trading.backtest import backtest
from components.trading.statistics import Array, sharpe_ratio
from components.validate import controls, deflation, measures
from components.validate.case import Answer, Ask, Case, Questions, Unanswered
from components.validate.measures import Quantity
from components.validate.slices import Slices, in_the_worst, slices_of, thirds
from components.validate.zone import Rows, Zone

PLANTED_AUC: Final = 0.58
"""Of the positive control: such a model is right on about 55% of the rows if half of the bars rise."""
VOLATILITY_TIMES: Final = 21
DELAY: Final = 2
"""Decision times until the forward return of a decision is over: bought at the next open, sold at the one after."""


def block_length(zone: Zone, config: JudgeConfig) -> float:
    """Return the mean block of the bootstrap, in decision times."""
    return measures.block_length(zone, config.costs)


def trial_score(zone: Zone, _: object, config: JudgeConfig) -> float:
    """Return the Sharpe ratio of one decision time to the next, after costs; NaN if nothing varies."""
    return sharpe_ratio(backtest(zone.predictions, config.costs).net, periods_per_year=1.0)


def past_volatility(zone: Rows[Any]) -> Array:
    """Return of each decision time the standard deviation of the market's last 21 returns that were over by then.

    The market is the mean of the forward returns of a time; NaN while there are fewer than 21.
    """
    known = np.isfinite(zone.predictions.forward_return)
    earned = zone.per_time(np.where(known, zone.predictions.forward_return, 0.0))
    with np.errstate(invalid="ignore"):
        market = earned / zone.per_time(known)
    start = DELAY + VOLATILITY_TIMES - 1
    spread = np.full(zone.num_times, np.nan)
    if zone.num_times > start:
        windows = np.lib.stride_tricks.sliding_window_view(market[:-DELAY], VOLATILITY_TIMES)
        spread[start:] = windows.std(axis=1, ddof=1)
    return spread


def regimes(zone: Zone) -> Slices:
    """Return the AUC in calm, usual and wild times: thirds of the past volatility."""
    rows = zip(("calm", "usual", "wild"), thirds(past_volatility(zone)[zone.time]), strict=True)
    return slices_of(zone, dict(rows), measures.ranking)


def planted(case: Case[Zone]) -> controls.Control:
    """Return models that score bars that rise so much higher that their AUC is 0.58."""
    table = case.zone.predictions
    lead = math.sqrt(2) * float(ndtri(PLANTED_AUC))

    def plant(noise: Array) -> Quantity:
        said = ndtr(lead * (table.label - 0.5) + noise[:, 0])
        return measures.ranking(Zone(replace(table, probability=said)))

    line = case.line("auc", 0.5)
    return controls.Control(f"an AUC of {PLANTED_AUC:g}", line, plant, table.probability[:, None])


def _with_signals(answer: Callable[[Case[Zone]], Answer]) -> Ask:
    def ask(case: Case[Any], _: GateConfig) -> Answer:
        said, wanted = case.zone.num_signals, case.config.min_signals
        if said < wanted:
            reason = f"It says up {said} times; at least {wanted} such decisions are needed."
            return Unanswered("insufficient evidence", reason)
        return answer(case)

    return ask


def _net_sharpe(case: Case[Zone]) -> Answer:
    return case.measure(measures.net_sharpe(case.zone, case.config.costs, bars_per_year=case.bars_per_year))


def _timing_gain(case: Case[Zone]) -> Answer:
    return case.measure(measures.timing_gain(case.zone, case.config.costs, bars_per_year=case.bars_per_year))


QUESTIONS: Questions = {
    "precision_lift": _with_signals(lambda case: case.measure(measures.precision_lift(case.zone))),
    "auc": lambda case, _: case.measure(measures.ranking(case.zone)),
    "log_loss_skill": lambda case, _: case.measure(measures.log_loss_skill(case.zone)),
    "net_sharpe": _with_signals(_net_sharpe),
    "timing_gain": _with_signals(_timing_gain),
    "deflated_sharpe": _with_signals(deflation.sharpe),
    "worst_regime": lambda case, _: in_the_worst(case, regimes(case.zone)),
    "planted_control": lambda case, gate: controls.found(case, gate, planted(case)),
    "export_parity": lambda case, _: case.parity,
    "placebo": lambda case, gate: measures.placebo(case.zone, level=gate.bound, seed=case.config.seed),
    "feature_causality": lambda case, _: case.causality["feature_causality"],
    "answer_causality": lambda case, _: case.causality["answer_causality"],
    "champion_log_loss": lambda case, _: case.against_champion(measures.excess_loss),
}
