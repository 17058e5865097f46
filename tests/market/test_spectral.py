"""Wavelet, Fourier, fractal and correlation features equal a closed form or a literal definition."""

import numpy as np
import pandas as pd
import pytest
import talib
from feature_functions import market
from fractional import fractional_prices

from components.market.correlation import correlation
from components.market.fractal import STEPS, fractal_dimension
from components.market.spectral import FOURIER_BARS, fourier, wavelet


@pytest.mark.promise("S4-76")
def test_details_are_differences_of_trailing_means_and_add_up_to_the_price() -> None:
    candles, _ = market(2, 200)
    details = wavelet(candles.close)
    for symbol in range(2):
        price = pd.Series(np.log(candles.close[symbol]))
        means = [price.rolling(2**level).mean() for level in range(5)]
        expected = np.stack([means[level] - means[level + 1] for level in range(4)], axis=1)
        np.testing.assert_allclose(details[symbol], expected, rtol=1e-9, atol=1e-12, equal_nan=True)
        np.testing.assert_allclose(details[symbol].sum(axis=1) + means[4], price.where(means[4].notna()), rtol=1e-12)


@pytest.mark.promise("S4-76")
def test_a_jump_shows_at_its_own_bar_and_never_before() -> None:
    close = np.full((1, 60), 1.0)
    close[0, 40:] = np.e
    details = wavelet(close)[0]
    assert (details[15:40] == 0.0).all()
    np.testing.assert_allclose(details[40], [1 / 2, 1 / 4, 1 / 8, 1 / 16])
    assert (details[56:] == 0.0).all()


@pytest.mark.promise("S4-77")
@pytest.mark.parametrize(("cycles", "band"), [(1, 0), (3, 0), (4, 1), (12, 1), (13, 2), (31, 2), (32, 2)])
def test_a_pure_cycle_has_all_its_power_in_its_own_band(cycles: int, band: int) -> None:
    moves = 0.01 * np.cos(2 * np.pi * cycles * np.arange(200) / FOURIER_BARS)
    shares = fourier(np.exp(np.cumsum(moves))[None])[0, FOURIER_BARS:]
    np.testing.assert_allclose(shares[:, band], 1.0, atol=1e-9)
    np.testing.assert_allclose(shares[:, 3], 0.0, atol=1e-6)


@pytest.mark.promise("S4-77")
def test_shares_equal_the_periodogram_and_add_up_to_one() -> None:
    candles, _ = market(20, 300)
    features = fourier(candles.close)
    np.testing.assert_allclose(features[:, FOURIER_BARS:, :3].sum(axis=-1), 1.0, rtol=1e-12)
    moves = np.diff(np.log(candles.close[17]))[200 - FOURIER_BARS : 200]
    waves = np.exp(-2j * np.pi * np.outer(np.arange(1, FOURIER_BARS), np.arange(FOURIER_BARS)) / FOURIER_BARS)
    power = np.abs(waves @ moves) ** 2
    folded = np.append(power[:31] + power[:31:-1], power[31]) / power.sum()  # a frequency and its mirror image
    expected = [folded[:3].sum(), folded[3:12].sum(), folded[12:].sum(), -(folded * np.log(folded)).sum() / np.log(32)]
    np.testing.assert_allclose(features[17, 200], expected, rtol=1e-9)


def test_noise_spreads_its_power_evenly_over_the_frequencies() -> None:
    shares = fourier(fractional_prices(0.5, num_symbols=300, num_bars=200))[:, FOURIER_BARS:, :3].mean(axis=(0, 1))
    np.testing.assert_allclose(shares, [6 / 63, 18 / 63, 39 / 63], atol=0.01)


def test_a_price_that_never_moves_has_no_spectrum_no_dimension_and_no_correlation() -> None:
    flat, growing = np.full((1, 300), 3.0), 1.01 ** np.arange(300.0)[None]
    assert np.isnan(fourier(np.vstack([flat, growing]))).all()
    assert np.isnan(fractal_dimension(flat)).all()
    assert np.isnan(correlation(np.vstack([flat, growing]), np.vstack([growing, flat]))).all()
    np.testing.assert_allclose(fractal_dimension(growing)[0, 125:], 1.0, atol=1e-9)


def higuchi(prices: np.ndarray) -> float:
    """Return Higuchi's dimension as his paper states it, for one window."""
    total = len(prices)
    lengths = []
    for step in STEPS:
        curves = []
        for start in range(step):
            points = prices[start::step]
            count = len(points) - 1
            curves.append(np.abs(np.diff(points)).sum() * (total - 1) / (count * step) / step)
        lengths.append(np.mean(curves))
    return float(np.polyfit(np.log(1 / np.array(STEPS)), np.log(lengths), 1)[0])


@pytest.mark.promise("S4-78")
@pytest.mark.parametrize("window", [30, 126])
def test_fractal_dimension_equals_higuchi(window: int) -> None:
    candles, _ = market(2, 200)
    got = fractal_dimension(candles.close, window)
    assert np.isnan(got[:, : window - 1]).all()
    for bar in (window - 1, 150, 199):
        prices = np.log(candles.close[1, bar - window + 1 : bar + 1])
        assert got[1, bar] == pytest.approx(higuchi(prices), abs=1e-9)


@pytest.mark.promise("S4-78")
@pytest.mark.parametrize("hurst", [0.3, 0.5, 0.7])
def test_dimension_of_fractional_motion_is_two_less_hurst(hurst: float) -> None:
    prices = fractional_prices(hurst, num_symbols=200, num_bars=126)
    assert fractal_dimension(prices)[:, -1].mean() == pytest.approx(2 - hurst, abs=0.03)


@pytest.mark.promise("S4-79")
def test_correlation_equals_talib_and_pandas_over_thirty_returns() -> None:
    candles, benchmark = market(3, 200)
    got = correlation(candles.close, benchmark)
    for symbol in range(3):
        own, index = (pd.Series(values[symbol]).pct_change() for values in (candles.close, benchmark))
        np.testing.assert_allclose(got[symbol], own.rolling(30).corr(index), rtol=1e-9, atol=1e-9, equal_nan=True)
        with_talib = talib.CORREL(own.to_numpy()[1:], index.to_numpy()[1:], 30)
        np.testing.assert_allclose(got[symbol, 1:], with_talib, rtol=1e-9, atol=1e-9, equal_nan=True)
    assert np.isnan(got[:, :30]).all()
    assert 0.3 < got[:, 30:].mean() < 0.9
