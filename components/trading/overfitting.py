"""How often the configuration that looks best turns out below the median: the probability of backtest overfitting.

Source: Bailey, Borwein, Lopez de Prado and Zhu (2017), "The Probability of Backtest Overfitting".
"""
# pyright: reportUnknownVariableType=false

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from components.trading.statistics import Array

_MAX_CELLS = 2_000_000


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What became, on the other half of the history, of the configuration that was best on one half."""

    relative_ranks: Array
    """Per split, its place out of sample over the number of configurations + 1: near 0 worst, near 1 best."""

    @property
    def probability(self) -> float:
        """Share of splits on which it was at or below the median; NaN if any rank is.

        It scatters widely (standard deviation 0.2 on noise), so no gate may rest on it alone.
        """
        return float(np.where(np.isnan(self.relative_ranks), math.nan, self.relative_ranks <= 0.5).mean())  # noqa: PLR2004

    @property
    def logits(self) -> Array:
        """Log odds of the relative ranks; 0 is the median."""
        odds: Array = np.log(self.relative_ranks / (1 - self.relative_ranks))
        return odds


def cross_validate(returns: Array, *, num_configs: int, num_blocks: int = 16) -> Overfitting:
    """Return the ranks by combinatorially symmetric cross-validation of returns (time, configuration).

    History is cut into contiguous blocks; each half of them selects by Sharpe ratio, the other half judges.
    There are C(S, S / 2) splits: 252 for 10 blocks, 12,870 for 16. A configuration that does not vary on a half
    has the ratio 0 there. Of several that are best, the one counts that becomes worst. All ranks are NaN if a
    return is not finite. ``num_configs`` is how many were tried: it finds transposed returns and dropped tries.

    Raises:
        ValueError: If the number of columns is another, fewer than two were tried, or there are not an even
            number of blocks of at least two rows.
    """
    if returns.ndim != 2 or returns.shape[1] != num_configs:  # noqa: PLR2004 - time, configuration
        raise ValueError(
            f"returns must have the shape (times, {num_configs} configurations), had {returns.shape}; "
            "transpose them, or add the configurations that were left out"
        )
    if num_configs < 2:  # noqa: PLR2004 - one has no rank
        raise ValueError(f"num_configs must be >= 2, was {num_configs}")
    if num_blocks < 2 or num_blocks % 2 or len(returns) < 2 * num_blocks:  # noqa: PLR2004
        raise ValueError(f"num_blocks must be even and at most half of {len(returns)} rows, was {num_blocks}")
    chosen = _halves(num_blocks)
    if not np.isfinite(returns).all():
        return Overfitting(np.full(len(chosen), math.nan))
    parts = np.array_split(chosen, math.ceil(chosen.shape[0] * num_configs / _MAX_CELLS))
    return Overfitting(np.concatenate([_ranks_of_best(returns, part) for part in parts]))


def _halves(num_blocks: int) -> Array:
    """Return all choices of half of the blocks: 1 where a block is chosen [split, block]."""
    picks = np.array(list(combinations(range(num_blocks), num_blocks // 2)))
    chosen = np.zeros((len(picks), num_blocks))
    np.put_along_axis(chosen, picks, 1.0, axis=1)
    return chosen


def _ranks_of_best(returns: Array, chosen: Array) -> Array:
    """Return the relative rank out of sample of the best in sample, for each choice of blocks."""
    seen, unseen = _sharpe_ratios(returns, chosen), _sharpe_ratios(returns, 1 - chosen)
    place = rankdata(unseen, axis=1) / (returns.shape[1] + 1)
    best = seen == seen.max(axis=1, keepdims=True)
    worst_of_best: Array = np.where(best, place, np.inf).min(axis=1)
    return worst_of_best


def _sharpe_ratios(returns: Array, chosen: Array) -> Array:
    """Return the ratios [split, configuration] over the chosen blocks; 0 where nothing varies."""
    num_blocks = chosen.shape[1]
    first = np.r_[0, np.cumsum([len(part) for part in np.array_split(returns, num_blocks)])[:-1]]
    rows = chosen @ np.diff(np.r_[first, len(returns)])[:, None]
    centre = returns.mean(axis=0)
    away = returns - centre  # so that the sum of squares keeps its digits
    mean = chosen @ np.add.reduceat(away, first) / rows
    square = chosen @ np.add.reduceat(away * away, first) / rows
    deviation = np.sqrt(np.maximum(square - mean * mean, 0.0) * rows / (rows - 1))
    still = _constant(returns, first, chosen) | (deviation == 0)
    ratios: Array = np.where(still, 0.0, (centre + mean) / np.where(still, 1.0, deviation))
    return ratios


def _constant(returns: Array, first: np.ndarray, chosen: Array) -> np.ndarray:
    """Return where a configuration has one single return over the chosen blocks, which rounding would hide."""
    low, high = np.minimum.reduceat(returns, first), np.maximum.reduceat(returns, first)
    if (low < high).all():
        return np.zeros((len(chosen), returns.shape[1]), dtype=bool)
    picked = [np.flatnonzero(row) for row in chosen]
    return np.array([low[blocks].min(axis=0) == high[blocks].max(axis=0) for blocks in picked])
