"""Attention of the days ahead to the window, with one set of values for all heads, so that weights can be averaged.

Source: Lim et al. (2021), section 4.4.
"""

# pyright: reportUnknownMemberType=false
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from components.learning.tft.blocks import Drop


class InterpretableAttention(nn.Module):
    """What each step ahead reads from the window and from the steps before it."""

    hidden_from: Tensor

    def __init__(self, width: int, heads: int, *, window: int, horizon: int, sites: Iterator[int]) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.head_site, self.site = next(sites), next(sites)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value = nn.Linear(width, self.head_width)
        self.out = nn.Linear(self.head_width, width, bias=False)
        for name, parameter in self.named_parameters():
            (nn.init.zeros_ if name.endswith("bias") else nn.init.xavier_uniform_)(parameter)
        step, seen = torch.arange(horizon)[:, None], torch.arange(window + horizon)
        self.register_buffer("hidden_from", seen - window >= step, persistent=False)

    def weights(self, values: Tensor) -> Tensor:
        """Return (batch, head, horizon, window + horizon), summing to 1, of ``values`` (batch, window + horizon, ...).

        A step ahead does not see itself, nor what follows it.
        """
        horizon = len(self.hidden_from)
        query = self.query(values[:, -horizon:]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key = self.key(values).unflatten(-1, (self.heads, -1)).permute(0, 2, 3, 1)
        scores = torch.matmul(query / math.sqrt(self.head_width), key)
        return torch.softmax(scores.masked_fill(self.hidden_from, -math.inf), dim=-1)

    def forward(self, values: Tensor, masks: Drop) -> Tensor:
        """Return (batch, horizon, width): the mean over the heads, mapped to the width."""
        read = torch.matmul(self.weights(values), self.value(values)[:, None])
        mixed: Tensor = self.out(masks.drop(self.head_site, read).mean(dim=1))
        return masks.drop(self.site, mixed)
