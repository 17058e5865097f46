"""Forward-adjusted prices: no jump at a split, and nothing later moves the past."""

import numpy as np
import pytest

from components.market.adjust import Candles, forward_adjusted

NAN = np.nan


def candles(close: np.ndarray, *, volume: float = 1000.0) -> Candles:
    return Candles(close * 0.99, close * 1.02, close * 0.98, close, np.full(close.shape, volume))


def test_a_split_of_four_for_one_leaves_no_jump() -> None:
    traded = candles(np.array([[400.0, 404.0, 101.0, 102.0]]))  # 4:1 before bar 2
    adjusted = forward_adjusted(traded, np.array([[100.0, 101.0, 101.0, 102.0]]))
    np.testing.assert_allclose(adjusted.close, [[400.0, 404.0, 404.0, 408.0]], rtol=1e-14)
    np.testing.assert_allclose(adjusted.open, adjusted.close * 0.99, rtol=1e-14)
    np.testing.assert_allclose(adjusted.high, adjusted.close * 1.02, rtol=1e-14)
    np.testing.assert_allclose(adjusted.low, adjusted.close * 0.98, rtol=1e-14)
    np.testing.assert_allclose(adjusted.volume, [[1000, 1000, 250, 250]], rtol=1e-14)  # in shares of bar 0


def test_a_later_dividend_that_rescales_the_vendors_history_changes_nothing_before_it() -> None:
    rng = np.random.default_rng(0)
    close = 50 * np.cumprod(1 + 0.02 * rng.standard_normal((3, 250)), axis=1)
    before = forward_adjusted(candles(close), close)
    restated = close.copy()
    restated[:, :200] *= 1 - 0.5 / 50  # a dividend of one percent goes ex at bar 200
    after = forward_adjusted(candles(close), restated)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new[:, :200], old[:, :200], rtol=1e-12)
    assert (after.close[:, 200:] > before.close[:, 200:]).all()


def test_money_traded_in_a_bar_stays_the_same() -> None:
    traded = candles(np.array([[10.0, 12.0, 6.0]]))
    adjusted = forward_adjusted(traded, np.array([[4.0, 5.0, 5.5]]))
    np.testing.assert_allclose(adjusted.close * adjusted.volume, traded.close * traded.volume, rtol=1e-14)


def test_the_padding_of_a_shorter_symbol_stays_nan() -> None:
    close = np.array([[10.0, 11.0, NAN]])
    assert np.isnan(forward_adjusted(candles(close), close).close).tolist() == [[False, False, True]]


@pytest.mark.parametrize("close", [[[NAN, 1.0]], [[0.0, 1.0]], [[1.0, -1.0]]])
def test_a_symbol_without_a_first_price_or_with_one_below_zero_is_refused(close: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        forward_adjusted(candles(np.array(close)), np.array(close))
