"""What an agent becomes once it has learned: raw windows in, the position to hold of each out."""

# pyright: reportUnknownMemberType=false
import numpy as np
import torch
from torch import Tensor, nn

from components.learning.prices import relative
from components.market.predictions import ALLOCATION
from components.trading.market_environment import POSITIONS

OUTPUTS = (ALLOCATION,)
"""Names of what the network returns, in order."""

_MAX_SCALED = 10.0
"""Deviations beyond which a feature says no more."""

_ROUNDING = 1e-6
"""A deviation of what only rounding moves; to scale by it would tell the graph from the network."""


class Reader(nn.Module):
    """What an agent observes of a raw window: its newest bars without the symbol's scale, in training deviations."""

    mean: Tensor
    std: Tensor

    def __init__(self, num_features: int, bars: int) -> None:
        super().__init__()
        self.bars = bars
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))

    def prepare(self, windows: Tensor) -> None:
        """Set the moments of the features, those of the newest bars of raw training windows."""
        rows = relative(windows)[:, -self.bars :].flatten(0, 1).double()
        std = rows.std(dim=0, correction=0)
        self.mean.copy_(rows.mean(dim=0))
        self.std.copy_(torch.where(std > _ROUNDING, std, 1.0))

    def forward(self, windows: Tensor) -> Tensor:
        """Return observations (batch, bars x feature), the oldest bar first, of windows (batch, time, feature)."""
        rows = (relative(windows)[:, -self.bars :] - self.mean) / self.std
        return rows.clamp(-_MAX_SCALED, _MAX_SCALED).flatten(1)


class AgentNetwork(nn.Module):
    """The reader and the policy: which position the agent holds after a window, without exploring."""

    positions: Tensor

    def __init__(self, reader: Reader, policy: nn.Module, *, discrete: bool) -> None:
        super().__init__()
        self.reader, self.policy, self.discrete = reader, policy, discrete
        self.register_buffer("positions", torch.tensor(POSITIONS), persistent=False)

    def forward(self, windows: Tensor) -> Tensor:
        """Return the position (batch,) in [-1, 1], a share of what the symbol may hold."""
        action = self.policy(self.reader(windows))
        return self.positions[action] if self.discrete else action[:, 0]


def evenly(num: int, most: int) -> torch.Tensor:
    """Return at most ``most`` places among ``num``, evenly spread."""
    return torch.from_numpy(np.linspace(0, num - 1, min(most, num)).astype(np.int64))
