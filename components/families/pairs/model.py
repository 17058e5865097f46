"""The network of a portfolio, of one alone and of many stacked: the same small one for every symbol, and a softmax.

Source: Zhang, Zohren and Roberts (2020), "Deep Learning for Portfolio Optimization", for the softmax over assets.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from components.families.pairs import FEATURES
from components.learning.fleet import Layout


class Allocator(nn.Module):
    """The network of one portfolio."""

    def __init__(self, hidden: tuple[int, int], *, num_features: int = len(FEATURES)) -> None:
        super().__init__()
        inner, outer = hidden
        self.score = nn.Sequential(
            nn.Linear(num_features, inner), nn.GELU(), nn.Linear(inner, outer), nn.GELU(), nn.Linear(outer, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the shares (..., asset) of features (..., asset, feature): above 0, and their sum is 1."""
        return torch.softmax(self.score(features)[..., 0], dim=-1)


def layout_of(hidden: tuple[int, int]) -> Layout:
    """Return the parameters of one portfolio as a row."""
    with torch.device("meta"):
        model = Allocator(hidden)
    return Layout({name: tuple(value.shape) for name, value in model.state_dict().items()})


def start_of(hidden: tuple[int, int], seed: int) -> Tensor:
    """Return the parameters (size,) that a portfolio begins with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.cat([value.flatten() for value in Allocator(hidden).state_dict().values()])


def shares(parameters: Mapping[str, Tensor], features: Tensor, held: Tensor) -> Tensor:
    """Return what ``Allocator`` does, of many: (portfolio, period, asset), of features with one axis more.

    ``held`` (portfolio, asset) tells the assets of each from those that only fill the table, whose share is 0.
    """
    portfolios, periods, assets, _ = features.shape
    values = features.flatten(1, 2)
    for layer in (0, 2, 4):
        values = gelu(values) if layer else values
        weight, bias = (parameters[f"score.{layer}.{name}"] for name in ("weight", "bias"))
        values = torch.baddbmm(bias[:, None], values, weight.transpose(1, 2))
    scores = values.view(portfolios, periods, assets)
    return torch.softmax(scores.masked_fill(~held[:, None], -torch.inf), dim=-1)
