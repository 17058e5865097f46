import math

import numpy as np
import pytest
from arch.bootstrap import SPA, StationaryBootstrap
from arch.bootstrap import optimal_block_length as block_by_arch

from components.trading.comparison import compare_losses
from components.trading.statistics import optimal_block_length
from components.trading.superiority import superior_ability


def _series(seed: int, *, num: int = 500, memory: float = 0.0) -> np.ndarray:
    series = np.random.default_rng(seed).standard_normal(num)
    for t in range(1, num):
        series[t] += memory * series[t - 1]
    return series


@pytest.mark.parametrize("num", [60, 500, 2000])
def test_the_block_of_a_series_that_forgets_at_once_is_that_of_arch(num: int) -> None:
    band, compared = 2 * math.sqrt(math.log10(num) / num), 0
    for seed in range(30):
        noise = _series(seed, num=num)
        away = noise - noise.mean()
        correlations = [float(away[lag:] @ away[:-lag] / (away @ away)) for lag in range(1, 7)]
        if max(map(abs, correlations)) < 0.8 * band:
            theirs = float(block_by_arch(noise)["stationary"].iloc[0])
            assert optimal_block_length(noise) == pytest.approx(max(1.0, theirs), abs=1e-9)
            compared += 1
    assert compared >= 10


@pytest.mark.parametrize("memory", [0.5, 0.8])
def test_the_block_of_a_long_memory_is_near_that_of_arch(memory: float) -> None:
    # Not equal: arch takes the first quiet lag for the last loud one, and so a window two lags wider.
    series = [_series(seed, num=2000, memory=memory) for seed in range(30)]
    ratios = [optimal_block_length(one) / float(block_by_arch(one)["stationary"].iloc[0]) for one in series]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("memory", [0.0, 0.4])
def test_bounds_of_a_difference_agree_with_arch(memory: float) -> None:
    challenger, champion = _series(1, memory=memory) - 0.1, _series(2)
    found = compare_losses(challenger, champion, rng=np.random.default_rng(0), block_length=5.0, samples=5000)
    theirs = StationaryBootstrap(5, challenger - champion, seed=1).conf_int(np.mean, reps=5000, method="percentile")
    error = (theirs[1, 0] - theirs[0, 0]) / 4
    np.testing.assert_allclose([found.lower, found.upper], theirs.ravel(), rtol=0, atol=0.12 * error)
    assert found.difference == pytest.approx((challenger - champion).mean(), abs=1e-15)
    assert (found.block_length, found.num_times) == (5.0, 500)


def test_the_p_value_of_noise_is_that_of_the_normal_distribution() -> None:
    excess = _series(3)
    excess += -0.07 - excess.mean()
    found = compare_losses(excess, np.zeros(500), rng=np.random.default_rng(0), block_length=1.0, samples=20_000)
    z = -0.07 / (excess.std() / math.sqrt(500))
    assert found.p_value == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2)), abs=0.01)


def test_a_better_challenger_is_found_and_a_worse_one_is_not() -> None:
    champion = _series(4)
    better, worse = (compare_losses(champion + shift + 0.3 * _series(5), champion, rng=np.random.default_rng(1))
                     for shift in (-0.1, 0.1))  # fmt: skip
    assert better.upper < 0 < worse.lower
    assert better.p_value == pytest.approx(1 / 2001)  # never 0: none of 2000 histories was so good
    assert worse.p_value > 0.99


def test_a_copy_of_the_champion_is_no_better() -> None:
    champion = _series(4)
    found = compare_losses(champion, champion, rng=np.random.default_rng(1))
    assert (found.difference, found.lower, found.upper, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_differences_without_any_scatter_prove_nothing() -> None:
    found = compare_losses(np.array([0.1]), np.array([0.2]), rng=np.random.default_rng(1))
    assert found.difference == pytest.approx(-0.1)
    assert math.isnan(found.p_value)
    assert math.isnan(found.upper)


def test_a_hole_leaves_the_answers_undefined() -> None:
    champion = _series(4)
    holed = champion.copy()
    holed[3] = math.nan
    assert math.isnan(compare_losses(holed, champion, rng=np.random.default_rng(1)).p_value)
    assert math.isnan(superior_ability(np.stack([champion - 1, holed], axis=1), champion, seed=1).consistent)


def test_the_same_seed_gives_the_same_answers() -> None:
    champion, challenger = _series(1), _series(2)
    first, second = (compare_losses(challenger, champion, rng=np.random.default_rng(7)) for _ in range(2))
    assert first == second
    assert superior_ability(challenger[:, None], champion, seed=7) == superior_ability(
        challenger[:, None], champion, seed=7
    )


def test_losses_of_other_times_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4,\) and \(5,\)"):
        compare_losses(np.zeros(4), np.zeros(5), rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"\(10, 300\) and \(300,\)"):
        superior_ability(np.zeros((10, 300)), np.zeros(300), seed=1)


def test_one_better_challenger_among_ten_is_found() -> None:
    rng = np.random.default_rng(0)
    champion, challengers = rng.standard_normal(300), rng.standard_normal((300, 10))
    assert superior_ability(challengers, champion, seed=1).consistent > 0.05
    challengers[:, 2] -= 0.5
    found = superior_ability(challengers, champion, seed=1)
    assert found.lower == found.consistent == found.upper == pytest.approx(1 / 1001)


def test_a_noisy_challenger_does_not_drown_a_better_one() -> None:
    rng = np.random.default_rng(0)
    champion = rng.standard_normal(300)
    challengers = champion[:, None] + rng.standard_normal((300, 2)) * [0.3, 20.0] - [0.3, 0.0]
    assert superior_ability(challengers, champion, seed=1).consistent < 0.01
    unscaled = SPA(champion, challengers, block_size=5, seed=1)
    unscaled.compute()
    assert unscaled.pvalues["consistent"] > 0.2  # why the differences are scaled first


def test_a_hopeless_challenger_counts_only_in_the_conservative_test() -> None:
    rng = np.random.default_rng(2)
    champion = rng.standard_normal(300)
    good = champion - 0.12 + rng.standard_normal(300)
    hopeless = champion[:, None] + 1.0 + rng.standard_normal((300, 30))
    alone = superior_ability(good[:, None], champion, seed=1)
    among = superior_ability(np.c_[good, hopeless], champion, seed=1)
    assert among.consistent == pytest.approx(alone.consistent, abs=0.03)
    assert among.upper > 3 * among.consistent


def test_copies_of_the_champion_and_worse_ones_are_not_superior() -> None:
    champion = _series(4)
    assert superior_ability(np.stack([champion, champion], axis=1), champion, seed=1).lower == 1.0
    assert superior_ability(champion[:, None] + 1 + _series(5)[:, None], champion, seed=1).lower == 1.0


@pytest.mark.slow
def test_challengers_without_skill_pass_about_as_often_as_the_level_says() -> None:
    found = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        losses = rng.standard_normal((300, 11))
        found.append(superior_ability(losses[:, 1:], losses[:, 0], seed=seed, samples=500).consistent)
    sizes = [np.mean(np.array(found) <= level) for level in (0.05, 0.10)]
    assert 0.025 < sizes[0] < 0.085
    assert 0.065 < sizes[1] < 0.145
