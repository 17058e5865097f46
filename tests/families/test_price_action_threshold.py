"""Calibration at its optimum, thresholds against brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import _sigmoid_calibration

from components.families.price_action.threshold import MIN_SLOPE, Calibration, fit_platt, precise_threshold, sigmoid
from components.trading.statistics import wilson_interval


def sample(seed: int, rows: int, slope: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_odds = rng.standard_normal(rows)
    return log_odds, (rng.random(rows) < sigmoid(slope * log_odds + 0.3)).astype(np.float64)


@pytest.mark.parametrize("seed", range(4))
def test_platt_scaling_equals_scikit_learn(seed: int) -> None:
    log_odds, labels = sample(seed, 500, slope=0.6)
    fitted = fit_platt(log_odds, labels)
    slope, intercept = _sigmoid_calibration(log_odds, labels)
    assert (fitted.slope, fitted.intercept) == pytest.approx((-slope, -intercept), abs=1e-4)


def test_platt_scaling_is_where_the_gradient_vanishes() -> None:
    log_odds, labels = sample(9, 300, slope=0.5)
    target = np.where(labels > 0, (labels.sum() + 1) / (labels.sum() + 2), 1 / ((1 - labels).sum() + 2))
    error = fit_platt(log_odds, labels).probability(log_odds) - target
    assert abs(error.sum()) < 1e-6
    assert abs(error @ log_odds) < 1e-6


def test_an_overconfident_model_is_tempered() -> None:
    log_odds, labels = sample(3, 4000, slope=0.25)
    assert fit_platt(log_odds, labels).slope == pytest.approx(0.25, abs=0.08)


def test_rows_without_skill_keep_their_order_at_the_base_rate() -> None:
    log_odds, labels = sample(4, 400, slope=-1.0)
    fitted = fit_platt(log_odds, labels)
    probability = fitted.probability(log_odds)
    assert fitted.slope == MIN_SLOPE
    assert np.array_equal(np.argsort(probability), np.argsort(log_odds))
    assert probability.mean() == pytest.approx(labels.mean(), abs=0.01)


@pytest.mark.parametrize("labels", [np.ones(20), np.zeros(20), np.repeat([0.0, 1.0], 10)])
def test_one_class_or_a_perfect_split_stays_finite(labels: np.ndarray) -> None:
    fitted = fit_platt(np.linspace(-1, 1, 20), labels)
    assert math.isfinite(fitted.slope)
    assert math.isfinite(fitted.intercept)


def test_sigmoid_does_not_overflow() -> None:
    assert Calibration().probability(np.array([-1e9, 0.0, 1e9])).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.promise("S3-32")
def test_threshold_by_hand() -> None:
    probability = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    labels = np.array([1.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    # Lower Wilson bounds of 1/1, 2/2, 3/3, 3/4, 4/5: 0.21, 0.34, 0.44, 0.30, 0.38.
    assert precise_threshold(probability, labels, min_recall=0.1, confidence=0.95) == 0.7
    assert precise_threshold(probability, labels, min_recall=1.0, confidence=0.95) == 0.5


rows = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=80, deadline=None)
@given(rows=rows, min_recall=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_no_threshold_with_enough_recall_is_more_precise(rows: list[tuple[int, bool]], min_recall: float) -> None:
    probability = np.array([place / 8 for place, _ in rows])
    labels = np.array([float(label) for _, label in rows])
    found = precise_threshold(probability, labels, min_recall=min_recall, confidence=0.9)
    if not labels.any():
        assert found == 1.0
        return

    def bound(threshold: float) -> float:
        signals = probability >= threshold
        hits = int(labels[signals].sum())
        if hits < min_recall * labels.sum():
            return -1.0
        return wilson_interval(hits, int(signals.sum()), confidence=0.9)[0]

    assert bound(found) == max(bound(threshold) for threshold in set(probability.tolist()))
