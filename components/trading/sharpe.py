"""How sure one can be of a Sharpe ratio: its error, and the best of many tries.

Ratios are per period; kurtosis is not excess (3 for the normal distribution).

Sources: Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier", and (2014), "The Deflated Sharpe
Ratio"; Lopez de Prado, Lipton and Zoonekynd (2025), "How to Use the Sharpe Ratio".
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from components.trading.statistics import Array, sharpe_ratio

Form = Literal["2014", "2025"]
"""How the error of a ratio is taken: "2014" at the observed ratio with T - 1, "2025" at the benchmark with T."""

_NORMAL = NormalDist()
_EULER = 0.5772156649015329


@dataclass(frozen=True)
class ReturnMoments:
    """What the error of a Sharpe ratio depends on; NaN where it is undefined."""

    sharpe: float
    """Mean over standard deviation (ddof 1), per period."""
    skew: float
    kurtosis: float
    """Not excess."""
    num: int
    """Returns that the moments were taken of."""

    def variance(self, at: float) -> float:
        """Return ``num`` times the variance of the estimated ratio if the true ratio is ``at``."""
        # Zero at worst, for two outcomes; rounding must not carry it below.
        return max(0.0, 1 - self.skew * at + (self.kurtosis - 1) / 4 * at * at) if math.isfinite(at) else math.nan


def moments_of(returns: Array) -> ReturnMoments:
    """Return the moments of returns per period; all NaN if one is not finite or nothing varies."""
    if not np.isfinite(returns).all() or np.ptp(returns) == 0:
        return ReturnMoments(math.nan, math.nan, math.nan, returns.size)
    away = (returns - returns.mean()) / returns.std()
    ratio = sharpe_ratio(returns, periods_per_year=1.0)
    return ReturnMoments(ratio, float((away**3).mean()), float((away**4).mean()), returns.size)


def probabilistic_sharpe(moments: ReturnMoments, *, form: Form, benchmark: float = 0.0) -> float:
    """Return the probability that the true ratio is above the benchmark, both per period; NaN if undefined."""
    at, num = (moments.sharpe, moments.num - 1) if form == "2014" else (benchmark, moments.num)
    error = math.sqrt(moments.variance(at) / num)
    away = moments.sharpe - benchmark
    if math.isnan(error) or math.isnan(away) or error == away == 0:
        return math.nan
    return _NORMAL.cdf(away / error if error else math.copysign(math.inf, away))


def expected_maximum(num_trials: int) -> float:
    """Return the mean of the best of independent standard normal tries; 0 of a single one.

    An approximation from extreme value theory, a percent or two off (Bailey and Lopez de Prado 2014).

    Raises:
        ValueError: If there is no try.
    """
    if num_trials < 1:
        raise ValueError(f"num_trials must be >= 1, was {num_trials}")
    if num_trials == 1:
        return 0.0
    usual, rare = (_NORMAL.inv_cdf(1 - 1 / (num_trials * fold)) for fold in (1.0, math.e))
    return (1 - _EULER) * usual + _EULER * rare


def deflated_benchmark(num_trials: int, trial_variance: float) -> float:
    """Return the ratio that the best of tries without any skill is expected to show.

    ``trial_variance`` is that of the tries' ratios per period.

    Raises:
        ValueError: If there is no try or the variance is negative.
    """
    if trial_variance < 0:
        raise ValueError(f"trial_variance must be >= 0, was {trial_variance}")
    return math.sqrt(trial_variance) * expected_maximum(num_trials)


def deflated_sharpe(moments: ReturnMoments, *, num_trials: int, trial_variance: float, form: Form) -> float:
    """Return the probability that the true ratio is above what the best of all tries shows by luck.

    Raises:
        ValueError: If there is no try or the variance is negative.
    """
    return probabilistic_sharpe(moments, form=form, benchmark=deflated_benchmark(num_trials, trial_variance))
