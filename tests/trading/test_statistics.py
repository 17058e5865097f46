import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import log_loss, roc_auc_score

from components.trading.statistics import (
    auc,
    bootstrap_weights,
    class_log_loss_rows,
    log_loss_rows,
    optimal_block_length,
    ranks,
    sharpe_ratio,
    wilson_interval,
)


@pytest.mark.parametrize(("wins", "total"), [(55, 100), (0, 7), (7, 7), (1, 3), (412, 1000)])
def test_wilson_interval_agrees_with_scipy(wins: int, total: int) -> None:
    reference = binomtest(wins, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(wins, total) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_no_trial_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="total=3, was 4"):
        wilson_interval(4, 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=60))
def test_auc_agrees_with_scikit_learn_also_with_ties(rows: list[tuple[int, int]]) -> None:
    label, score = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    if 0 < label.sum() < label.size:
        assert auc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    else:
        assert math.isnan(auc(label, score))


def test_ranks_share_the_mean_place() -> None:
    np.testing.assert_array_equal(ranks(np.array([0.3, 0.1, 0.3, 0.9])), [2.5, 1.0, 2.5, 4.0])


def test_log_loss_agrees_with_scikit_learn_and_stays_finite() -> None:
    rng = np.random.default_rng(3)
    label, probability = rng.integers(0, 2, 200).astype(np.float64), rng.random(200)
    probability[:2] = 0.0, 1.0
    assert log_loss_rows(label, probability).mean() == pytest.approx(log_loss(label, probability), abs=1e-9)
    assert log_loss_rows(np.array([1.0]), np.array([0.0]))[0] == pytest.approx(36.04, abs=0.01)


def test_resampled_histories_have_full_length_and_every_time_is_as_likely() -> None:
    weights = np.vstack(list(bootstrap_weights(40, block_length=5.0, samples=4000, rng=np.random.default_rng(1))))
    assert weights.shape == (4000, 40)
    np.testing.assert_array_equal(weights.sum(axis=1), 40)
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.12)


def test_blocks_of_one_are_the_iid_bootstrap() -> None:
    weights = np.vstack(list(bootstrap_weights(30, block_length=1.0, samples=6000, rng=np.random.default_rng(2))))
    assert weights.var(axis=0).mean() == pytest.approx(1 - 1 / 30, abs=0.03)  # multinomial


def test_chunks_do_not_exceed_the_memory_they_were_cut_for() -> None:
    chunks = list(bootstrap_weights(10, block_length=2.0, samples=7, rng=np.random.default_rng(0), num_rows=2_000_000))
    assert [len(chunk) for chunk in chunks] == [2, 2, 2, 1]


def test_the_same_seed_draws_the_same_histories() -> None:
    first, second = (
        np.vstack(list(bootstrap_weights(20, block_length=3.0, samples=50, rng=np.random.default_rng(9))))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def _autoregression(correlation: float, num: int, seed: int) -> np.ndarray:
    shocks = np.random.default_rng(seed).standard_normal(num)
    for t in range(1, num):
        shocks[t] += correlation * shocks[t - 1]
    return shocks


@pytest.mark.parametrize("correlation", [0.3, 0.6])
def test_block_length_of_an_autoregression_matches_its_closed_form(correlation: float) -> None:
    # For AR(1) the optimum is (2 rho / (1 - rho^2))^(2/3) n^(1/3).
    num = 4000
    expected = (2 * correlation / (1 - correlation**2)) ** (2 / 3) * num ** (1 / 3)
    found = [optimal_block_length(_autoregression(correlation, num, seed)) for seed in range(20)]
    assert np.median(found) == pytest.approx(expected, rel=0.15)


def test_block_length_of_noise_is_short_and_of_a_constant_is_one() -> None:
    found = [optimal_block_length(_autoregression(0.0, 1000, seed)) for seed in range(20)]
    assert np.median(found) < 4.0
    assert optimal_block_length(np.full(50, 0.1)) == 1.0
    assert optimal_block_length(np.array([1.0, 2.0])) == 1.0


def test_blocks_cover_the_mean_of_an_autoregression_where_single_draws_do_not() -> None:
    covered = {1.0: 0, 20.0: 0}
    for seed, block_length in product(range(120), covered):
        series = _autoregression(0.6, 400, seed)
        rng = np.random.default_rng(seed)
        (weights,) = bootstrap_weights(400, block_length=block_length, samples=300, rng=rng)
        low, high = np.quantile(weights @ series / 400, [0.05, 0.95])
        covered[block_length] += int(low <= 0.0 <= high)
    assert covered[1.0] < 85  # 90 % of 120 would be 108
    assert covered[20.0] > 95


def test_sharpe_ratio_by_hand() -> None:
    assert sharpe_ratio(np.array([0.01, 0.03]), periods_per_year=50.0) == pytest.approx(
        0.02 / (0.02 / math.sqrt(2)) * math.sqrt(50.0), abs=1e-12
    )
    assert math.isnan(sharpe_ratio(np.zeros(5), periods_per_year=252.0))
    assert math.isnan(sharpe_ratio(np.array([0.1]), periods_per_year=252.0))


def test_the_log_loss_of_classes_agrees_with_scikit_learn_and_of_two_classes_with_that_of_a_direction() -> None:
    probability = np.array([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05], [0.0, 0.0, 1.0]])
    label = np.array([1, 0, 2])
    rows = class_log_loss_rows(label, probability)
    assert rows.mean() == pytest.approx(log_loss(label, probability), abs=1e-12)
    assert class_log_loss_rows(np.array([0]), probability[2:])[0] == pytest.approx(36.04, abs=0.01)  # sure and wrong
    up = np.array([0.3, 0.8])
    two = class_log_loss_rows(np.array([1, 0]), np.stack([1 - up, up], axis=1))
    np.testing.assert_allclose(two, log_loss_rows(np.array([1.0, 0.0]), up), rtol=1e-12)
