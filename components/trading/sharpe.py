"""How sure one can be of a Sharpe ratio: its error, the best of many tries, and how long a history has to be.

Ratios are per period unless a name says ``annual``; kurtosis is not excess (3 for the normal distribution).

Sources: Lo (2002), "The Statistics of Sharpe Ratios"; Bailey and Lopez de Prado (2012), "The Sharpe Ratio
Efficient Frontier", and (2014), "The Deflated Sharpe Ratio"; Bailey, Borwein, Lopez de Prado and Zhu (2014),
"Pseudo-Mathematics and Financial Charlatanism"; Lopez de Prado, Lipton and Zoonekynd (2025), "How to Use the
Sharpe Ratio".
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from components.trading.statistics import Array, sharpe_ratio

Form = Literal["2014", "2025"]
"""How the error of a ratio is taken: "2014" at the observed ratio with T - 1, "2025" at the benchmark with T.

On few returns with fat tails they are far apart, so a number is never shown without its form.
"""

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

    def __post_init__(self) -> None:
        """Refuse moments that no returns can have.

        Raises:
            ValueError: If there are fewer than two returns or the kurtosis is below 1 + skew^2.
        """
        if self.num < 2:  # noqa: PLR2004 - one return has no deviation
            raise ValueError(f"num must be >= 2, was {self.num}")
        if self.kurtosis < (1 + self.skew**2) * (1 - 1e-9):
            raise ValueError(
                f"kurtosis {self.kurtosis} is below 1 + skew^2 = {1 + self.skew**2}; it must not be the excess"
            )

    def variance(self, at: float) -> float:
        """Return ``num`` times the variance of the estimated ratio if the true ratio is ``at``."""
        # Zero at worst, for two outcomes; rounding must not carry it below.
        return max(0.0, 1 - self.skew * at + (self.kurtosis - 1) / 4 * at * at) if math.isfinite(at) else math.nan


def moments_of(returns: Array) -> ReturnMoments:
    """Return the moments of returns per period; all NaN if one is not finite or nothing varies.

    Raises:
        ValueError: If there are fewer than two returns.
    """
    if not np.isfinite(returns).all() or np.ptp(returns) == 0:
        return ReturnMoments(math.nan, math.nan, math.nan, returns.size)
    away = (returns - returns.mean()) / returns.std()
    ratio = sharpe_ratio(returns, periods_per_year=1.0)
    return ReturnMoments(ratio, float((away**3).mean()), float((away**4).mean()), returns.size)


def standard_error(moments: ReturnMoments) -> float:
    """Return the standard deviation of the estimated ratio, at the observed ratio (Bailey and Lopez de Prado 2012)."""
    return math.sqrt(moments.variance(moments.sharpe) / moments.num)


def normal_standard_error(sharpe: float, num: int) -> float:
    """Return the standard deviation of a ratio of ``num`` independent normal returns (Lo 2002).

    Raises:
        ValueError: If there are fewer than two returns.
    """
    return standard_error(ReturnMoments(sharpe, skew=0.0, kurtosis=3.0, num=num))


def probabilistic_sharpe(moments: ReturnMoments, *, form: Form, benchmark: float = 0.0) -> float:
    """Return the probability that the true ratio is above the benchmark, both per period.

    NaN if the ratio is undefined or, as two outcomes alone can have it, without any error.
    The 2014 form falls as the benchmark rises; the 2025 form need not, as the error changes with the benchmark.
    """
    at, num = (moments.sharpe, moments.num - 1) if form == "2014" else (benchmark, moments.num)
    error = math.sqrt(moments.variance(at) / num)
    return _NORMAL.cdf((moments.sharpe - benchmark) / error) if error > 0 else math.nan


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

    ``num_trials`` counts every try, the failed and the forgotten too.

    Raises:
        ValueError: If there is no try or the variance is negative.
    """
    return probabilistic_sharpe(moments, form=form, benchmark=deflated_benchmark(num_trials, trial_variance))


def minimum_track_record(
    moments: ReturnMoments, *, form: Form, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """Return how many returns it takes for the probability of being above the benchmark to reach ``confidence``.

    Infinity if the ratio is not above the benchmark; NaN if undefined.

    Raises:
        ValueError: If the confidence is not between one half and one.
    """
    if not 0.5 < confidence < 1:  # noqa: PLR2004 - below it, any history will do
        raise ValueError(f"confidence must be above 0.5 and below 1, was {confidence}")
    if moments.sharpe <= benchmark:
        return math.inf
    away = _NORMAL.inv_cdf(confidence) / (moments.sharpe - benchmark)
    if form == "2014":
        return 1 + moments.variance(moments.sharpe) * away**2
    return moments.variance(benchmark) * away**2


def minimum_backtest_years(num_trials: int, *, annual_sharpe: float) -> float:
    """Return the years below which the best of so many tries without skill shows the ratio by luck.

    Raises:
        ValueError: If there is no try or the ratio is not positive.
    """
    if not annual_sharpe > 0:
        raise ValueError(f"annual_sharpe must be > 0, was {annual_sharpe}")
    return (expected_maximum(num_trials) / annual_sharpe) ** 2
