"""Does what is said with 70 % come 70 % of the time?

Sources: Murphy (1973), "A New Vector Partition of the Probability Score"; Stephenson, Coelho and Jolliffe (2008),
"Two Extra Components in the Brier Score Decomposition"; Guo et al. (2017), "On Calibration of Modern Neural Networks".
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.trading.statistics import Array, bootstrap_weights, wilson_interval


@dataclass(frozen=True)
class Bin:
    """Rows of similar probability, and how often what was said came."""

    probability: float
    """Mean of the probabilities."""
    share: float
    """Share of the rows on which it came."""
    lower: float
    """Wilson bound of the share."""
    upper: float
    """Wilson bound of the share."""
    num_rows: int


@dataclass(frozen=True)
class CalibrationError:
    """The expected calibration error and where it may lie; noise only adds to all three."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class BrierParts:
    """What the Brier score is made of."""

    reliability: float
    """Mean square of what was said minus what came, over bins; 0 is calibrated."""
    resolution: float
    """Variance between bins of what came; more is better."""
    uncertainty: float
    """Variance of what came; the model cannot change it."""
    within: float
    """What the bins hide: variance of what was said inside bins minus twice its covariance with what came."""

    @property
    def score(self) -> float:
        """The Brier score: mean square of probability minus outcome."""
        return self.reliability - self.resolution + self.uncertainty + self.within


def reliability_curve(probability: Array, happened: Array, *, num_bins: int) -> list[Bin]:
    """Return bins of equal numbers of rows, from low to high probability; ``happened`` is 1 or 0."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, num_bins) if part.size]
    bins: list[Bin] = []
    for part in parts:
        count = int(happened[part].sum())
        lower, upper = wilson_interval(count, part.size)
        bins.append(Bin(float(probability[part].mean()), count / part.size, lower, upper, part.size))
    return bins


def quantile_codes(probability: Array, *, num_bins: int) -> npt.NDArray[np.int64]:
    """Return for each row its bin among at most ``num_bins``, cut at quantiles; equal probability, equal bin."""
    cuts = np.quantile(probability, np.linspace(0, 1, num_bins + 1)[1:-1])
    return np.searchsorted(cuts, probability, side="right")


def weighted_calibration_error(weights: Array, gaps: Array, num_rows: Array) -> Array:
    """Return one expected calibration error per row of ``weights`` (samples, times).

    ``gaps`` [time, bin] are the sums of probability minus outcome of the ``num_rows`` [time] rows.
    """
    result: Array = np.abs(weights @ gaps).sum(axis=-1) / (weights @ num_rows)
    return result


def calibration_error(
    probability: Array,
    happened: Array,
    *,
    rng: np.random.Generator,
    num_bins: int = 10,
    block_length: float = 1.0,
    confidence: float = 0.95,
    samples: int = 2000,
) -> CalibrationError:
    """Return the mean, over bins of like probability, of how far probability and outcome are apart.

    Rows are in time order; the two-sided percentile bounds are of a stationary bootstrap with mean blocks of
    ``block_length`` rows. All NaN without a row or if a number is not finite.
    """
    if not probability.size or not np.isfinite(probability + happened).all():
        return CalibrationError(math.nan, math.nan, math.nan)
    num = probability.size
    gaps, ones = np.zeros((num, num_bins)), np.ones(num)
    gaps[np.arange(num), quantile_codes(probability, num_bins=num_bins)] = probability - happened
    histories = bootstrap_weights(num, block_length=block_length, samples=samples, rng=rng)
    drawn = np.concatenate([weighted_calibration_error(weights, gaps, ones) for weights in histories])
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(drawn, [tail, 1 - tail])
    return CalibrationError(float(weighted_calibration_error(ones, gaps, ones)), float(lower), float(upper))


def brier_parts(probability: Array, happened: Array, *, num_bins: int = 10) -> BrierParts:
    """Return the parts of the Brier score over bins of like probability; they add up to it exactly.

    All NaN without a row or if a number is not finite.
    """
    if not probability.size or not np.isfinite(probability + happened).all():
        return BrierParts(math.nan, math.nan, math.nan, math.nan)
    code = quantile_codes(probability, num_bins=num_bins)
    num_rows = np.maximum(np.bincount(code), 1)
    said, came = (np.bincount(code, values) / num_rows for values in (probability, happened))
    base = happened.mean()
    apart, past = probability - said[code], happened - came[code]
    return BrierParts(
        reliability=float(((said - came)[code] ** 2).mean()),
        resolution=float(((came[code] - base) ** 2).mean()),
        uncertainty=float(base * (1 - base)),
        within=float((apart * apart - 2 * apart * past).mean()),
    )
