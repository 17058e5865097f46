import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purgedcv import probability_of_backtest_overfitting

from components.trading.overfitting import cross_validate


def _noise(seed: int, *, times: int = 480, configs: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((times, configs))


def test_on_noise_the_best_is_a_coin_toss_and_one_toss_says_little() -> None:
    found = [cross_validate(_noise(seed), num_configs=20, num_blocks=10).probability for seed in range(100)]
    assert round(float(np.mean(found)), 3) == 0.494
    assert round(float(np.std(found)), 3) == 0.208


@pytest.mark.parametrize("seed", range(20))
def test_one_truly_good_configuration_is_never_overfit(seed: int) -> None:
    returns = _noise(seed)
    returns[:, 3] += 0.4
    assert cross_validate(returns, num_configs=20, num_blocks=10).probability == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_without_means_the_best_half_is_always_the_worst_other_half(seed: int) -> None:
    returns = _noise(seed)
    assert cross_validate(returns - returns.mean(axis=0), num_configs=20, num_blocks=10).probability == 1.0


@pytest.mark.parametrize(("num_blocks", "num_splits"), [(10, 252), (16, 12_870)])
def test_every_half_of_the_blocks_is_tried(num_blocks: int, num_splits: int) -> None:
    assert cross_validate(_noise(0), num_configs=20, num_blocks=num_blocks).relative_ranks.shape == (num_splits,)


@pytest.mark.parametrize("times", [240, 247])
@pytest.mark.parametrize("configs", [6, 20])
def test_agrees_with_purgedcv_split_by_split(times: int, configs: int) -> None:
    returns = _noise(5, times=times, configs=configs) + 0.05 * np.arange(configs)
    found = cross_validate(returns, num_configs=configs, num_blocks=8)
    theirs = probability_of_backtest_overfitting(returns.T, n_splits=8)
    assert found.probability == theirs.pbo
    np.testing.assert_allclose(np.sort(found.logits), np.sort(theirs.logits), rtol=0, atol=1e-12)


def test_the_median_itself_counts_as_overfit() -> None:
    early = [[1.0, -1.0, 0.0], [2.0, -2.0, 0.1]]  # ratios 2.1, -2.1 and 0.7
    late = [[0.5, 1.0, -1.0], [1.5, 1.1, -2.0]]  # ratios 1.4, 14.8 and -2.1
    # Best early is the first, late the second of three; best late is the second, early the last.
    found = cross_validate(np.array(early + late), num_configs=3, num_blocks=2)
    np.testing.assert_allclose(found.relative_ranks, [2 / 4, 1 / 4])
    assert found.probability == 1.0


def test_a_configuration_that_stands_still_has_the_ratio_zero() -> None:
    returns = _noise(2, configs=3) - 1.0  # two losers
    returns[:, 1] = 0.0
    assert cross_validate(returns, num_configs=3, num_blocks=4).probability == 0.0
    returns[:, 1] = 0.1  # not the infinity that rounding would make of it
    still = cross_validate(returns, num_configs=3, num_blocks=4)
    np.testing.assert_array_equal(still.relative_ranks, 0.75)


@pytest.mark.parametrize("paid", [0.04, 0.11, 0.22])
def test_a_configuration_that_stands_still_on_one_half_does_not_win_it(paid: float) -> None:
    step = np.arange(7.0)  # seven: the mean of seven equal numbers is not quite that number
    early = np.c_[np.full(7, paid), -1 - step, 0.1 + step]
    late = np.c_[0.1 + step, 0.2 + step, -1 - step]
    # Early the third is best, and late the worst.
    found = cross_validate(np.concatenate([early, late]), num_configs=3, num_blocks=2)
    assert found.relative_ranks[0] == 1 / 4


def test_a_configuration_that_moves_less_than_the_digits_show_stands_still() -> None:
    returns = np.random.default_rng(0).standard_normal((8, 2))
    returns[:4, 0] = 1.0, 1.0, 1.0, math.nextafter(1.0, 2.0)
    returns[:, 1] += [5.0] * 4 + [-9.0] * 4  # best early if the other stands still, worst late
    assert cross_validate(returns, num_configs=2, num_blocks=2).relative_ranks[0] == 1 / 3


def test_of_several_that_are_best_the_worst_counts() -> None:
    returns = np.zeros((4, 3))
    returns[:, 2] = [-1.0, -2.0, 1.0, 2.0]
    returns[2:, 1] = [-1.0, -2.0]
    # Early, the first two stand still and are best; late they are second and last. Late best is early last.
    found = cross_validate(returns, num_configs=3, num_blocks=2)
    np.testing.assert_allclose(found.relative_ranks, [1 / 4, 1 / 4])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(7)))
def test_the_order_of_the_configurations_does_not_matter(seed: int, order: list[int]) -> None:
    returns = _noise(seed, times=60, configs=7)
    straight, mixed = (cross_validate(one, num_configs=7, num_blocks=6) for one in (returns, returns[:, order]))
    np.testing.assert_array_equal(straight.relative_ranks, mixed.relative_ranks)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.001, 1000))
def test_the_unit_of_the_returns_does_not_matter(seed: int, scale: float) -> None:
    returns = _noise(seed, times=60, configs=7)
    straight, scaled = (cross_validate(one, num_configs=7, num_blocks=6) for one in (returns, scale * returns))
    np.testing.assert_array_equal(straight.relative_ranks, scaled.relative_ranks)


def test_transposed_returns_and_dropped_tries_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(times, 20 configurations\), had \(20, 480\); transpose"):
        cross_validate(_noise(0).T, num_configs=20, num_blocks=10)
    with pytest.raises(ValueError, match=r"had \(480, 19\); .* add the configurations that were left out"):
        cross_validate(_noise(0)[:, :19], num_configs=20, num_blocks=10)


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ValueError, match="num_blocks must be even"):
        cross_validate(_noise(0), num_configs=20, num_blocks=9)
    with pytest.raises(ValueError, match="at most half of 30 rows, was 16"):
        cross_validate(_noise(0)[:30], num_configs=20)
    with pytest.raises(ValueError, match="num_configs must be >= 2"):
        cross_validate(_noise(0)[:, :1], num_configs=1)


def test_a_hole_leaves_the_probability_undefined() -> None:
    returns = _noise(0)
    returns[7, 7] = math.nan
    assert math.isnan(cross_validate(returns, num_configs=20, num_blocks=10).probability)
