"""Convolutions side by side, each with a reach of its own: what the convolutional families share."""

# pyright: reportUnknownMemberType=false
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Convolutions(nn.Module):
    """Parallel convolutions over time, each with its own reach and an equal part of the width."""

    def __init__(self, num_channels: int, width: int, filter_sizes: Sequence[int]) -> None:
        super().__init__()
        filters = width // len(filter_sizes)
        self.parts = nn.ModuleList(nn.Conv1d(num_channels, filters, size, padding="same") for size in filter_sizes)

    def forward(self, scaled: Tensor) -> Tensor:
        """Return (batch, time, width) of (batch, time, channel): as long as the input, side by side."""
        channels = scaled.transpose(1, 2)
        return torch.relu(torch.cat([part(channels) for part in self.parts], dim=1)).transpose(1, 2)
