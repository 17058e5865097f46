"""What families whose first columns are ``PRICES`` share: windows without the symbol's scale, what closes earned."""

# pyright: reportUnknownMemberType=false
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.learning.examples import Examples
from components.market.columns import PRICES

_CLOSE, _NUM_PRICES = PRICES.index("close"), PRICES.index("volume")
_TINY = 1e-6
"""Prices are kept above it, so that a cell without a row is finite."""

Floats = npt.NDArray[np.float64]


def relative(windows: Tensor) -> Tensor:
    """Return raw windows (batch, window, feature) without the scale of the symbol.

    Prices become their log ratio to the window's last close, volume its log less the window's mean of that; the other
    columns have no scale.
    """
    prices = windows[..., :_NUM_PRICES].clamp_min(_TINY)
    prices = (prices / prices[:, -1:, _CLOSE : _CLOSE + 1]).log()  # by the ratio: a difference of logs has fewer digits
    volume = windows[..., _NUM_PRICES : _NUM_PRICES + 1].clamp_min(1.0).log()
    return torch.cat([prices, volume - volume.mean(dim=1, keepdim=True), windows[..., _NUM_PRICES + 1 :]], dim=-1)


def close_returns(examples: Examples) -> Floats:
    """Return the fraction that each close is below the next, [symbol, time], from closes in money; NaN if unknown."""
    close = examples.panel.values[..., _CLOSE].astype(np.float64)
    earned = np.full(close.shape, np.nan)
    earned[:, :-1] = close[:, 1:] / close[:, :-1] - 1
    return earned
