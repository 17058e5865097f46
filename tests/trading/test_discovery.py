import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from components.trading.discovery import benjamini_hochberg, benjamini_yekutieli, discovered, holm

Adjust = Callable[[np.ndarray], np.ndarray]
ALL: list[Adjust] = [benjamini_hochberg, benjamini_yekutieli, holm]
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)


@settings(max_examples=80, deadline=None)
@given(P_VALUES)
def test_false_discovery_rates_agree_with_scipy(p_values: np.ndarray) -> None:
    expected = false_discovery_control(p_values, method="bh")
    np.testing.assert_allclose(benjamini_hochberg(p_values), expected, rtol=1e-12, atol=1e-300)
    expected = false_discovery_control(p_values, method="by")
    np.testing.assert_allclose(benjamini_yekutieli(p_values), expected, rtol=1e-12, atol=1e-300)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).map(np.array))
def test_holm_is_the_closed_test_of_bonferroni(p_values: np.ndarray) -> None:
    # A test is rejected if Bonferroni rejects every set of tests that it belongs to.
    tests = range(p_values.size)
    sets = [list(some) for size in tests for some in combinations(tests, size + 1)]
    closed = [max(len(some) * p_values[some].min() for some in sets if test in some) for test in tests]
    np.testing.assert_allclose(holm(p_values), np.minimum(closed, 1.0), rtol=1e-12)


def test_by_hand() -> None:
    p_values = np.array([0.03, 0.01, 0.02, 0.5])
    # In order .01 .02 .03 .5: times 4 over the place is .04 .04 .04 .5; 1 + 1/2 + 1/3 + 1/4 = 25/12.
    np.testing.assert_allclose(benjamini_hochberg(p_values), [0.04, 0.04, 0.04, 0.5])
    np.testing.assert_allclose(benjamini_yekutieli(p_values), [1 / 12, 1 / 12, 1 / 12, 1.0])
    np.testing.assert_allclose(holm(p_values), [0.06, 0.04, 0.06, 0.5])
    np.testing.assert_array_equal(discovered(holm(p_values), level=0.05), [False, True, False, False])


@pytest.mark.parametrize("adjust", ALL)
def test_what_is_not_a_number_is_a_test_made_and_never_a_discovery(adjust: Adjust) -> None:
    found = adjust(np.array([0.001, math.nan, 0.2]))
    assert math.isnan(found[1])
    np.testing.assert_array_equal(discovered(found, level=1.0), [True, False, True])
    np.testing.assert_array_equal(found[[0, 2]], adjust(np.array([0.001, 1.0, 0.2]))[[0, 2]])


@pytest.mark.parametrize("adjust", ALL)
def test_no_test_is_no_discovery(adjust: Adjust) -> None:
    assert adjust(np.array([])).size == 0


@settings(max_examples=80, deadline=None)
@given(P_VALUES)
def test_every_adjustment_only_raises_and_the_stricter_raises_more(p_values: np.ndarray) -> None:
    hochberg, yekutieli, strict = (adjust(p_values) for adjust in ALL)
    assert (hochberg >= p_values * (1 - 1e-12)).all()
    assert (yekutieli >= hochberg * (1 - 1e-12)).all()
    assert (strict >= hochberg * (1 - 1e-12)).all()


@pytest.mark.parametrize("adjust", ALL)
def test_a_probability_above_one_is_refused(adjust: Adjust) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust(np.array([0.5, 1.5]))


def test_false_discoveries_stay_below_the_level() -> None:
    rng = np.random.default_rng(0)
    shares = {adjust: [] for adjust in ALL}
    for _ in range(400):
        p_values = rng.random(50)
        p_values[:10] *= 1e-3  # ten true effects
        for adjust, found in shares.items():
            hits = discovered(adjust(p_values), level=0.2)
            found.append(hits[10:].sum() / max(hits.sum(), 1))
    means = {adjust: float(np.mean(found)) for adjust, found in shares.items()}
    assert means[benjamini_hochberg] == pytest.approx(0.2 * 40 / 50, abs=0.02)
    assert means[holm] < means[benjamini_hochberg]
    assert means[benjamini_yekutieli] < means[benjamini_hochberg]
