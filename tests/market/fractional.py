"""Fractional Brownian motion with a known Hurst exponent, by the exact method of Davies and Harte (1987)."""

import numpy as np
import numpy.typing as npt


def fractional_prices(hurst: float, *, num_symbols: int, num_bars: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Return prices [symbol, bar] whose logs are fractional Brownian motions with steps of 1 %."""
    rng = np.random.default_rng(seed)
    lags = np.arange(num_bars + 1.0)
    covariance = 0.5 * ((lags + 1) ** (2 * hurst) - 2 * lags ** (2 * hurst) + np.abs(lags - 1) ** (2 * hurst))
    circle = np.concatenate([covariance, covariance[-2:0:-1]])
    scale = np.sqrt(np.maximum(np.fft.fft(circle).real, 0) / len(circle))
    shape = (num_symbols, len(circle))
    noise = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    steps = np.fft.fft(scale * noise, axis=1).real[:, :num_bars]
    return np.exp(0.01 * np.cumsum(steps, axis=1))
