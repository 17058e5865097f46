"""Is it skill, or the luck of the best of all that were tried?

Source: Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio".
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs]

from components.core.judge import Metric
from components.trading.backtest import backtest
from components.trading.sharpe import deflated_benchmark, deflated_sharpe, expected_maximum, moments_of
from components.trading.statistics import Array
from components.validate.case import Answer, Case, Unanswered
from components.validate.measures import Measured, Quantity, value_of
from components.validate.zone import Zone


def sharpe(case: Case[Zone]) -> Answer:
    """Return the probability that the book's true Sharpe ratio, after costs, is above that of the luckiest trial.

    One return for each decision time, taken as independent, skew and tails included; the form of 2014.
    """
    return sharpe_of(case, backtest(case.zone.predictions, case.config.costs).net)


def sharpe_of(case: Case[Any], net: Array) -> Answer:
    """Return the same of the gains ``net`` of any book, one for each decision time."""
    if net.size < 2:  # noqa: PLR2004 - one return has no deviation
        return Unanswered("insufficient evidence", f"{net.size} decision times; at least 2 are needed.")
    moments, scores = moments_of(net), np.array(case.trial_scores)
    num_trials = max(scores.size, 1)
    variance = float(scores.var(ddof=1)) if scores.size > 1 else 0.0
    if not math.isfinite(variance):
        return Unanswered("fail", "Fails closed: the score of a trial is not a finite number.")
    luck = deflated_benchmark(num_trials, variance)
    chance = deflated_sharpe(moments, num_trials=num_trials, trial_variance=variance, form="2014")
    note = (
        f"Sharpe ratio {moments.sharpe:.4f} a decision time, skew {moments.skew:.2f}, kurtosis {moments.kurtosis:.2f}, "
        f"{moments.num:,} returns; {_best_of(num_trials)} shows {luck:.4f} by luck"
    )
    return Measured(chance, chance, chance, note)


def skill(case: Case[Any], metric: Metric, quantity: Callable[[Any, Any], Quantity]) -> Answer:
    """Return the probability that the skill clears the bound of its own gate by more than the luckiest trial would.

    The distance is counted in standard errors of the bootstrap, and from it what the best of so many standard
    normal numbers is expected to be is taken off.
    """

    def answer(past: Any) -> Answer:
        asked = quantity(case.zone, past)
        line, value, error = (
            case.line(metric, 0.0),
            value_of(asked, case.zone),
            float(case.histories.draws(asked).std()),
        )
        away = (value - line) / error if error > 0 else math.nan
        num_trials = max(len(case.trial_scores), 1)
        luck = expected_maximum(num_trials)
        chance = float(ndtr(away - luck))
        note = (
            f"skill {value:.4f} is {away:.2f} standard errors of {error:.4f} above {line:g}; "
            f"{_best_of(num_trials)} is {luck:.2f} above by luck"
        )
        return Measured(chance, chance, chance, note)

    return case.with_past(answer)


def _best_of(num_trials: int) -> str:
    return f"the best of {num_trials} trials" if num_trials > 1 else "a single trial"
