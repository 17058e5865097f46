import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from components.trading.calibration import (
    brier_parts,
    calibration_error,
    quantile_codes,
    reliability_curve,
    weighted_calibration_error,
)

ROWS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=60)


def _columns(rows: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    said, came = zip(*rows, strict=True)
    return np.array(said), np.array(came, dtype=np.float64)


def test_the_curve_by_hand() -> None:
    low, high = reliability_curve(np.array([0.9, 0.1, 0.7, 0.3]), np.array([1.0, 0.0, 1.0, 1.0]), num_bins=2)
    assert (low.probability, low.share, low.num_rows) == (pytest.approx(0.2), 0.5, 2)
    assert (high.probability, high.share, high.num_rows) == (pytest.approx(0.8), 1.0, 2)
    assert low.lower < 0.5 < low.upper


def test_equal_probabilities_share_a_bin() -> None:
    np.testing.assert_array_equal(quantile_codes(np.array([0.2, 0.2, 0.2, 0.9]), num_bins=2), [1, 1, 1, 1])
    np.testing.assert_array_equal(quantile_codes(np.array([0.2, 0.2, 0.2, 0.9]), num_bins=4), [2, 2, 2, 3])
    np.testing.assert_array_equal(quantile_codes(np.array([0.1, 0.2, 0.3, 0.9]), num_bins=2), [0, 0, 1, 1])


def test_the_error_by_hand() -> None:
    # Says 0.1 and 0.3 where 1 of 2 came, 0.7 and 0.9 where 2 of 2 did: 1/2 x 0.3 + 1/2 x 0.2.
    probability, happened = np.array([0.1, 0.3, 0.7, 0.9]), np.array([0.0, 1.0, 1.0, 1.0])
    found = calibration_error(probability, happened, num_bins=2, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(0.25)


def test_weights_repeat_rows() -> None:
    gaps, rows = np.array([[0.5, 0.0], [0.0, -0.2], [-0.1, 0.0]]), np.array([1.0, 1.0, 2.0])
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 0.0, 1.0]])
    np.testing.assert_allclose(weighted_calibration_error(weights, gaps, rows), [(0.4 + 0.2) / 4, 0.9 / 4])


def test_bounds_hold_the_error_of_one_who_is_too_sure() -> None:
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        happened = (rng.random(1000) < 0.6).astype(np.float64)
        found = calibration_error(np.full(1000, 0.8), happened, samples=200, rng=rng)
        covered += int(found.lower <= 0.2 <= found.upper)
    assert covered >= 35  # 95 % of 40 are 38


def test_noise_only_adds_to_the_error_of_one_who_is_right() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(1000)
    happened = (rng.random(1000) < probability).astype(np.float64)
    found = calibration_error(probability, happened, rng=rng)
    assert 0 < found.value < 0.05
    assert found.lower > 0


def test_blocks_widen_the_bounds_of_outcomes_that_come_in_runs() -> None:
    happened = np.repeat((np.random.default_rng(0).random(100) < 0.5).astype(np.float64), 20)
    single, blocks = (
        calibration_error(np.full(2000, 0.7), happened, rng=np.random.default_rng(1), block_length=length, samples=500)
        for length in (1.0, 40.0)
    )
    assert single.value == blocks.value
    assert blocks.upper - blocks.lower > 2 * (single.upper - single.lower)


def test_the_brier_score_by_hand() -> None:
    # Bins {0.1, 0.3} with 1 of 2 and {0.7, 0.9} with 2 of 2; base 3/4.
    parts = brier_parts(np.array([0.1, 0.3, 0.7, 0.9]), np.array([0.0, 1.0, 1.0, 1.0]), num_bins=2)
    assert parts.reliability == pytest.approx((0.3**2 + 0.2**2) / 2)
    assert parts.resolution == pytest.approx(0.25**2)
    assert parts.uncertainty == pytest.approx(3 / 16)
    assert parts.within == pytest.approx(0.01 - (0.05 + 0.05) / 2)
    assert parts.score == pytest.approx((0.01 + 0.49 + 0.09 + 0.01) / 4)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(1, 12))
def test_the_parts_add_up_to_the_brier_score(rows: list[tuple[float, int]], num_bins: int) -> None:
    probability, happened = _columns(rows)
    parts = brier_parts(probability, happened, num_bins=num_bins)
    reference = brier_score_loss(happened, probability, pos_label=1)
    assert parts.score == pytest.approx(reference, abs=1e-12)
    assert parts.reliability >= 0
    assert -1e-12 <= parts.resolution <= parts.uncertainty + 1e-12


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_one_bin_is_the_distance_of_the_means(rows: list[tuple[float, int]]) -> None:
    probability, happened = _columns(rows)
    found = calibration_error(probability, happened, num_bins=1, samples=10, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(abs(probability.mean() - happened.mean()), abs=1e-12)


@pytest.mark.parametrize("probability", [[], [0.5, math.nan]])
def test_nothing_or_a_hole_is_undefined(probability: list[float]) -> None:
    said, came = np.array(probability), np.ones(len(probability))
    assert math.isnan(calibration_error(said, came, rng=np.random.default_rng(0)).value)
    assert math.isnan(brier_parts(said, came).score)
