"""Every feature function of symbols x bars, by the columns that it fills, and panels to try them on."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from components.market import columns
from components.market.adjust import Candles
from components.market.characteristics import characteristics
from components.market.correlation import correlation
from components.market.forecasts import forecasts
from components.market.fractal import fractal_dimension
from components.market.indicators import macd, technical
from components.market.returns import return_features
from components.market.spectral import fourier, wavelet

Floats = npt.NDArray[np.float64]

FUNCTIONS: Mapping[tuple[str, ...], Callable[[Candles, Floats], Floats]] = {
    columns.TECHNICAL: lambda bars, _: technical(*bars),
    columns.MACD: lambda bars, _: macd(bars.close),
    columns.RETURNS: lambda bars, benchmark: return_features(bars.close, benchmark),
    columns.CHARACTERISTICS: lambda bars, benchmark: characteristics(bars.close, bars.volume, benchmark),
    columns.FORECASTS: lambda bars, _: forecasts(bars.close),
    columns.SPECTRAL[:4]: lambda bars, _: wavelet(bars.close),
    columns.SPECTRAL[4:8]: lambda bars, _: fourier(bars.close),
    columns.SPECTRAL[8:9]: lambda bars, _: fractal_dimension(bars.close)[..., None],
    columns.SPECTRAL[9:]: lambda bars, benchmark: correlation(bars.close, benchmark)[..., None],
}


def market(num_symbols: int, num_bars: int, seed: int = 3) -> tuple[Candles, Floats]:
    """Return candles that follow a benchmark with a beta of 1, with noise, and the benchmark's closes."""
    rng = np.random.default_rng(seed)
    shape = (num_symbols, num_bars)
    moves = 0.01 * rng.standard_normal(num_bars)
    close = 80 * np.cumprod(1 + moves + 0.012 * rng.standard_normal(shape), axis=1)
    opens = close * (1 + 0.004 * rng.standard_normal(shape))
    high = np.maximum(opens, close) * (1 + 0.01 * rng.random(shape))
    low = np.minimum(opens, close) * (1 - 0.01 * rng.random(shape))
    volume = np.exp(14 + 0.5 * rng.standard_normal(shape))
    benchmark = np.ascontiguousarray(np.broadcast_to(250 * np.cumprod(1 + moves), shape))
    return Candles(opens, high, low, close, volume), benchmark
