"""Rolling sums and maxima equal those of each window alone, drift nowhere and keep NaN where it is."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.market.rolling import centred_sum, rolling_max, rolling_sum


@settings(deadline=None, derandomize=True)
@given(bars=st.integers(1, 60), window=st.integers(1, 25), missing=st.sets(st.integers(0, 59), max_size=4))
def test_equals_each_window_alone(bars: int, window: int, missing: set[int]) -> None:
    values = np.random.default_rng(bars * 100 + window).integers(-9, 9, (bars, 2)).astype(np.float64)
    values[[bar for bar in missing if bar < bars], 0] = np.nan
    sums, tops = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for bar in range(window - 1, bars):
        rows = values[bar - window + 1 : bar + 1]
        sums[bar], tops[bar] = rows.sum(axis=0), rows.max(axis=0)
    np.testing.assert_array_equal(rolling_sum(values, window), sums)
    np.testing.assert_array_equal(rolling_max(values, window), tops)


def test_a_huge_value_leaves_no_trace_once_its_window_is_over() -> None:
    values = np.full((50, 1), 0.1)
    values[10] = 1e18
    np.testing.assert_allclose(rolling_sum(values, 5)[15:], 0.5, rtol=1e-15)


def test_rows_that_are_all_alike_have_no_spread_at_all() -> None:
    values = np.full((300, 1), 0.1)
    assert (centred_sum(values, values, 63)[62:] == 0.0).all()


def test_spread_equals_the_two_pass_formula() -> None:
    first, second = np.random.default_rng(0).standard_normal((2, 200, 3))
    got = centred_sum(first, second, 30)
    for bar in range(29, 200):
        x, y = first[bar - 29 : bar + 1], second[bar - 29 : bar + 1]
        expected = ((x - x.mean(axis=0)) * (y - y.mean(axis=0))).sum(axis=0)
        np.testing.assert_allclose(got[bar], expected, rtol=1e-10, atol=1e-12)
