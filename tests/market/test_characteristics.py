"""Beta, Hurst exponent and liquidity regime equal their definitions and find a planted truth."""

import numpy as np
import pandas as pd
import pytest
from feature_functions import market
from fractional import fractional_prices

from components.market.characteristics import (
    HIGH,
    HURST_LAGS,
    LOW,
    NORMAL,
    beta,
    characteristics,
    hurst_exponent,
    liquidity_regime,
)
from components.market.columns import CHARACTERISTICS


@pytest.mark.promise("S0-33")
def test_the_three_are_there_and_finite_after_the_warm_up() -> None:
    candles, benchmark = market(2, 400)
    features = characteristics(candles.close, candles.volume, benchmark)
    assert features.shape == (2, 400, len(CHARACTERISTICS))
    assert np.isfinite(features[:, 273:]).all()
    assert np.isfinite(features).argmax(axis=1)[0].tolist() == [252, 125, 273]


@pytest.mark.promise("S0-33")
def test_beta_is_the_least_squares_slope() -> None:
    candles, benchmark = market(2, 300)
    got = beta(candles.close, benchmark)
    moves, market_moves = (np.diff(values) / values[..., :-1] for values in (candles.close, benchmark))
    for symbol in range(2):
        for bar in (252, 270, 299):
            rows = slice(bar - 252, bar)
            design = np.stack([market_moves[symbol, rows], np.ones(252)], axis=1)
            slope = np.linalg.lstsq(design, moves[symbol, rows], rcond=None)[0][0]
            assert got[symbol, bar] == pytest.approx(slope, abs=1e-9)


def test_the_benchmark_has_a_beta_of_one_and_a_halted_stock_of_zero() -> None:
    _, benchmark = market(1, 300)
    close = np.vstack([benchmark, np.full((1, 300), 7.0)])
    got = beta(close, np.vstack([benchmark, benchmark]))
    np.testing.assert_allclose(got[0, 252:], 1.0, rtol=1e-12)
    assert (got[1, 252:] == 0.0).all()
    assert np.isnan(beta(close, np.full((2, 300), 9.0))).all()


def test_hurst_is_half_the_slope_of_log_variance_on_log_lag() -> None:
    candles, _ = market(1, 300)
    for bar in (125, 200, 299):
        prices = np.log(candles.close[0, bar - 125 : bar + 1])
        variance = [np.var(prices[lag:] - prices[:-lag]) for lag in HURST_LAGS]
        slope = np.polyfit(np.log(HURST_LAGS), np.log(variance), 1)[0]
        assert hurst_exponent(candles.close)[0, bar] == pytest.approx(slope / 2, abs=1e-9)


@pytest.mark.promise("S0-33")
@pytest.mark.parametrize("truth", [0.3, 0.5, 0.7])
def test_hurst_of_fractional_motion_is_near_the_truth_in_long_windows(truth: float) -> None:
    prices = fractional_prices(truth, num_symbols=40, num_bars=2_000)
    assert hurst_exponent(prices, window=2_000)[:, -1].mean() == pytest.approx(truth, abs=0.03)


def test_hurst_reads_low_in_126_bars_but_keeps_the_order() -> None:
    read = [hurst_exponent(fractional_prices(h, num_symbols=200, num_bars=126))[:, -1].mean() for h in (0.3, 0.5, 0.7)]
    np.testing.assert_allclose(read, [0.25, 0.39, 0.54], atol=0.03)


def test_a_price_that_never_moves_or_only_grows_has_no_hurst_exponent() -> None:
    flat = np.full((1, 200), 3.0)
    line = np.exp(np.linspace(0, 1, 200))[None]
    assert np.isnan(hurst_exponent(np.vstack([flat, line]))).all()


def regime_by_definition(close: np.ndarray, volume: np.ndarray) -> np.ndarray:
    impact = (pd.Series(close).pct_change().abs() / (close * volume)).where(volume > 0)
    illiquidity = impact.rolling(21, min_periods=1).mean().fillna(np.inf).to_numpy()
    regime = np.full(len(close), np.nan)
    for bar in range(21 + 252, len(close)):
        past = illiquidity[bar - 252 : bar]
        rank = ((past < illiquidity[bar]).sum() + 0.5 * (past == illiquidity[bar]).sum()) / 252
        regime[bar] = LOW if rank > 2 / 3 else HIGH if rank < 1 / 3 else NORMAL
    return regime


@pytest.mark.promise("S0-33")
def test_liquidity_regime_equals_its_definition_also_where_nothing_trades() -> None:
    candles, _ = market(2, 600)
    candles.volume[0, [50, 400, 401]] = 0.0
    candles.volume[1, 300:330] = 0.0
    got = liquidity_regime(candles.close, candles.volume)
    for symbol in range(2):
        np.testing.assert_array_equal(got[symbol], regime_by_definition(candles.close[symbol], candles.volume[symbol]))
    assert set(np.unique(got[:, 273:])) == {LOW, NORMAL, HIGH}


def test_ten_times_the_volume_is_high_liquidity_and_a_tenth_is_low() -> None:
    candles, _ = market(2, 400)
    candles.volume[0, 370:] *= 10
    candles.volume[1, 370:] /= 10
    got = liquidity_regime(candles.close, candles.volume)
    assert (got[0, 392:] == HIGH).all()
    assert (got[1, 392:] == LOW).all()
    flat = liquidity_regime(np.full((1, 300), 5.0), candles.volume[:1, :300])
    assert (flat[0, 273:] == NORMAL).all()
