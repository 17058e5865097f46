"""Gates and gated residual networks: the parts that the Temporal Fusion Transformer repeats.

Source: Lim et al. (2021), "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting",
section 4.1.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, glu

from components.learning.dropout import FreshMasks, Masks

Drop = Masks | FreshMasks
"""Where a forward pass gets its dropout masks from."""


class Gate(nn.Module):
    """A gated linear unit behind a dropout, added to a skip and normalised: LayerNorm(skip + GLU(x))."""

    def __init__(self, width: int, *, site: int | None) -> None:
        super().__init__()
        self.site = site
        self.linear = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, values: Tensor, skip: Tensor, masks: Drop) -> Tensor:
        """Return (..., width); without a ``site`` nothing is dropped."""
        kept = values if self.site is None else masks.drop(self.site, values)
        normed: Tensor = self.norm(skip + glu(self.linear(kept), dim=-1))
        return normed


class GatedResidualNetwork(nn.Module):
    """Two dense layers with an ELU, gated onto their own input; with ``context`` another vector moves the first."""

    def __init__(self, width: int, *, sites: Iterator[int], context: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.context = nn.Linear(width, width, bias=False) if context else None
        self.second = nn.Linear(width, width)
        self.gate = Gate(width, site=next(sites))
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        if self.context is not None:
            nn.init.xavier_uniform_(self.context.weight)

    def forward(self, values: Tensor, masks: Drop, context: Tensor | None = None) -> Tensor:
        """Return (..., width) of ``values`` (..., width) and a ``context`` that broadcasts to them."""
        first = self.first(values)
        if self.context is not None and context is not None:
            first = first + self.context(context)
        return self.gate(self.second(elu(first)), values, masks)


def xavier(*shape: int) -> nn.Parameter:
    """Return stacked matrices [..., in, out], each drawn as by Glorot and Bengio (2010)."""
    bound = (6 / (shape[-2] + shape[-1])) ** 0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def kaiming(*shape: int) -> nn.Parameter:
    """Return stacked matrices [..., in, out], each drawn as by He et al. (2015)."""
    return nn.Parameter(torch.randn(shape) * (2 / shape[-2]) ** 0.5)
