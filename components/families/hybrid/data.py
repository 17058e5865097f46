"""From raw windows to what the network reads, and how training windows are altered.

Source: Um et al. (2017), "Data Augmentation of Wearable Sensor Data", for noise, shift and magnitude warping.
"""

# pyright: reportUnknownMemberType=false
import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from components.families.hybrid.config import AugmentationConfig

LEVELS: Final = frozenset({"open", "high", "low", "close", "bb_middle", "bb_upper", "bb_lower"})
"""Prices: read as the distance from the window's last close, a fraction."""
AMOUNTS: Final = frozenset({"atr_14", "macd", "macd_signal", "macd_hist"})
"""Differences of prices: read as fractions of the window's last close."""
COUNTS: Final = frozenset({"volume"})
"""Read as logarithms."""

_WARP_STD: Final = 0.1
_WARP_KNOTS: Final = 4
_RAISE: Final = 1_000_003  # a prime: another epoch or batch is another stream


class Relative(nn.Module):
    """Raw windows (batch, time, column), free of the price's level and scaled by the training windows.

    A price of 50 and one of 500 look alike, so what is learned at one level holds at another.
    """

    mean: Tensor
    std: Tensor
    levels: Tensor
    amounts: Tensor
    counts: Tensor

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__()
        self.close = columns.index("close")
        for name, kind in (("levels", LEVELS), ("amounts", AMOUNTS), ("counts", COUNTS)):
            flags = torch.tensor([column in kind for column in columns])
            self.register_buffer(name, flags, persistent=False)
        self.register_buffer("mean", torch.zeros(len(columns)))
        self.register_buffer("std", torch.ones(len(columns)))

    def prepare(self, windows: Tensor) -> None:
        """Set mean and standard deviation of each column, those of raw training windows."""
        values = self._relative(windows).double().flatten(0, 1)
        std = values.std(dim=0, correction=0)
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(torch.where(std > 0, std, 1.0))

    def _relative(self, windows: Tensor) -> Tensor:
        last = windows[:, -1:, self.close : self.close + 1]
        ratio = windows / last
        logarithm = torch.log(windows.clamp(min=1.0))
        scaled = torch.where(self.levels, ratio - 1, torch.where(self.amounts, ratio, windows))
        return torch.where(self.counts, logarithm, scaled)

    def forward(self, windows: Tensor) -> Tensor:
        """Return scaled windows (batch, time, column)."""
        return (self._relative(windows) - self.mean) / self.std


def stream(seed: int, epoch: int, number: int) -> torch.Generator:
    """Return the random stream of one batch: it depends on these numbers alone, so a resumed run repeats it."""
    return torch.Generator().manual_seed(((seed * _RAISE + epoch) * _RAISE + number) % 2**63)


def augment(scaled: Tensor, config: AugmentationConfig, random: torch.Generator) -> Tensor:
    """Return altered copies of scaled training windows (batch, time, column): shifted, warped, with noise."""
    if config.time_shift_max:
        scaled = shift(scaled, torch.randint(config.time_shift_max + 1, (len(scaled),), generator=random))
    if config.magnitude_warp:
        knots = 1 + _WARP_STD * torch.randn(len(scaled), _WARP_KNOTS, generator=random)
        scaled = scaled * warp(knots, scaled.shape[1]).to(scaled.device)[:, :, None]
    if config.noise_std:
        noise = torch.randn(scaled.shape, generator=random)
        scaled = scaled + config.noise_std * noise.to(scaled.device)
    return scaled


def shift(scaled: Tensor, bars: Tensor) -> Tensor:
    """Return windows moved ``bars`` (batch,) into the past: the newest bars are dropped, the oldest repeated."""
    time = torch.arange(scaled.shape[1])
    source = (time[None, :] - bars[:, None]).clamp(min=0).to(scaled.device)
    return scaled.gather(1, source[:, :, None].expand_as(scaled))


def warp(knots: Tensor, time: int) -> Tensor:
    """Return curves (batch, time) through ``knots`` (batch, knot), joined by half cosines."""
    place = torch.linspace(0, knots.shape[1] - 1, time)
    left = place.long().clamp(max=knots.shape[1] - 2)
    share = (1 - torch.cos(math.pi * (place - left))) / 2
    return knots[:, left] * (1 - share) + knots[:, left + 1] * share
