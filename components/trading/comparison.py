"""Is a challenger better than the champion, or only luckier: a paired test on losses of the same decision times.

Losses are one number per decision time, in time order: what happens to many symbols at one time is dependent, so it
is averaged first. Lower is better. A loss that is not finite leaves the answer NaN, and NaN passes no gate.

Source: Politis and Romano (1994), "The Stationary Bootstrap".
"""

import math
from dataclasses import dataclass

import numpy as np

from components.trading.statistics import Array, bootstrap_weights, optimal_block_length


@dataclass(frozen=True)
class PairedDifference:
    """The mean loss of the challenger minus that of the champion, and where it may lie."""

    difference: float
    lower: float
    """Two-sided percentile bound."""
    upper: float
    """Two-sided percentile bound."""
    p_value: float
    """Chance of a mean so low if the challenger is no better; never 0."""
    block_length: float
    """Mean block of the bootstrap, in decision times."""
    num_times: int


def compare_losses(
    challenger: Array,
    champion: Array,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    samples: int = 2000,
    block_length: float | None = None,
) -> PairedDifference:
    """Return the paired difference with its stationary bootstrap; give a block of at least the label's horizon.

    Without a ``block_length`` it is the optimal one of the differences. Bounds and p-value are NaN if all
    differences are one number other than 0, as they then say nothing of their error.

    Raises:
        ValueError: If the two have not one loss for each of the same times.
    """
    if challenger.ndim != 1 or challenger.shape != champion.shape or not challenger.size:
        raise ValueError(f"one loss per time is needed of both, shapes were {challenger.shape} and {champion.shape}")
    excess, num = challenger - champion, challenger.size
    mean = float(excess.mean())
    if not np.isfinite(excess).all() or (np.ptp(excess) == 0 and mean != 0):
        return PairedDifference(mean, math.nan, math.nan, math.nan, math.nan, num)
    block = optimal_block_length(excess) if block_length is None else block_length
    drawn = resampled_means(excess[:, None], block, samples, rng)[:, 0]
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(drawn, [tail, 1 - tail])
    as_low = int(np.count_nonzero(drawn - mean <= mean))
    return PairedDifference(mean, float(lower), float(upper), (1 + as_low) / (1 + samples), block, num)


def resampled_means(series: Array, block_length: float, samples: int, rng: np.random.Generator) -> Array:
    """Return the means [sample, column] of resampled histories of series [time, column]."""
    histories = bootstrap_weights(
        len(series), block_length=block_length, samples=samples, rng=rng, num_rows=series.shape[1]
    )
    return np.concatenate([weights @ series / len(series) for weights in histories])
