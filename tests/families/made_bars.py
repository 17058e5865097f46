"""Bars of stocks whose next move is known in part: it goes on in their volume before."""

from typing import Any

import numpy as np
import numpy.typing as npt

from components.market.columns import CHARACTERISTICS, FOUNDATION, FOUNDATION_TECHNICAL
from components.market.moves import INPUTS, MOVE_LABELLER, moves, past_volatility
from components.market.returns import return_features

Floats = npt.NDArray[np.float64]
WARM_UP = 64
"""Bars before the longest return is there."""


def foundation_rows(*, num_symbols: int, num_times: int, strength: float, seed: int = 0) -> Floats:
    """Return raw rows [symbol, time, ``FOUNDATION``] of a market whose volume tells the next day's move by a part."""
    rng = np.random.default_rng(seed)
    shape = (num_symbols, num_times + WARM_UP)
    signal = rng.standard_normal(shape)
    for t in range(1, shape[1]):
        signal[:, t] = 0.9 * signal[:, t - 1] + np.sqrt(1 - 0.81) * signal[:, t]
    drift = np.zeros(shape)
    drift[:, 1:] = strength * signal[:, :-1]
    close = 50 * np.exp(np.cumsum(0.01 * (drift + rng.standard_normal(shape)), axis=1))
    returns = return_features(close, np.broadcast_to(close.mean(axis=0), shape))
    opened = close * np.exp(0.003 * rng.standard_normal(shape))
    high, low = np.maximum(opened, close) * 1.004, np.minimum(opened, close) * 0.996
    volume = 1e6 * np.exp(0.5 * signal)
    rsi = 50 + 10 * rng.standard_normal(shape)
    technical = np.stack([opened, high, low, close, volume, rsi, close * 0.99, close * 0.97], axis=-1)
    assert technical.shape[-1] == len(FOUNDATION_TECHNICAL)
    traits = rng.standard_normal((num_symbols, 1, len(CHARACTERISTICS))) * np.ones((*shape, 1))
    return np.concatenate([returns, technical, traits], axis=-1)[:, WARM_UP:]


def labels_of(rows: Floats) -> tuple[Floats, Floats]:
    """Return label and past volatility [symbol, time], as the assemble step makes them."""
    returned, month, quarter = (rows[..., FOUNDATION.index(name)] for name in INPUTS)
    return moves(returned, 5)[..., -1], past_volatility(month, quarter)


FACTS: dict[str, Any] = {
    "columns": list(FOUNDATION),
    "labeller": MOVE_LABELLER,
    "label_unit": "log return",
    "horizon": 5,
}
"""What the manifest of such examples says beside the usual."""
