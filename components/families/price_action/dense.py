"""The price-action network in causal form: each bar of a slab is computed once and has a prediction of its own.

Sources: Press et al. (2022), "Train Short, Test Long", for the linear bias of distance in the place of positions;
Beltagy et al. (2020), "Longformer", for attention in a band.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import math
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from components.families.price_action.config import ModelConfig
from components.families.price_action.model import PriceActionTransformer
from components.learning.dropout import FreshMasks, Masks, encode
from components.learning.gradient import run_stack

BLOCK = 32
"""Rows at most whose attention is computed together; a wider block multiplies more that the band cuts off."""


def reaches(window: int, layers: int) -> list[int]:
    """Return how many rows before its own each layer's attention sees: together the window less one."""
    return [(window - 1 + number) // layers for number in range(layers)]


def distance_bias(slopes: Tensor, *, rows: int, reach: int) -> Tensor:
    """Return (head, rows, reach + rows), what is added to the scores of ``rows`` queries and the keys they may see.

    Minus slope times distance in the band of distances 0 to ``reach``, minus infinity outside.
    """
    at = torch.arange(reach + rows, device=slopes.device)
    distance = at[reach:, None] - at
    outside = (distance < 0) | (distance > reach)
    return (-slopes[:, None, None] * distance).masked_fill(outside, -math.inf)


class DenseTransformer(PriceActionTransformer):
    """Probability, at each row from the window's last on, that the next bar closes higher.

    The weights are those of ``PriceActionTransformer``, by name and by size; the head reads one row instead of the
    mean. A layer gives no rows that lack part of its band, so an answer depends on exactly the window's rows.
    """

    slopes: Tensor

    def __init__(self, config: ModelConfig, *, num_features: int, window: int) -> None:
        super().__init__(config, num_features=num_features, window=window)
        del self.positions
        self._share, self._reaches = config.dropout, reaches(window, config.layers)
        heads = torch.arange(1, config.heads + 1, dtype=torch.float32)
        self.register_buffer("slopes", 2.0 ** (-8 * heads / config.heads), persistent=False)

    def logits(self, windows: Tensor, *, masks: Masks | None = None, segments: int | None = None) -> Tensor:
        """Return the log-odds (slab, rows - window + 1) of z-scored slabs (slab, rows, feature)."""
        drawn = masks or FreshMasks(self._share, training=self.training)
        encoder = cast("list[nn.TransformerEncoderLayer]", list(self.encoder))
        layers = [
            partial(encode, layer, masks=drawn, layer_number=number, attend=partial(self._attend, reach=reach))
            for number, (layer, reach) in enumerate(zip(encoder, self._reaches, strict=True))
        ]
        hidden = run_stack(layers, self.projection(windows), segments=segments)
        inner, relu, _, outer = self.head
        log_odds: Tensor = outer(drawn.drop(self.num_sites - 1, relu(inner(hidden))))
        return log_odds.squeeze(-1)

    def _attend(
        self, attention: nn.MultiheadAttention, hidden: Tensor, masks: Masks | FreshMasks, *, site: int, reach: int
    ) -> Tensor:
        """Return (slab, rows - reach, width), the attention of all rows but the first ``reach``."""
        slabs, rows, width = hidden.shape[0], hidden.shape[1] - reach, hidden.shape[2]
        block = -(-rows // -(-rows // BLOCK))  # as few blocks as can be, none longer than need be
        ahead = -rows % block  # zeros before the first row fill the first block; what they give is cut off again
        heads = (attention.num_heads, width // attention.num_heads)
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        query = pad(linear(hidden[:, reach:], weight[:width], bias[:width]), (0, 0, ahead, 0))
        pairs = pad(linear(hidden, weight[width:], bias[width:]), (0, 0, ahead, 0))
        query = query.view(slabs, -1, block, *heads).transpose(2, 3) / math.sqrt(heads[1])
        pairs = pairs.unfold(1, reach + block, block).unflatten(2, (2, *heads))  # (slab, block, 2, head, column, key)
        key, value = pairs.unbind(2)
        scores = torch.matmul(query, key) + distance_bias(self.slopes, rows=block, reach=reach)
        kept = masks.drop(site, torch.softmax(scores, dim=-1)).to(value.dtype)
        mixed = torch.matmul(kept, value.transpose(-1, -2)).transpose(2, 3).reshape(slabs, -1, width)
        return cast("Tensor", attention.out_proj(mixed[:, ahead:]))
