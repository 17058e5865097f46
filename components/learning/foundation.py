"""The foundation network: raw bars of any stock in, quantiles of its next moves out. Twins read its trunk.

It makes its inputs scale-free and standardises them itself, so that a stock unseen in training is like any other.
Untrained it says what past volatility alone says; training learns a correction of that.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from components.core import bundle as bundles
from components.core.errors import ArtifactError
from components.learning.bundles import load_weights
from components.learning.tft.blocks import Drop
from components.learning.tft.config import Origins, TftConfig
from components.learning.tft.network import Inputs, TemporalFusionTransformer, TftSizes
from components.market.columns import CHARACTERISTICS, FOUNDATION, QUANTILE_LEVELS
from components.market.moves import past_volatility

FAMILY: Final = "foundation"
MOVED_BARS: Final = (1, 5, 21, 63, 21, 63, 21, 63, 1, 50, 200, 1)
"""Bars over which each move is counted: returns, drawdowns, relative strengths, since the open, from two averages, and
the day's range."""
OBSERVED: Final = len(MOVED_BARS) + 4
"""Scale-free numbers of a bar: these, and volatility, how it changed, RSI and volume."""
MAX_SCALED: Final = 5.0
"""Training deviations beyond which an input says no more."""

Floats = npt.NDArray[np.float64]


class FoundationNetwork(nn.Module):
    """Raw windows (batch, window, ``FOUNDATION``) to quantiles of the log returns of the next bars.

    A slab (slab, bar, column) of more bars than a window holds several windows, ``stride`` bars apart.
    """

    input_mean: Tensor
    input_std: Tensor
    base: Tensor
    steps: Tensor

    def __init__(self, config: TftConfig, *, window: int, horizon: int) -> None:
        super().__init__()
        self.config, self.window, self.horizon = config, window, horizon
        static, levels = len(CHARACTERISTICS), len(QUANTILE_LEVELS)
        self.register_buffer("input_mean", torch.zeros(OBSERVED + static))
        self.register_buffer("input_std", torch.ones(OBSERVED + static))
        self.register_buffer("base", torch.zeros(horizon, levels))
        steps = torch.arange(1, horizon + 1, dtype=torch.float32)
        self.register_buffer("steps", steps, persistent=False)
        sizes = TftSizes(OBSERVED, static, known=1, window=window, horizon=horizon, levels=levels)
        self.transformer = TemporalFusionTransformer(config, sizes)
        nn.init.zeros_(self.transformer.head.weight)
        nn.init.zeros_(self.transformer.head.bias)

    def prepare(self, mean: Floats, std: Floats, base: Floats) -> None:
        """Set the moments of ``scale_free`` inputs and the quantiles of standard moves, all of the training zone."""
        for buffer, values in ((self.input_mean, mean), (self.input_std, std), (self.base, base)):
            buffer.copy_(torch.from_numpy(values))

    def trunk(self, slabs: Tensor, *, stride: int = 1, masks: Drop | None = None) -> Tensor:
        """Return the state (batch, horizon, hidden) of each window, before quantiles are made of it."""
        return self.transformer.trunk(self._inputs(slabs), stride=stride, masks=masks)

    def standard(
        self, slabs: Tensor, *, stride: int = 1, masks: Drop | None = None, origins: Origins = "exact"
    ) -> Tensor:
        """Return the quantiles (batch, horizon, level) of standard moves: by past volatility and the root of the step.

        In the order in which the head says them: the loss must see those that cross. Dense ``origins`` train only.
        """
        return self.base + self.transformer(self._inputs(slabs), stride=stride, masks=masks, origins=origins)

    def scale(self, slabs: Tensor, *, stride: int = 1) -> Tensor:
        """Return the unit (batch, horizon) of the standard moves of each window, as a log return."""
        decisions = slabs[:, self.window - 1 :: stride].flatten(0, 1)
        return volatility(decisions) * self.steps.sqrt()

    def forward(self, windows: Tensor) -> Tensor:
        """Return the quantiles (batch, horizon, ``QUANTILE_LEVELS``) of the log return to each step ahead, ascending.

        Those that cross are sorted (Chernozhukov et al. 2010), which never raises their loss.
        """
        ordered = torch.sort(self.standard(windows), dim=-1).values
        return ordered * self.scale(windows)[..., None]

    def _inputs(self, slabs: Tensor) -> Inputs:
        scaled = ((scale_free(slabs) - self.input_mean) / self.input_std).clamp(-MAX_SCALED, MAX_SCALED)
        ahead = (self.steps / self.horizon)[:, None]
        return Inputs(scaled[..., :OBSERVED], scaled[..., OBSERVED:], ahead)


def _columns(rows: Tensor, first: str, last: str = "") -> Tensor:
    """Return the columns (..., column) from ``first`` to ``last``, or that one."""
    return rows[..., FOUNDATION.index(first) : FOUNDATION.index(last or first) + 1]


def volatility(rows: Tensor) -> Tensor:
    """Return the past volatility (..., 1) of one bar of raw rows (..., column)."""
    return past_volatility(_columns(rows, "vol_21d"), _columns(rows, "vol_63d"))


def scale_free(rows: Tensor) -> Tensor:
    """Return the inputs (..., ``OBSERVED`` + statics) of raw rows (..., column), each made of its own bar alone.

    Moves are in units of past volatility over as many bars. A bar without volume counts as one of one share.
    """
    unit, month = volatility(rows), _columns(rows, "vol_21d")
    high, low, close = (_columns(rows, name) for name in ("high", "low", "close"))
    moved = [
        torch.log1p(_columns(rows, "return_1d", "return_63d")),
        _columns(rows, "drawdown_21d", "rel_strength_63d"),
        torch.log(close / _columns(rows, "open")),
        torch.log(close / _columns(rows, "ema_50", "ema_200")),
        torch.log(high / low),
    ]
    rest = [
        torch.log(unit),
        past_volatility(month, month) / unit,
        _columns(rows, "rsi_14") / 100,
        torch.log(_columns(rows, "volume").clamp_min(1.0)),
        _columns(rows, CHARACTERISTICS[0], CHARACTERISTICS[-1]),
    ]
    roots = torch.tensor(MOVED_BARS, dtype=rows.dtype, device=rows.device).sqrt()
    return torch.cat([torch.cat(moved, dim=-1) / (unit * roots), *rest], dim=-1)


def load_foundation_model(path: Path, config: TftConfig) -> FoundationNetwork:
    """Return the network of the bundle in folder ``path``, every byte checked, with dropout off.

    ``config`` holds the sizes that the caller was made for.

    Raises:
        ArtifactError: If there is none, it was altered, it is of another family or of other sizes.
    """
    if not (path / bundles.MANIFEST).is_file():
        raise ArtifactError(f"{path}: no foundation lies here. Train one: qf run foundation")
    bundle = bundles.load(path)
    if bundle.manifest["family"] != FAMILY:
        raise ArtifactError(f"{path}: a bundle of {bundle.manifest['family']!r}, not of the foundation")
    model = network_of(bundle)
    if model.config != config:
        theirs, ours = model.config.model_dump(), config.model_dump()
        differ = ", ".join(f"{key} {theirs[key]}, wanted {ours[key]}" for key in ours if theirs[key] != ours[key])
        raise ArtifactError(f"{path}: the foundation has {differ}. Name its sizes, or train one of yours")
    return model


def network_of(bundle: bundles.Bundle) -> FoundationNetwork:
    """Return the network of a bundle, with dropout off.

    Raises:
        ArtifactError: If the weights do not fit the sizes that the bundle states.
    """
    recipe = bundle.manifest["config"]
    network = TftConfig.parse(recipe["model"], name=f"{bundle.folder}: config.model")
    model = FoundationNetwork(network, window=recipe["data"]["window"], horizon=recipe["data"]["horizon"])
    load_weights(bundle, model)
    return model
