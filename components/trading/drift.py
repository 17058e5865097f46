"""Does what comes in now still look like what the model was trained on?

A value that is not finite leaves an answer NaN, which is not "no drift". Rows that depend on their neighbours in
time make the p-values too small; compare them with those of two quiet stretches before raising an alarm.

Sources: Gretton et al. (2012), "A Kernel Two-Sample Test"; Zaremba, Gretton and Blaschko (2013), "B-tests".
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist
from scipy.stats import ks_2samp

from components.trading.discovery import adjusted
from components.trading.statistics import Array

_MEDIAN_ROWS = 1000


@dataclass(frozen=True)
class TwoSample:
    """How far two samples are apart, and the chance of that if they are alike."""

    statistic: float
    p_value: float


def population_stability(reference: Array, current: Array, *, num_bins: int = 10) -> float:
    """Return the population stability index: the sum over bins of (a - b) ln(a / b), a and b the shares of rows.

    Bins are cut at the reference's quantiles; a value that fills bins alone has one for itself. Where one
    sample has no row in a bin, it counts as having half a row. Below 0.1 is calm, above 0.25 is a shift, by custom.
    NaN without a row or if a value is not finite.
    """
    if not _usable(reference, current):
        return math.nan
    cuts = np.quantile(reference, np.linspace(0, 1, num_bins + 1)[1:-1])
    heavy = cuts[:-1][cuts[:-1] == cuts[1:]]
    cuts = np.unique(np.r_[cuts, np.nextafter(heavy, math.inf)])
    counts = np.array([np.bincount(np.searchsorted(cuts, values, side="right"), minlength=cuts.size + 1)
                       for values in (reference, current)])  # fmt: skip
    filled = counts[:, counts.any(axis=0)]
    was, now = np.maximum(filled, 0.5) / [[reference.size], [current.size]]
    return float(((was - now) * np.log(was / now)).sum())


def distribution_distance(reference: Array, current: Array) -> TwoSample:
    """Return the largest distance of the distribution functions (Kolmogorov and Smirnov), with its asymptotic p-value.

    NaN without a row or if a value is not finite.
    """
    if not _usable(reference, current):
        return TwoSample(math.nan, math.nan)
    found = ks_2samp(reference, current, method="asymp")
    return TwoSample(float(found.statistic), float(found.pvalue))


def kernel_distance(
    reference: Array,
    current: Array,
    *,
    rng: np.random.Generator,
    block_rows: int = 100,
    max_rows: int = 10_000,
    permutations: int = 199,
) -> TwoSample:
    """Return the squared maximum mean discrepancy of rows (row, feature), which sees changes of dependence too.

    Features are divided by their deviation over both samples; the kernel is exp(-d^2 / (2 m^2)), m the median
    distance. The estimate is unbiased, so it may be negative: the mean over blocks of ``block_rows`` random rows of
    each sample, as many as the smaller one fills and ``max_rows`` allow. The cost grows with rows x ``block_rows``,
    not with rows^2. Labels are permuted inside blocks. NaN with fewer than two rows or if a value is not finite.

    Raises:
        ValueError: If the samples have not the same features.
    """
    if reference.ndim != 2 or reference.shape[1:] != current.shape[1:]:  # noqa: PLR2004 - row, feature
        raise ValueError(f"shapes must be (rows, features) of the same features: {reference.shape}, {current.shape}")
    num = min(len(reference), len(current), max_rows)
    block = min(block_rows, num)
    if block < 2 or not _usable(reference, current):  # noqa: PLR2004 - no pair
        return TwoSample(math.nan, math.nan)
    num_blocks = num // block
    both = np.concatenate([reference, current])
    centre, deviation = both.mean(axis=0), both.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    halves = [(rows[rng.permutation(len(rows))[: num_blocks * block]] - centre) / deviation
              for rows in (reference, current)]  # fmt: skip
    pools = np.concatenate([half.reshape(num_blocks, block, -1) for half in halves], axis=1)
    labels = np.broadcast_to(np.repeat([1.0, -1.0], block), (num_blocks, 1 + permutations, 2 * block))
    signs = np.concatenate([labels[:, :1], rng.permuted(labels[:, 1:], axis=2)], axis=1)
    found = _discrepancies(_kernels(pools), signs)
    as_far = int(np.count_nonzero(found[1:] >= found[0]))
    return TwoSample(float(found[0]), (1 + as_far) / (1 + permutations))


def compare_features(reference: pd.DataFrame, current: pd.DataFrame, *, num_bins: int = 10) -> pd.DataFrame:
    """Return one row per feature: both means, deviations and missing shares, ``psi``, ``ks`` and its p-values.

    ``ks_adjusted`` is the p-value after Benjamini and Yekutieli: among many features, some differ by luck.

    Raises:
        ValueError: If the two have not the same features.
    """
    if set(reference.columns) != set(current.columns):
        odd = sorted(set(reference.columns) ^ set(current.columns))
        raise ValueError(f"features {odd} are in one sample only; compare samples of the same feature schema")
    rows: dict[str, dict[str, float]] = {}
    for name in reference.columns:
        was, now = (frame[name].to_numpy(dtype=np.float64) for frame in (reference, current))
        distance = distribution_distance(was, now)
        rows[name] = {f"{at}_{key}": number for at, values in (("reference", was), ("current", now))
                      for key, number in _summary(values).items()}  # fmt: skip
        rows[name] |= {
            "psi": population_stability(was, now, num_bins=num_bins),
            "ks": distance.statistic,
            "ks_p_value": distance.p_value,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.assign(ks_adjusted=adjusted(table["ks_p_value"].to_numpy()))


def _usable(reference: Array, current: Array) -> bool:
    return all(bool(values.size) and bool(np.isfinite(values).all()) for values in (reference, current))


def _summary(values: Array) -> dict[str, float]:
    """Return mean, deviation and missing share of one feature; NaN where nothing is left."""
    left = values[np.isfinite(values)]
    missing = 1 - left.size / values.size if values.size else math.nan
    mean, deviation = (float(left.mean()), float(left.std())) if left.size else (math.nan, math.nan)
    return {"mean": mean, "deviation": deviation, "missing": missing}


def _kernels(pools: Array) -> Array:
    """Return the kernels [block, row, row] of pooled rows [block, row, feature], with 0 on the diagonal."""
    rows = pools.reshape(-1, pools.shape[-1])
    few = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MEDIAN_ROWS)).astype(int)]
    median = float(np.median(pdist(few))) or 1.0
    square = (pools * pools).sum(axis=2)
    distance = square[:, :, None] + square[:, None, :] - 2 * pools @ pools.transpose(0, 2, 1)
    kernel: Array = np.exp(-np.maximum(distance, 0.0) / (2 * median * median))
    diagonal = np.arange(kernel.shape[1])
    kernel[:, diagonal, diagonal] = 0.0
    return kernel


def _discrepancies(kernel: Array, signs: Array) -> Array:
    """Return the mean unbiased squared discrepancy over blocks; ``signs`` [block, labelling, row] are 1 or -1."""
    block = kernel.shape[1] // 2
    total = kernel.sum(axis=(1, 2))[:, None]
    likeness = ((signs @ kernel) * signs).sum(axis=2)  # same labels minus others
    same, other = (total + likeness) / 2, (total - likeness) / 2
    result: Array = (same / (block * (block - 1)) - other / block**2).mean(axis=0)
    return result
