"""Purged splits: counts from the book, every pair by brute force, and the self-deception that they end."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor

from components.core.errors import RecipeError
from components.market.splits import (
    Rows,
    Split,
    Times,
    combinatorial_purged,
    cross_validation,
    purge,
    walk_forward,
)

DAY = np.timedelta64(1, "D")
START = np.datetime64("2020-01-01", "us")


def days(*counts: float) -> Times:
    return START + np.array([round(count * 24) for count in counts], dtype="timedelta64[h]")


def consecutive(num: int, length: int) -> tuple[Times, Times]:
    start = START + np.arange(num) * DAY
    return start, start + length * DAY


@st.composite
def labels(draw: st.DrawFn) -> tuple[Times, Times]:
    """Rows in any order, several decided at one time, with labels of any length."""
    decided = draw(st.lists(st.integers(0, 30), min_size=1, max_size=40))
    length = draw(st.lists(st.integers(0, 6), min_size=len(decided), max_size=len(decided)))
    start = START + np.array(decided) * DAY
    return start, start + np.array(length) * DAY


def meets(train: int, test: int, spans: tuple[Times, Times], embargo: np.timedelta64) -> bool:
    start, end = spans
    return bool(start[train] <= end[test] + embargo and end[train] >= start[test])


def block_of(start: Times, num: int) -> list[int]:
    times = sorted(set(start.tolist()))
    return [times.index(time) * num // len(times) for time in start.tolist()]


def test_purge_by_hand() -> None:
    start, end = consecutive(12, 2)
    test = np.array([5, 6])
    rest = np.array([0, 1, 2, 3, 4, 7, 8, 9, 10, 11])
    # The test labels cover days 5 to 8: 3 and 4 reach into them, 7 and 8 start inside.
    assert purge(rest, test, start, end, 0 * DAY).tolist() == [0, 1, 2, 9, 10, 11]
    assert purge(rest, test, start, end, 2 * DAY).tolist() == [0, 1, 2, 11]


def test_a_label_that_envelops_the_test_is_purged() -> None:
    start, end = days(0, 4), days(9, 5)
    assert purge(np.array([0]), np.array([1]), start, end, 0 * DAY).tolist() == []


@settings(deadline=None, derandomize=True, max_examples=200)
@given(spans=labels(), embargo=st.integers(0, 5), data=st.data())
def test_purge_equals_every_pair(spans: tuple[Times, Times], embargo: int, data: st.DataObject) -> None:
    num = len(spans[0])
    tested = np.array(data.draw(st.lists(st.booleans(), min_size=num, max_size=num)))
    train, test = np.flatnonzero(~tested), np.flatnonzero(tested)
    expected = [row for row in train.tolist() if not any(meets(row, t, spans, embargo * DAY) for t in test.tolist())]
    assert purge(train, test, *spans, embargo * DAY).tolist() == expected


@settings(deadline=None, derandomize=True, max_examples=200)
@given(spans=labels(), embargo=st.integers(0, 5), num=st.integers(1, 5), last=st.none() | st.integers(1, 3))
def test_walk_forward_equals_every_pair(spans: tuple[Times, Times], embargo: int, num: int, last: int | None) -> None:
    start, end = spans
    expected: list[tuple[list[int], list[int]]] = []
    if len(set(start.tolist())) > num:
        block = block_of(start, num + 1)
        for fold in range(1, num + 1):
            test = [row for row in range(len(start)) if block[row] == fold]
            past = [r for r in range(len(start)) if block[r] < fold and (last is None or block[r] >= fold - last)]
            kept = [row for row in past if all(end[row] + embargo * DAY < start[t] for t in test)]
            expected.append((kept, test))
    if not expected or not all(kept for kept, _ in expected):
        with pytest.raises(RecipeError, match=r"cannot be cut|no training row"):
            walk_forward(start, end, num_folds=num, embargo=embargo * DAY, train_blocks=last)
        return
    got = walk_forward(start, end, num_folds=num, embargo=embargo * DAY, train_blocks=last)
    assert [(split.train.tolist(), split.test.tolist()) for split in got] == expected


@settings(deadline=None, derandomize=True, max_examples=200)
@given(spans=labels(), embargo=st.integers(0, 3), num=st.integers(2, 5), data=st.data())
def test_combinatorial_equals_every_pair(
    spans: tuple[Times, Times], embargo: int, num: int, data: st.DataObject
) -> None:
    start, end = spans
    tested = data.draw(st.integers(1, num - 1))
    expected: list[tuple[list[int], list[int]]] = []
    if len(set(start.tolist())) >= num:
        block = block_of(start, num)
        for chosen in combinations(range(num), tested):
            test = [row for row in range(len(start)) if block[row] in chosen]
            rest = [row for row in range(len(start)) if block[row] not in chosen]
            kept = [row for row in rest if not any(meets(row, t, spans, embargo * DAY) for t in test)]
            expected.append((kept, test))
    if not expected or not all(kept for kept, _ in expected):
        with pytest.raises(RecipeError, match=r"cannot be cut|no training row"):
            combinatorial_purged(start, end, num_groups=num, num_test_groups=tested, embargo=embargo * DAY)
        return
    got = combinatorial_purged(start, end, num_groups=num, num_test_groups=tested, embargo=embargo * DAY)
    assert [(split.train.tolist(), split.test.tolist()) for split in got.splits] == expected
    for path in got.paths:  # every path predicts every row once, each group by a split that tests it
        seen = np.concatenate([np.flatnonzero(got.group == place) for place in range(num)])
        assert sorted(seen.tolist()) == list(range(len(start)))
        for place, number in enumerate(path.tolist()):
            assert set(np.flatnonzero(got.group == place)) <= set(got.splits[number].test)
    assert all(len(set(used.tolist())) == len(used) for used in got.paths.T)


@pytest.mark.parametrize(("groups", "tested", "splits", "paths"), [(6, 2, 15, 5), (10, 2, 45, 9), (10, 8, 45, 36)])
def test_counts_of_the_book(groups: int, tested: int, splits: int, paths: int) -> None:
    start, end = consecutive(200, 1)
    cut = combinatorial_purged(start, end, num_groups=groups, num_test_groups=tested, embargo=DAY)
    assert (len(cut.splits), cut.paths.shape) == (splits, (paths, groups))


@pytest.mark.parametrize("method", ["k_fold", "shuffled", "random", "stratified_k_fold", ""])
def test_random_folds_are_refused_and_the_alternative_is_named(method: str) -> None:
    with pytest.raises(RecipeError, match=r"overlap the test\. Use walk_forward or combinatorial_purged"):
        cross_validation(method, *consecutive(50, 1), num_folds=5, embargo=DAY)


def test_methods_that_a_recipe_may_name() -> None:
    spans = consecutive(60, 1)
    assert len(cross_validation("walk_forward", *spans, num_folds=5, embargo=DAY)) == 5
    assert len(cross_validation("combinatorial_purged", *spans, num_folds=6, embargo=DAY)) == 15


@pytest.mark.parametrize(
    ("start", "end", "embargo", "says"),
    [
        (days(0, 1), days(1), DAY, "one start and one end"),
        (days(0, 1), np.array([START, np.datetime64("NaT")]), DAY, "no start or no end"),
        (days(0, 3), days(1, 2), DAY, "row 1 ends at"),
        (days(0, 1), days(1, 2), -DAY, "embargo must be >= 0"),
    ],
)
def test_times_that_mean_nothing_are_refused(start: Times, end: Times, embargo: np.timedelta64, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        purge(np.array([0]), np.array([0]), start, end, embargo)


def out_of_fold(features: npt.NDArray[np.float64], label: npt.NDArray[np.float64], splits: list[Split]) -> float:
    """Return the information coefficient of predictions for rows that were not trained on."""
    guess = np.empty_like(label)
    for train, test in splits:
        model = ExtraTreesRegressor(n_estimators=20, random_state=0, n_jobs=1).fit(features[train], label[train])
        guess[test] = model.predict(features[test])
    return float(np.corrcoef(guess, label)[0, 1])


def shuffled(num: int, folds: int) -> list[Split]:
    fold: Rows = np.random.default_rng(1).permutation(num) % folds
    return [Split(np.flatnonzero(fold != place), np.flatnonzero(fold == place)) for place in range(folds)]


def test_on_pure_noise_shuffled_folds_see_skill_and_purged_ones_do_not() -> None:
    num, horizon = 1_000, 20
    start, end = consecutive(num, horizon)
    purged = combinatorial_purged(start, end, num_groups=5, num_test_groups=1, embargo=horizon * DAY)
    believed, honest = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        label = np.convolve(rng.standard_normal(num + horizon), np.ones(horizon), "valid")[1:]  # the next 20 moves
        features = rng.standard_normal((num, 10)).cumsum(axis=0)  # slow, and nothing to do with the moves
        believed.append(out_of_fold(features, label, shuffled(num, 5)))
        honest.append(out_of_fold(features, label, list(purged.splits)))
    assert np.min(believed) > 0.9
    assert abs(np.mean(honest)) < 0.1
