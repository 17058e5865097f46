"""Splits of time: what is trained on never knows what it is judged on. Nothing is shuffled.

Source: Lopez de Prado (2018), "Advances in Financial Machine Learning", ch. 7 (purging, embargo)
and ch. 12 (combinatorial purged cross-validation).

A row is decided at ``label_start`` and its outcome is known at ``label_end``. Two rows overlap when
these closed intervals meet: then each says something about the other's outcome. Rows that are
decided at one time (all symbols of a day) are never parted.
"""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from components.core.errors import RecipeError

Times = npt.NDArray[np.datetime64]
Rows = npt.NDArray[np.int64]

METHODS: Final = ("walk_forward", "combinatorial_purged")

_SUM_TOLERANCE = 1e-9
_FLOOR_DECIMALS = 6  # 0.7 + 0.1 is a hair below 0.8: a boundary that close to a whole row is that row


def chronological(num_rows: int, fractions: Mapping[str, float]) -> dict[str, slice]:
    """Return the rows of each zone, in the order of ``fractions``, as adjoining slices that cover all rows.

    A zone ends at floor(sum of the fractions so far x ``num_rows``); the last takes the rest, so
    7,261 rows at 0.8 and 0.2 are 5,808 and 1,453. Zones with fraction 0 are absent. A zone smaller
    than one row is an empty slice.

    Raises:
        RecipeError: If a fraction is negative or not finite, or if they do not sum to 1.
        ValueError: If ``num_rows`` is negative.
    """
    if num_rows < 0:
        raise ValueError(f"num_rows must be >= 0, was {num_rows}")
    for name, fraction in fractions.items():
        if not (math.isfinite(fraction) and fraction >= 0):
            raise RecipeError(f"zones.{name} must be between 0 and 1, was {fraction}; 0 leaves the zone out")
    total = math.fsum(fractions.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise RecipeError(f"zones must sum to 1, sum to {total:g}: {dict(fractions)}. Change one of them")
    kept = [name for name, fraction in fractions.items() if fraction > 0]
    zones: dict[str, slice] = {}
    start = 0
    for number, name in enumerate(kept, start=1):
        share = math.fsum(fractions[earlier] for earlier in kept[:number])
        stop = num_rows if number == len(kept) else math.floor(round(share * num_rows, _FLOOR_DECIMALS))
        zones[name] = slice(start, stop)
        start = stop
    return zones


class Split(NamedTuple):
    """Rows to train on and rows to be judged on, ascending, without a row in common."""

    train: Rows
    test: Rows


class Combinatorial(NamedTuple):
    """Every choice of test groups, and how their predictions join into whole histories."""

    splits: tuple[Split, ...]
    group: Rows
    """[row], the group of each row, by time."""
    paths: Rows
    """[path, group], the split whose predictions stand for that group on that path."""


def purge(train: Rows, test: Rows, label_start: Times, label_end: Times, embargo: np.timedelta64) -> Rows:
    """Return the rows of ``train`` that overlap no row of ``test``, nor start within ``embargo`` after one ended.

    The times are those of all rows; ``train`` and ``test`` are places in them. Every pair is
    covered in the time of a sort.

    Raises:
        ValueError: If a time is missing, a label ends before it starts, or ``embargo`` is negative.
    """
    start, end, gap = _checked(label_start, label_end, embargo)
    if len(test) == 0:
        return train
    order = np.argsort(start[test])
    latest_end = np.maximum.accumulate(end[test][order])
    num_met = np.searchsorted(start[test][order], end[train], side="right")
    return train[(num_met == 0) | (latest_end[num_met - 1] + gap < start[train])]


def walk_forward(
    label_start: Times, label_end: Times, *, num_folds: int, embargo: np.timedelta64, train_blocks: int | None = None
) -> tuple[Split, ...]:
    """Return ``num_folds`` splits in the order of time, each trained on its past only.

    Time is cut into ``num_folds`` + 1 blocks; fold k is judged on block k and trained on the blocks
    before it, or on the last ``train_blocks`` of them. A training row is kept if its label ended more
    than ``embargo`` before the first decision of the test.

    Raises:
        RecipeError: If there are fewer times than blocks, or purging leaves a fold nothing to train on.
        ValueError: If a time is missing, a label ends before it starts, or a number is out of range.
    """
    start, end, gap = _checked(label_start, label_end, embargo)
    if num_folds < 1 or (train_blocks is not None and train_blocks < 1):
        raise ValueError(f"want num_folds and train_blocks >= 1, was {num_folds} and {train_blocks}")
    block = _blocks(start, num_folds + 1)
    splits: list[Split] = []
    for fold in range(1, num_folds + 1):
        test = np.flatnonzero(block == fold)
        first = 0 if train_blocks is None else fold - train_blocks
        past = (block >= first) & (block < fold) & (end + gap < start[test].min())
        splits.append(_trainable(Split(np.flatnonzero(past), test), f"fold {fold} of {num_folds}"))
    return tuple(splits)


def combinatorial_purged(
    label_start: Times, label_end: Times, *, num_groups: int, num_test_groups: int, embargo: np.timedelta64
) -> Combinatorial:
    """Return all C(groups, test groups) splits; 6 and 2 give 15 splits on 5 paths.

    Time is cut into ``num_groups`` groups. Each split is judged on ``num_test_groups`` of them and
    trained on what ``purge`` leaves of the others, later ones too. Every group is tested equally
    often, so the predictions join into C(groups, test groups) x test groups / groups whole paths.
    One test group is purged k-fold.

    Raises:
        RecipeError: If there are fewer times than groups, or purging leaves a split nothing to train on.
        ValueError: If a time is missing, a label ends before it starts, or a number is out of range.
    """
    start, _, _ = _checked(label_start, label_end, embargo)
    if not 1 <= num_test_groups < num_groups:
        raise ValueError(f"want 1 <= num_test_groups < num_groups, was {num_test_groups} and {num_groups}")
    group = _blocks(start, num_groups)
    paths = np.empty((math.comb(num_groups - 1, num_test_groups - 1), num_groups), dtype=np.int64)
    num_tests = [0] * num_groups
    splits: list[Split] = []
    for number, chosen in enumerate(combinations(range(num_groups), num_test_groups)):
        tested = np.isin(group, chosen)
        test = np.flatnonzero(tested)
        train = purge(np.flatnonzero(~tested), test, label_start, label_end, embargo)
        splits.append(_trainable(Split(train, test), f"test groups {chosen} of {num_groups}"))
        for place in chosen:
            paths[num_tests[place], place] = number
            num_tests[place] += 1
    return Combinatorial(tuple(splits), group, paths)


def cross_validation(
    method: str, label_start: Times, label_end: Times, *, num_folds: int, embargo: np.timedelta64
) -> tuple[Split, ...]:
    """Return the splits of a method that a recipe names; ``combinatorial_purged`` tests two groups at a time.

    Raises:
        RecipeError: If the method does not exist, or is one that shuffles time.
    """
    if method == "walk_forward":
        return walk_forward(label_start, label_end, num_folds=num_folds, embargo=embargo)
    if method == "combinatorial_purged":
        cut = combinatorial_purged(label_start, label_end, num_groups=num_folds, num_test_groups=2, embargo=embargo)
        return cut.splits
    reason = "no such method on time data; random folds train on labels that overlap the test"
    raise RecipeError(f"cross-validation {method!r:.40}: {reason}. Use {' or '.join(METHODS)}")


def _checked(label_start: Times, label_end: Times, embargo: np.timedelta64) -> tuple[Rows, Rows, int]:
    """Return the times and the embargo in microseconds."""
    if label_start.ndim != 1 or label_start.shape != label_end.shape:
        raise ValueError(f"want one start and one end per row, got {label_start.shape} and {label_end.shape}")
    if np.isnat(label_start).any() or np.isnat(label_end).any() or np.isnat(embargo):
        raise ValueError("a label has no start or no end. Leave out the rows without a label")
    start, end = (times.astype("datetime64[us]").astype(np.int64) for times in (label_start, label_end))
    if np.any(end < start):
        row = int(np.argmax(end < start))
        raise ValueError(f"the label of row {row} ends at {label_end[row]}, before it starts at {label_start[row]}")
    gap = int(embargo / np.timedelta64(1, "us"))
    if gap < 0:
        raise ValueError(f"embargo must be >= 0, was {embargo}")
    return start, end, gap


def _blocks(start: Rows, num_blocks: int) -> Rows:
    """Return the block of each row: the distinct times, cut into blocks that differ by one time at most."""
    times, slot = np.unique(start, return_inverse=True)
    if len(times) < num_blocks:
        raise RecipeError(f"{len(times)} decision times cannot be cut into {num_blocks} blocks. Ask for fewer")
    return slot * num_blocks // len(times)


def _trainable(split: Split, name: str) -> Split:
    if len(split.train) == 0:
        raise RecipeError(f"{name}: no training row is left after purging. Use fewer folds or a shorter embargo")
    return split
