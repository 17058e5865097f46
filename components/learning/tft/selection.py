"""Variable selection with all variables stacked: one batched product where each would have a network of its own.

Source: Lim et al. (2021), section 4.2. A variable is a scalar, so what is affine in it is folded: its embedding into
the layers that read it, and the layer norm of its skip into a quadratic under one root. The function is the published
one, parameter for parameter.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, glu, interpolate, layer_norm, linear

from components.learning.tft.blocks import Drop, kaiming, xavier
from components.learning.tft.config import TftConfig

EPS = 1e-5
"""What a layer norm adds to a variance."""


def resampling(size: int, wanted: int) -> Tensor:
    """Return the matrix [size, wanted] that stretches a vector by linear interpolation, ends on ends."""
    return interpolate(torch.eye(size)[:, None], wanted, mode="linear", align_corners=True)[:, 0]


def normed_line(values: Tensor, slope: Tensor, level: Tensor, norm: Tensor) -> Tensor:
    """Return the layer norm of ``values * slope + level``: (variable, row, width) of ``values`` (variable, row, 1).

    ``slope`` and ``level`` are (variable, width), ``norm`` (2, variable, width) holds weight and bias.
    """
    slope, level = slope - slope.mean(-1, keepdim=True), level - level.mean(-1, keepdim=True)
    square, both, rest = (
        (one * other).mean(-1)[:, None, None] for one, other in ((slope, slope), (slope, level), (level, level))
    )
    inverse = torch.rsqrt(torch.addcmul(rest + EPS, values, torch.addcmul(2 * both, values, square)))
    lines = torch.stack([slope, level], dim=1) * norm[0][:, None]
    return torch.baddbmm(norm[1][:, None], torch.cat([values * inverse, inverse], dim=-1), lines)


class SelectionWeights(nn.Module):
    """How much each variable of a row counts: a gated residual network of all of them, then a softmax."""

    resample: Tensor

    def __init__(self, num_variables: int, config: TftConfig, *, sites: Iterator[int], context: bool) -> None:
        super().__init__()
        size, width = num_variables * config.continuous, min(config.hidden, num_variables)
        self.site = next(sites)
        self.first_weight = kaiming(size, width)
        self.first_bias = nn.Parameter(torch.zeros(width))
        self.context = nn.Linear(config.hidden, width, bias=False) if context else None
        self.second = nn.Linear(width, width)
        self.gate = nn.Linear(width, 2 * num_variables)
        self.skip = nn.Parameter(torch.zeros(num_variables))
        self.skip_norm, self.norm = nn.LayerNorm(num_variables), nn.LayerNorm(num_variables)
        self.register_buffer("resample", resampling(size, num_variables), persistent=False)
        nn.init.kaiming_normal_(self.second.weight)
        nn.init.xavier_uniform_(self.gate.weight)
        for layer in (self.second, self.gate):
            nn.init.zeros_(layer.bias)

    def forward(self, rows: Tensor, embedding: Tensor, masks: Drop, context: Tensor | None) -> Tensor:
        """Return (..., variable), summing to 1, of ``rows`` (..., variable) and a context that broadcasts to them.

        ``embedding`` (2, variable, continuous) holds slope and level of each variable's embedding.
        """
        num_variables = rows.shape[-1]
        into = torch.cat([self.first_weight, self.resample], dim=1).view(num_variables, -1, self._width + num_variables)
        slope, level = torch.einsum("lvc,vcw->lvw", embedding, into)
        folded = linear(rows, slope.t(), level.sum(0))
        first, skip = folded[..., : self._width] + self.first_bias, folded[..., self._width :]
        if self.context is not None and context is not None:
            first = first + self.context(context)
        kept = masks.drop(self.site, self.second(elu(first)))
        skipped = self.skip_norm(skip * (2 * torch.sigmoid(self.skip)))
        return torch.softmax(self.norm(glu(self.gate(kept), dim=-1) + skipped), dim=-1)

    @property
    def _width(self) -> int:
        return len(self.first_bias)


class VariableSelection(nn.Module):
    """A row of scalars, each through its own gated residual network, and their sum by the weights of the row.

    One variable alone is only encoded: there is nothing to select.
    """

    resample: Tensor

    def __init__(self, num_variables: int, config: TftConfig, *, sites: Iterator[int], context: bool = False) -> None:
        super().__init__()
        inner, width = config.continuous, config.hidden
        self.site = next(sites)
        self.embedding = nn.Parameter(torch.empty(2, num_variables, inner).uniform_(-1, 1))
        self.first_weight, self.second_weight = (kaiming(num_variables, inner, inner) for _ in range(2))
        self.first_bias, self.second_bias = (nn.Parameter(torch.zeros(num_variables, inner)) for _ in range(2))
        self.gate_weight = xavier(num_variables, inner, 2 * width)
        self.gate_bias = nn.Parameter(torch.zeros(num_variables, 2 * width))
        self.skip = nn.Parameter(torch.zeros(num_variables, width))
        ones, zeros = torch.ones(num_variables, width), torch.zeros(num_variables, width)
        self.skip_norm, self.norm = (nn.Parameter(torch.stack([ones, zeros])) for _ in range(2))
        self.register_buffer("resample", resampling(inner, width), persistent=False)
        select = num_variables > 1
        self.weights = SelectionWeights(num_variables, config, sites=sites, context=context) if select else None

    def encoded(self, rows: Tensor, masks: Drop) -> Tensor:
        """Return (variable, row, hidden) of ``rows`` (row, variable), each variable on its own."""
        values = rows.t().unsqueeze(-1)
        slope, level = torch.einsum("lvc,vcd->lvd", self.embedding, self.first_weight)
        first = elu(torch.addcmul((level + self.first_bias)[:, None], values, slope[:, None]))
        second = torch.baddbmm(self.second_bias[:, None], first, self.second_weight)
        gated = glu(torch.baddbmm(self.gate_bias[:, None], masks.drop(self.site, second), self.gate_weight), dim=-1)
        slope, level = self.embedding @ self.resample * (2 * torch.sigmoid(self.skip))
        whole = gated + normed_line(values, slope, level, self.skip_norm)
        normed = layer_norm(whole, whole.shape[-1:], eps=EPS)
        return torch.addcmul(self.norm[1][:, None], normed, self.norm[0][:, None])

    def forward(self, rows: Tensor, masks: Drop, context: Tensor | None = None) -> Tensor:
        """Return (..., hidden) of ``rows`` (..., variable) and a context (..., hidden) of the same rows."""
        encoded = self.encoded(rows.reshape(-1, rows.shape[-1]), masks)
        if self.weights is None:
            return encoded[0].view(*rows.shape[:-1], -1)
        weights = self.weights(rows, self.embedding, masks, context)
        shares = weights.reshape(-1, rows.shape[-1]).t().unsqueeze(-1)
        return (encoded * shares).sum(0).view(*rows.shape[:-1], -1)
