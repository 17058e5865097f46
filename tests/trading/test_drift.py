import math
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from components.trading.drift import compare_features, distribution_distance, kernel_distance, population_stability

SAMPLE = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50).map(np.array)
RNG_SEED = 5


def _kernel(reference: np.ndarray, current: np.ndarray, seed: int = RNG_SEED, **options: int) -> tuple[float, float]:
    found = kernel_distance(reference, current, rng=np.random.default_rng(seed), **options)
    return found.statistic, found.p_value


def test_stability_by_hand() -> None:
    reference, current = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.5, 2.0, 4.0])
    # Cut at 2.5: shares 1/2 and 1/2 became 3/4 and 1/4.
    expected = -0.25 * math.log(0.5 / 0.75) + 0.25 * math.log(0.5 / 0.25)
    assert population_stability(reference, current, num_bins=2) == pytest.approx(expected, abs=1e-12)


def test_an_empty_bin_counts_as_half_a_row() -> None:
    reference, current = np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 9.0)
    expected = (0.5 - 0.125) * math.log(0.5 / 0.125) + (0.5 - 1.0) * math.log(0.5 / 1.0)
    assert population_stability(reference, current, num_bins=2) == pytest.approx(expected, abs=1e-12)


def test_a_shift_of_the_normal_distribution_is_its_divergence() -> None:
    # With many bins the index tends to the symmetric Kullback-Leibler divergence, shift^2.
    rng = np.random.default_rng(0)
    reference, current = rng.standard_normal(400_000), 0.5 + rng.standard_normal(400_000)
    assert population_stability(reference, current, num_bins=200) == pytest.approx(0.25, rel=0.05)
    assert population_stability(reference, rng.standard_normal(400_000)) < 1e-3


@pytest.mark.parametrize("moved", [0.999, 1.001])
def test_a_constant_that_moved_either_way_is_seen(moved: float) -> None:
    still = np.ones(100)
    assert population_stability(still, still) == 0.0
    assert population_stability(still, np.full(100, moved)) > 5


@settings(max_examples=100, deadline=None)
@given(SAMPLE, SAMPLE, st.integers(1, 12))
def test_stability_is_never_negative(reference: np.ndarray, current: np.ndarray, num_bins: int) -> None:
    assert population_stability(reference, current, num_bins=num_bins) >= 0


@settings(max_examples=100, deadline=None)
@given(SAMPLE, st.integers(1, 3))
def test_the_same_sample_even_repeated_is_stable(reference: np.ndarray, times: int) -> None:
    assert population_stability(reference, np.tile(reference, times)) == pytest.approx(0, abs=1e-12)


def test_the_distance_of_distributions_by_hand() -> None:
    found = distribution_distance(np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 4.0, 5.0, 6.0]))
    assert found.statistic == 0.5
    reference = np.random.default_rng(0).standard_normal(2000)
    assert distribution_distance(reference, reference).p_value == 1.0
    assert distribution_distance(reference, reference + 0.5).p_value < 1e-20


def _by_pairs(first: np.ndarray, second: np.ndarray) -> float:
    both = np.concatenate([first, second])
    first, second = first / both.std(axis=0), second / both.std(axis=0)
    median = np.median(pdist(np.concatenate([first, second])))

    def likeness(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
        return float(np.mean([math.exp(-float(((a - b) ** 2).sum()) / (2 * median**2)) for a, b in pairs]))

    return (
        likeness(list(combinations(first, 2)))
        + likeness(list(combinations(second, 2)))
        - 2 * likeness(list(product(first, second)))
    )


def test_one_block_is_the_unbiased_estimate_over_all_pairs() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((25, 3)), rng.normal([0.8, 0.0, 0.0], 1.0, (25, 3))
    assert _kernel(first, second, block_rows=25)[0] == pytest.approx(_by_pairs(first, second), abs=1e-12)


def test_the_kernel_distance_of_shifted_normal_rows_is_its_closed_form() -> None:
    rng, shift = np.random.default_rng(2), 1.0
    first, second = rng.standard_normal((10_000, 1)), shift + rng.standard_normal((10_000, 1))
    pooled = np.concatenate([first, second])[::10]
    variance = np.median(pdist(pooled)) ** 2
    expected = 2 * math.sqrt(variance / (variance + 2)) * (1 - math.exp(-(shift**2) / (2 * (variance + 2))))
    assert _kernel(first, second)[0] == pytest.approx(expected, rel=0.06)


def test_the_kernel_sees_a_change_of_dependence_that_no_single_feature_shows() -> None:
    rng = np.random.default_rng(3)
    apart = rng.standard_normal((2000, 2))
    shared = rng.standard_normal((2000, 1))
    together = np.sqrt(0.5) * (shared + rng.standard_normal((2000, 2)))
    assert _kernel(apart, together)[1] == 1 / 200
    assert min(distribution_distance(apart[:, at], together[:, at]).p_value for at in (0, 1)) > 0.05


def test_alarms_on_alike_rows_are_as_rare_as_the_level_says() -> None:
    found = []
    for seed in range(200):
        rows = np.random.default_rng(seed).standard_normal((120, 3))
        found.append(_kernel(rows[:60], rows[60:], seed, block_rows=30, permutations=99)[1])
    assert 0.03 <= np.mean(np.array(found) <= 0.1) <= 0.17
    assert np.mean(found) == pytest.approx(0.5, abs=0.07)


def test_no_unit_no_offset_and_no_constant_feature_matters() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.standard_normal((300, 2)), rng.standard_normal((400, 2)) + 0.2
    plain = _kernel(first, second)
    np.testing.assert_allclose(_kernel(1e6 + 1e-3 * first, 1e6 + 1e-3 * second), plain, rtol=1e-4)
    wider = (np.c_[rows, np.full((len(rows), 2), [0.1, 1.0])] for rows in (first, second))
    np.testing.assert_allclose(_kernel(*wider), plain, rtol=1e-9)


def test_no_more_rows_are_used_than_allowed_and_the_seed_says_which() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.standard_normal((500, 2)), rng.standard_normal((500, 2))
    assert _kernel(first, second, 1) == _kernel(first, second, 1)
    assert _kernel(first, second, 1, max_rows=100) != _kernel(first, second, 1)


@pytest.mark.parametrize("broken", [[], [1.0, math.nan, 2.0], [1.0, math.inf, 2.0]])
def test_nothing_and_holes_are_undefined_and_not_calm(broken: list[float]) -> None:
    good, bad = np.array([1.0, 2.0, 3.0]), np.array(broken)
    for pair in ((good, bad), (bad, good)):
        assert math.isnan(population_stability(*pair))
        assert math.isnan(distribution_distance(*pair).p_value)
        assert math.isnan(_kernel(*(one[:, None] for one in pair))[1])


def test_rows_of_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(5, 2\), \(5, 3\)"):
        _kernel(np.zeros((5, 2)), np.zeros((5, 3)))


def test_the_table_names_the_feature_that_moved_and_the_one_with_a_hole() -> None:
    rng = np.random.default_rng(6)
    reference = pd.DataFrame(rng.standard_normal((3000, 4)), columns=["rsi", "volume", "spread", "beta"])
    current = pd.DataFrame(rng.standard_normal((2000, 4)), columns=["beta", "rsi", "spread", "volume"])
    current["volume"] = 3.0 + 2.0 * current["volume"]
    current.loc[:499, "spread"] = math.nan
    table = compare_features(reference, current)
    assert list(table.index) == ["rsi", "volume", "spread", "beta"]
    assert table.index[table["ks_adjusted"] < 0.01].tolist() == ["volume"]
    assert table.index[table["psi"] > 0.25].tolist() == ["volume"]
    assert table["psi"].isna().tolist() == table["ks_adjusted"].isna().tolist() == [False, False, True, False]
    assert table["current_missing"].tolist() == [0.0, 0.0, 0.25, 0.0]
    moved = table.loc["volume"]
    assert moved["reference_mean"] == pytest.approx(reference["volume"].mean())
    assert moved["current_deviation"] == pytest.approx(current["volume"].std(ddof=0))


def test_features_of_one_sample_only_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"\['rsi', 'volume'\] are in one sample only"):
        compare_features(pd.DataFrame({"rsi": [1.0]}), pd.DataFrame({"volume": [1.0]}))
