"""Attention of the days ahead to the window, with one set of values for all heads, so that weights can be averaged.

Source: Lim et al. (2021), section 4.4.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
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
        return self._mixed(torch.matmul(self.weights(values), self.value(values)[:, None]), masks)

    def banded(self, bars: Tensor, ahead: Tensor, stride: int, masks: Drop) -> Tensor:
        """Return what ``forward`` does of windows in a slab, ``stride`` bars apart, each bar's key computed once.

        ``bars`` is (slab, bar, width), ``ahead`` (batch, horizon, width). The steps ahead of a window are scored
        against all bars of their slab, and those outside the window are left out.
        """
        slabs, num_bars = bars.shape[:2]
        batch, horizon = ahead.shape[:2]
        window = self.hidden_from.shape[1] - horizon
        heads, place = (self.heads, self.head_width), torch.arange(num_bars, device=bars.device)
        first = torch.arange(batch // slabs, device=bars.device).repeat_interleave(horizon)[:, None] * stride
        query = (self.query(ahead) / math.sqrt(self.head_width)).unflatten(-1, heads).transpose(1, 2)
        by_slab = query.unflatten(0, (slabs, -1)).transpose(1, 2).flatten(2, 3)  # (slab, head, origin and step, part)
        on_bars = torch.matmul(by_slab, self.key(bars).unflatten(-1, heads).permute(0, 2, 3, 1))
        on_bars = on_bars.masked_fill((place < first) | (place >= first + window), -math.inf)
        on_steps = torch.matmul(query, self.key(ahead).unflatten(-1, heads).permute(0, 2, 3, 1))
        on_steps = on_steps.masked_fill(self.hidden_from[:, window:], -math.inf)
        own = on_steps.unflatten(0, (slabs, -1)).transpose(1, 2).flatten(2, 3)
        weights = torch.softmax(torch.cat([on_bars, own], dim=-1), dim=-1)
        of_bars, of_steps = weights.split([num_bars, horizon], dim=-1)
        read = torch.matmul(of_bars, self.value(bars)[:, None]).unflatten(2, (-1, horizon)).transpose(1, 2)
        of_steps = of_steps.unflatten(2, (-1, horizon)).transpose(1, 2).flatten(0, 1)
        own = torch.matmul(of_steps, self.value(ahead)[:, None])
        return self._mixed(read.flatten(0, 1) + own, masks)

    def _mixed(self, read: Tensor, masks: Drop) -> Tensor:
        mixed: Tensor = self.out(masks.drop(self.head_site, read).mean(dim=1))
        return masks.drop(self.site, mixed)
