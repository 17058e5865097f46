import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trading.conformal import (
    class_coverage,
    class_sets,
    class_strangeness,
    conformal_threshold,
    interval_coverage,
    score_intervals,
)


def test_the_threshold_by_hand() -> None:
    strangeness = np.array([0.4, 0.1, 0.3, 0.2, 0.9, 0.5, 0.7, 0.6, 0.8])
    assert conformal_threshold(strangeness, miss_rate=0.1) == 0.9  # the 9th of 9: (9 + 1) 0.9 = 9
    assert conformal_threshold(strangeness, miss_rate=0.5) == 0.5
    assert conformal_threshold(strangeness, miss_rate=0.05) == math.inf  # would be the 10th of 9


def test_a_row_that_is_not_a_number_is_infinitely_strange() -> None:
    assert conformal_threshold(np.array([0.1, math.nan, 0.3]), miss_rate=0.5) == 0.3
    assert conformal_threshold(np.array([0.1, math.nan, 0.3]), miss_rate=0.3) == math.inf


@pytest.mark.parametrize("num", [9, 30, 199])
def test_intervals_hold_exchangeable_truths_as_often_as_promised(num: int) -> None:
    miss_rate, held = 0.1, []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        predicted = rng.standard_normal(num + 400)
        actual = predicted + rng.standard_t(3, num + 400)  # a model without a clue of the tails
        threshold = conformal_threshold(np.abs(actual - predicted)[:num], miss_rate=miss_rate)
        held.append(interval_coverage(actual[num:], *score_intervals(predicted[num:], threshold)))
    error = 3 * float(np.std(held)) / math.sqrt(len(held))
    assert 1 - miss_rate - error <= np.mean(held) <= 1 - miss_rate + 1 / (num + 1) + error
    # Of n rows the k-th: the share held is k / (n + 1) in the mean.
    assert np.mean(held) == pytest.approx(math.ceil((num + 1) * 0.9) / (num + 1), abs=error)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_sets_hold_exchangeable_classes_as_often_as_promised(num_classes: int) -> None:
    num, miss_rate, held = 99, 0.2, []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        probability = rng.dirichlet(np.ones(num_classes), num + 400)
        label = (rng.random((num + 400, 1)) > probability.cumsum(axis=1)).sum(axis=1)
        believed = probability**2 / (probability**2).sum(axis=1, keepdims=True)  # too sure of itself
        threshold = conformal_threshold(class_strangeness(label[:num], believed[:num]), miss_rate=miss_rate)
        held.append(class_coverage(label[num:], class_sets(believed[num:], threshold)))
    error = 3 * float(np.std(held)) / math.sqrt(len(held))
    assert 1 - miss_rate - error <= np.mean(held) <= 1 - miss_rate + 1 / (num + 1) + error


def test_sets_and_coverage_by_hand() -> None:
    probability = np.array([[0.7, 0.3], [0.45, 0.55], [math.nan, math.nan]])
    sets = class_sets(probability, threshold=0.6)
    np.testing.assert_array_equal(sets, [[True, False], [True, True], [True, True]])  # unknown: all may come
    assert class_coverage(np.array([1, 0, 1]), sets) == pytest.approx(2 / 3)
    np.testing.assert_allclose(class_strangeness(np.array([0, 1]), probability[:2]), [0.3, 0.45])
    assert class_sets(probability, threshold=math.inf).all()
    lower, upper = score_intervals(np.array([1.0, 2.0, math.nan]), 0.5)
    assert interval_coverage(np.array([1.5, 2.6, 1.0]), lower, upper) == pytest.approx(1 / 3)


def test_without_rows_there_is_no_coverage() -> None:
    assert math.isnan(class_coverage(np.array([], dtype=np.int64), np.zeros((0, 2), dtype=bool)))
    assert math.isnan(interval_coverage(np.array([]), np.array([]), np.array([])))
    assert conformal_threshold(np.array([]), miss_rate=0.1) == math.inf


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=40).map(np.array), st.floats(0.01, 0.98), st.floats(0.001, 0.01)
)
def test_fewer_misses_take_a_wider_threshold(strangeness: np.ndarray, miss_rate: float, more: float) -> None:
    tight = conformal_threshold(strangeness, miss_rate=miss_rate + more)
    wide = conformal_threshold(strangeness, miss_rate=miss_rate)
    assert wide >= tight


@pytest.mark.parametrize("miss_rate", [0.0, 1.0, math.nan])
def test_a_miss_rate_that_promises_all_or_nothing_is_refused(miss_rate: float) -> None:
    with pytest.raises(ValueError, match="miss_rate must be between 0 and 1"):
        conformal_threshold(np.array([0.1]), miss_rate=miss_rate)
