"""Reductions over groups of unequal length: ``group`` holds the group of each row, from 0 to ``num_groups`` - 1.

A group's result depends on its own rows only, bit for bit, whatever other groups the arrays hold.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def total(group: Codes, values: Floats, num_groups: int) -> Floats:
    """Return the sum of the known values of each group, NaN where none is known."""
    known = np.isfinite(values)
    sums = np.bincount(group, np.where(known, values, 0.0), minlength=num_groups)
    return np.where(count(group, known, num_groups) > 0, sums, np.nan)


def count(group: Codes, rows: Flags, num_groups: int) -> Codes:
    """Return how many rows of each group are marked."""
    return np.bincount(group[rows], minlength=num_groups)


def ratio(over: Floats, under: Floats) -> Floats:
    """Return ``over`` / ``under``, NaN where ``under`` is not above 0."""
    positive = under > 0
    return np.where(positive, over / np.where(positive, under, 1.0), np.nan)


def median(group: Codes, values: Floats, num_groups: int) -> Floats:
    """Return the median of the known values of each group, NaN where none is known."""
    known = np.isfinite(values)
    group, values = group[known], values[known]
    values = values[np.lexsort((values, group))]
    lengths = np.bincount(group, minlength=num_groups)
    starts = np.cumsum(lengths) - lengths
    padded = np.append(values, np.nan)
    low = np.where(lengths > 0, starts + (lengths - 1) // 2, len(values))
    high = np.where(lengths > 0, starts + lengths // 2, len(values))
    return (padded[low] + padded[high]) / 2


def interpolated(
    group: Codes, x: Floats, y: Floats, at: Floats | float, num_groups: int, *, max_gap: float = np.inf
) -> Floats:
    """Return y at x = ``at`` of each group, on the straight line between the neighbours; NaN outside of them.

    Rows without x or y are left out. Neighbours further apart than ``max_gap`` give NaN too.
    """
    known = np.isfinite(x) & np.isfinite(y)
    group, x, y = group[known], x[known], y[known]
    order = np.lexsort((x, group))
    group, x, y = group[order], np.append(x[order], np.nan), np.append(y[order], np.nan)
    target = np.broadcast_to(np.asarray(at, dtype=np.float64), (num_groups,))
    lengths = np.bincount(group, minlength=num_groups)
    starts = np.cumsum(lengths) - lengths
    not_above = count(group, x[:-1] <= target[group], num_groups)
    below = count(group, x[:-1] < target[group], num_groups)
    reached = (not_above > 0) & (below < lengths)
    left = np.where(reached, starts + not_above - 1, len(x) - 1)
    right = np.where(reached, starts + below, len(x) - 1)
    gap = x[right] - x[left]  # 0, or below it among equal x, where the target is met exactly
    weight = np.where(gap > 0, (target - x[left]) / np.where(gap > 0, gap, 1.0), 0.0)
    return np.where(gap <= max_gap, y[left] + weight * (y[right] - y[left]), np.nan)


def first_marked(group: Codes, rows: Flags, num_groups: int) -> Codes:
    """Return the first marked row of each group, -1 where none is; ``group`` ascends."""
    first = np.full(num_groups, -1, dtype=np.int64)
    marked = np.flatnonzero(rows)
    owners, place = np.unique(group[marked], return_index=True)
    first[owners] = marked[place]
    return first
