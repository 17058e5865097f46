"""The profit network: an encoder over a window of bars, with one head for the allocation and one for the price.

Sources: Vaswani et al. (2017), "Attention Is All You Need"; Xiong et al. (2020), "On Layer Normalization in the
Transformer Architecture", for the norm before each part, which deep stacks learn with.
"""

# pyright: reportUnknownMemberType=false
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from components.families.profit.config import ModelConfig
from components.learning.prices import relative
from components.market.predictions import ALLOCATION

OUTPUTS = (ALLOCATION, "expected_return")
"""Names of what the network returns, in order."""

_MAX_SCALED = 10.0
"""Deviations beyond which a feature says no more."""

Floats = npt.NDArray[np.float64]


class ProfitNetwork(nn.Module):
    """Allocation and expected return after a window. It reads raw windows: scaling is part of it."""

    mean: Tensor
    std: Tensor
    scale: Tensor

    def __init__(self, config: ModelConfig, *, num_features: int, window: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))
        self.register_buffer("scale", torch.ones(()))
        self.projection = nn.Linear(num_features, config.hidden)
        self.positions = nn.Parameter(0.02 * torch.randn(window, config.hidden))
        layer = nn.TransformerEncoderLayer(
            config.hidden,
            config.heads,
            4 * config.hidden,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, config.layers, norm=nn.LayerNorm(config.hidden), enable_nested_tensor=False
        )
        self.heads = nn.Linear(config.hidden, 2)
        nn.init.normal_(self.heads.weight, std=0.02)
        nn.init.zeros_(self.heads.bias)

    def prepare(self, mean: Floats, std: Floats, *, scale: float) -> None:
        """Set the moments of the relative features and the deviation of the returns, of the training zone alone."""
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(std))
        self.scale.fill_(scale)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``OUTPUTS`` of raw windows (batch, window, feature), each (batch,): in [-1, 1], and a fraction."""
        scaled = ((relative(windows) - self.mean) / self.std).clamp(-_MAX_SCALED, _MAX_SCALED)
        hidden = self.encoder(self.projection(scaled) + self.positions)
        allocation, price = self.heads(hidden[:, -1]).float().unbind(-1)
        return torch.tanh(allocation), price * self.scale
