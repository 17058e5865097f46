"""Is a challenger better than the champion, or only luckier: tests on losses of the same decision times.

Losses are one number per decision time, in time order: what happens to many symbols at one time is dependent, so it
is averaged first. Lower is better. A loss that is not finite leaves the answer NaN, and NaN passes no gate.

Sources: Politis and Romano (1994), "The Stationary Bootstrap"; Hansen (2005), "A Test for Superior Predictive
Ability".
"""

import math
from dataclasses import dataclass

import numpy as np
from arch.bootstrap import SPA

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


@dataclass(frozen=True)
class Superiority:
    """Chances of so good a best challenger if none is better than the champion; never 0."""

    lower: float
    """Liberal: challengers that are worse are taken to be as bad as they look."""
    consistent: float
    """Hansen's test: challengers that are clearly worse do not count."""
    upper: float
    """Conservative, as White's reality check: every challenger is taken to be as good as the champion."""


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
    drawn = _resampled_means(excess[:, None], block, samples, rng)[:, 0]
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(drawn, [tail, 1 - tail])
    as_low = int(np.count_nonzero(drawn - mean <= mean))
    return PairedDifference(mean, float(lower), float(upper), (1 + as_low) / (1 + samples), block, num)


def superior_ability(
    challengers: Array, champion: Array, *, seed: int, samples: int = 1000, block_length: float | None = None
) -> Superiority:
    """Return Hansen's test that the best of all challengers (time, challenger) beats the champion (time).

    Every challenger that was tried belongs in the set. One whose difference to the champion never varies, such
    as a copy of it, cannot be told apart and is left out. Without a ``block_length`` it is the longest optimal one.

    Raises:
        ValueError: If the losses are not of the same times.
    """
    if challengers.ndim != 2 or challengers.shape[:1] != champion.shape:  # noqa: PLR2004 - time, challenger
        raise ValueError(
            f"shapes must be (times, challengers) and (times,), were {challengers.shape} and {champion.shape}"
        )
    gain = champion[:, None] - challengers
    if not np.isfinite(gain).all():
        return Superiority(math.nan, math.nan, math.nan)
    gain = gain[:, np.ptp(gain, axis=0) > 0]
    # The test asks how often luck does better: nothing to beat is certainly reached.
    if gain.mean(axis=0).max(initial=0.0) <= 0:
        return Superiority(1.0, 1.0, 1.0)
    block = max(map(optimal_block_length, gain.T)) if block_length is None else block_length
    # arch compares means as they are, so a noisy challenger would drown the others: give each the same error.
    scaled = gain / _resampled_means(gain, block, samples, np.random.default_rng(seed)).std(axis=0)
    test = SPA(np.zeros(len(gain)), -scaled, block_size=max(1, round(block)), reps=samples, seed=seed)
    test.compute()
    lower, consistent, upper = ((1 + samples * float(share)) / (1 + samples) for share in test.pvalues)
    return Superiority(lower, consistent, upper)


def _resampled_means(series: Array, block_length: float, samples: int, rng: np.random.Generator) -> Array:
    """Return the means [sample, column] of resampled histories of series [time, column]."""
    histories = bootstrap_weights(
        len(series), block_length=block_length, samples=samples, rng=rng, num_rows=series.shape[1]
    )
    return np.concatenate([weights @ series / len(series) for weights in histories])
