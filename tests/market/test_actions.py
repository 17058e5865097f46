"""Buy, hold and sell: by hand, against pandas, and blind to what comes after the decision."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.market.actions import BUY, DEAD_BAND, HOLD, SELL, VOL_BARS, actions, past_volatility, scaled_moves
from components.market.columns import ACTIONS


def walk(seed: int, num: int = 200, symbols: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 * np.exp(np.cumsum(0.01 * rng.standard_normal((symbols, num)), axis=1))


def test_volatility_is_that_of_the_past_quarter_as_pandas_says() -> None:
    close = walk(0)
    theirs = pd.DataFrame(close.T).pct_change(fill_method=None).rolling(VOL_BARS).std().to_numpy().T
    np.testing.assert_allclose(past_volatility(close), theirs, rtol=1e-9)
    assert np.isnan(past_volatility(close)[:, :VOL_BARS]).all()


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_move_counts_in_past_volatilities(horizon: int) -> None:
    close = walk(1)
    at = 120
    move = (close[1, at + horizon] / close[1, at] - 1) / (past_volatility(close)[1, at] * np.sqrt(horizon))
    label, now, moves = actions(close, horizon)
    assert moves[1, at] == pytest.approx(move, rel=1e-12)
    assert label[1, at] == (BUY if move > DEAD_BAND else SELL if move < -DEAD_BAND else HOLD)
    assert now[1, at] == label[1, at - horizon]
    assert np.isnan(label[:, -horizon:]).all()


def test_of_normal_moves_each_action_is_about_a_third() -> None:
    label = actions(walk(2, num=20_000, symbols=1), 1)[0]
    counts = np.bincount(label[np.isfinite(label)].astype(int)) / np.isfinite(label).sum()
    np.testing.assert_allclose(counts, 1 / 3, atol=0.02)
    assert ACTIONS == ("buy", "hold", "sell")


def test_a_price_that_never_moves_and_a_gap_have_no_label() -> None:
    still = np.full((1, 150), 7.0)
    assert np.isnan(actions(still, 1)[0]).all()
    close = walk(3)
    close[0, 100] = np.nan
    label = actions(close, 1)[0]
    assert np.isnan(label[0, 99 : 100 + VOL_BARS]).all()
    assert np.isfinite(label[0, 101 + VOL_BARS : -1]).all()


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(VOL_BARS + 2, 190), factor=st.floats(0.2, 5.0))
def test_what_was_known_stays_when_later_prices_change(seed: int, cut: int, factor: float) -> None:
    close = walk(seed)
    other = close.copy()
    other[:, cut + 1 :] *= factor
    before, after = actions(close, 1), actions(other, 1)
    np.testing.assert_array_equal(before[1][:, : cut + 1], after[1][:, : cut + 1])
    np.testing.assert_array_equal(before[0][:, :cut], after[0][:, :cut])
    np.testing.assert_array_equal(past_volatility(close)[:, : cut + 1], past_volatility(other)[:, : cut + 1])


def test_a_horizon_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon must be >= 1, was 0"):
        scaled_moves(walk(4), 0)
