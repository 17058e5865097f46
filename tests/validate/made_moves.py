"""Moves of which it is known what can be known, and quantiles that say so."""

import math
from statistics import NormalDist

import numpy as np

from components.market.predictions import QuantilePredictions

LEVELS = (0.1, 0.5, 0.9)
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
STEPS = np.sqrt(np.arange(1, 6))


def make_moves(
    *, skill: float, width: float = 1.0, num_times: int = 400, num_symbols: int = 6, seed: int = 0
) -> QuantilePredictions:
    """Return a zone whose slow, known signal moves each day by ``skill`` volatilities; volatility is known in full."""
    rng = np.random.default_rng(seed)
    scale = 0.01 * np.exp(0.4 * rng.standard_normal((num_times, num_symbols)))
    signal = rng.standard_normal((num_times, num_symbols))
    for t in range(1, num_times):
        signal[t] = 0.9 * signal[t - 1] + math.sqrt(1 - 0.81) * signal[t]
    days = np.arange(1, 6)
    drift = skill * signal[..., None] * days
    came = drift + np.cumsum(rng.standard_normal((num_times, num_symbols, 5)), axis=-1)
    said = drift[..., None] + width * STEPS[:, None] * NORMAL
    times = np.datetime64("2024-01-01", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    return QuantilePredictions(
        symbols=tuple(f"SYM{code}" for code in range(num_symbols)),
        symbol=np.tile(np.arange(num_symbols), num_times),
        timestamp=np.repeat(times, num_symbols),
        levels=LEVELS,
        quantile=(scale[..., None, None] * said).reshape(-1, 5, 3),
        label=(scale[..., None] * came).reshape(-1, 5),
        scale=scale.ravel(),
    )
