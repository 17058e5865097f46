"""The published PriceActionTransformer: a small encoder over a window of bars.

Sources: Vaswani et al. (2017), "Attention Is All You Need", for the encoder layer (post-norm)
and the sinusoidal positions; Glorot and Bengio (2010) for the start of the matrices.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from components.families.price_action.config import ModelConfig
from components.learning.dropout import SITES_PER_LAYER, Masks, encode
from components.learning.gradient import run_stack

HEAD_WIDTH = 64
"""Units of the hidden layer of the head."""


def sinusoidal_positions(window: int, d_model: int) -> Tensor:
    """Return (window, d_model): sine at even columns, cosine at odd ones, wavelengths from 2 pi to 10,000 * 2 pi."""
    position = torch.arange(window, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, d_model, 2, dtype=torch.float64) * (-math.log(10_000.0) / d_model))
    table = torch.stack((torch.sin(position * rate), torch.cos(position * rate)), dim=-1)
    return table.reshape(window, d_model).to(torch.float32)


class PriceActionTransformer(nn.Module):
    """Probability that the bar after the window closes higher than the window's last bar.

    Mean pooling makes the answer depend on the whole window; no sample sees another one.
    """

    positions: Tensor

    def __init__(self, config: ModelConfig, *, num_features: int, window: int) -> None:
        super().__init__()
        self.projection = nn.Linear(num_features, config.d_model)
        self.register_buffer("positions", sinusoidal_positions(window, config.d_model), persistent=False)
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.d_model,
                config.heads,
                config.feed_forward,
                config.dropout,
                activation="relu",
                batch_first=True,
                norm_first=False,
            )
            for _ in range(config.layers)
        )
        self.head = nn.Sequential(
            nn.Linear(config.d_model, HEAD_WIDTH), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(HEAD_WIDTH, 1)
        )
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    @property
    def num_sites(self) -> int:
        """Dropouts of one forward pass: those of the layers and the one in the head."""
        return SITES_PER_LAYER * len(self.encoder) + 1

    def logits(self, windows: Tensor, *, masks: Masks | None = None, segments: int | None = None) -> Tensor:
        """Return the log-odds (batch, 1) of z-scored windows (batch, window, feature).

        With ``masks``, drawn for ``num_sites``, dropout reads them; ``segments`` as in ``run_stack``.
        """
        hidden: Tensor = self.projection(windows) + self.positions
        pooled = run_stack(self._layers(masks), hidden, segments=segments).mean(dim=1)
        if masks is None:
            log_odds: Tensor = self.head(pooled)
            return log_odds
        inner, relu, _, outer = self.head
        return outer(masks.drop(self.num_sites - 1, relu(inner(pooled))))

    def _layers(self, masks: Masks | None) -> list[Callable[[Tensor], Tensor]]:
        if masks is None:
            return list(self.encoder)
        layers = cast("list[nn.TransformerEncoderLayer]", list(self.encoder))
        return [partial(encode, layer, masks=masks, layer_number=number) for number, layer in enumerate(layers)]

    def forward(self, windows: Tensor) -> Tensor:
        """Return the probability (batch, 1), in [0, 1], of z-scored windows (batch, window, feature)."""
        return torch.sigmoid(self.logits(windows))


def num_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
