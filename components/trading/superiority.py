"""Is the best of many challengers better than the champion, or the luckiest of many?

Losses as in ``comparison``. In a module of its own because importing arch takes seconds.

Source: Hansen (2005), "A Test for Superior Predictive Ability".
"""

import math
from dataclasses import dataclass

import numpy as np
from arch.bootstrap import SPA

from components.trading.comparison import resampled_means
from components.trading.statistics import Array, optimal_block_length


@dataclass(frozen=True)
class Superiority:
    """Chances of so good a best challenger if none is better than the champion; never 0."""

    lower: float
    """Liberal: challengers that are worse are taken to be as bad as they look."""
    consistent: float
    """Hansen's test: challengers that are clearly worse do not count."""
    upper: float
    """Conservative, as White's reality check: every challenger is taken to be as good as the champion."""


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
    scaled = gain / resampled_means(gain, block, samples, np.random.default_rng(seed)).std(axis=0)
    test = SPA(np.zeros(len(gain)), -scaled, block_size=max(1, round(block)), reps=samples, seed=seed)
    test.compute()
    lower, consistent, upper = ((1 + samples * float(share)) / (1 + samples) for share in test.pvalues)
    return Superiority(lower, consistent, upper)
