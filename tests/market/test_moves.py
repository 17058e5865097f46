"""Moves of the next bars and the past volatility that makes them alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.market.moves import MIN_VOLATILITY, moves, past_volatility

DAY = 252**0.5


def test_moves_by_hand_cumulate_and_end_where_a_bar_is_missing() -> None:
    returns = np.array([[0.5, 0.1, -0.2, np.nan, 0.3, 0.1]])
    found = moves(returns, 2)
    assert found.shape == (1, 6, 2)
    expected = np.log([[1.1, 1.1 * 0.8], [0.8, np.nan], [np.nan, np.nan], [1.3, 1.3 * 1.1]])
    np.testing.assert_allclose(found[0, :4], expected)
    assert np.isnan(found[0, 4]).tolist() == [False, True]
    assert np.isnan(found[0, 5]).all()
    with pytest.raises(ValueError, match="horizon must be >= 1"):
        moves(returns, 0)


@given(st.integers(0, 1000), st.integers(1, 6))
def test_a_move_is_the_log_of_the_price_relative(seed: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)
    close = np.exp(np.cumsum(0.02 * rng.standard_normal((3, 30)), axis=1))
    returns = np.full((3, 30), np.nan)
    returns[:, 1:] = close[:, 1:] / close[:, :-1] - 1
    found = moves(returns, horizon)
    for step in range(1, horizon + 1):
        np.testing.assert_allclose(found[:, :-step, step - 1], np.log(close[:, step:] / close[:, :-step]), atol=1e-12)
        assert np.isnan(found[:, -step:, step - 1]).all()


def test_past_volatility_is_the_root_mean_square_of_month_and_quarter_with_a_floor() -> None:
    found = past_volatility(np.array([0.3 * DAY, 0.0]), np.array([0.4 * DAY, 0.0]))
    np.testing.assert_allclose(found, [(0.125 + MIN_VOLATILITY**2) ** 0.5, MIN_VOLATILITY])
