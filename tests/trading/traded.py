"""Bars for the tests of trading."""

import numpy as np

from components.trading.candles import Candles


def candles(bars: list[tuple[float, float, float, float]], *, symbol: str = "A") -> Candles:
    """One symbol from rows of open, high, low, close, a day apart."""
    opens, high, low, close = (np.array([column]) for column in zip(*bars, strict=True))
    return Candles((symbol,), days(len(bars)), opens, high, low, close)


def days(count: int) -> np.ndarray:
    return np.datetime64("2024-01-01T00:00", "us") + np.arange(count) * np.timedelta64(1, "D")


def walk(seed: int, *, num_symbols: int = 1, num_bars: int = 60, volatility: float = 0.02) -> Candles:
    """A random walk with gaps between close and open, and room above and below both."""
    rng = np.random.default_rng(seed)
    shape = (num_symbols, num_bars)
    close = 100 * np.exp(np.cumsum(volatility * rng.standard_normal(shape), axis=1))
    before = np.concatenate([np.full((num_symbols, 1), 100.0), close[:, :-1]], axis=1)
    opens = before * np.exp(0.5 * volatility * rng.standard_normal(shape))
    high = np.maximum(opens, close) * (1 + 0.7 * volatility * rng.random(shape))
    low = np.minimum(opens, close) * (1 - 0.7 * volatility * rng.random(shape))
    return Candles(tuple(f"S{i}" for i in range(num_symbols)), days(num_bars), opens, high, low, close)
