"""The hybrid network: what the convolutions see asks, what the recurrent layer remembers answers.

Sources: system S4 of the requirements for the parts; Hochreiter and Schmidhuber (1997), "Long Short-Term Memory";
Vaswani et al. (2017), "Attention Is All You Need"; Ioffe and Szegedy (2015), "Batch Normalization"; Ba et al. (2016),
"Layer Normalization". Attention runs over time, never over the batch: no sample sees another one.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from components.families.hybrid.config import ModelConfig
from components.families.hybrid.data import Relative
from components.learning.convolutions import Convolutions
from components.learning.gradient import run_stack
from components.market.columns import ACTIONS

OUTPUTS = ("classification", "regression", "attention_weights", "features")
"""Names of what the network returns, in order."""

_ALL = slice(None)

STAGES = 4
"""Convolutions, attention, recurrence, fusion: as many segments of gradient checkpointing are of use."""


class HybridNetwork(nn.Module):
    """Chances of buy, hold and sell, and the move of the next bar in past volatilities.

    It reads raw windows: scaling is part of it. Four stages, of which each keeps the time axis but the last: that
    asks for the newest bar alone, which is where the decision is made.
    """

    def __init__(self, config: ModelConfig, *, columns: Sequence[str]) -> None:
        super().__init__()
        cnn, lstm, fusion = config.cnn, config.lstm, config.fusion
        self.relative = Relative(columns)
        self.batch_norm = nn.BatchNorm1d(len(columns)) if config.batch_norm else nn.Identity()
        self.convolutions = Convolutions(len(columns), cnn.hidden_dim, cnn.filter_sizes)
        self.attention = nn.MultiheadAttention(cnn.hidden_dim, cnn.num_heads, cnn.dropout, batch_first=True)
        self.lstm = nn.LSTM(
            cnn.hidden_dim, lstm.hidden_dim, lstm.num_layers, batch_first=True, bidirectional=lstm.bidirectional,
            dropout=lstm.dropout if lstm.num_layers > 1 else 0.0,
        )  # fmt: skip
        self.skip = nn.Linear(cnn.hidden_dim, lstm.width)
        self.question = nn.Linear(cnn.hidden_dim, lstm.width) if cnn.hidden_dim != lstm.width else nn.Identity()
        self.fusion = nn.MultiheadAttention(lstm.width, fusion.num_heads, fusion.dropout, batch_first=True)
        self.output = nn.Linear(lstm.width, fusion.output_dim)
        widths = (cnn.hidden_dim, cnn.hidden_dim, lstm.width, fusion.output_dim)
        self.norms = nn.ModuleList(nn.LayerNorm(width) if config.layer_norm else nn.Identity() for width in widths)
        self.dropout = nn.Dropout(config.dropout)
        self.classes = nn.Linear(fusion.output_dim, len(ACTIONS))
        self.price = nn.Linear(fusion.output_dim, 1)
        self._cnn_width = cnn.hidden_dim

    def prepare(self, windows: Tensor, shares: Tensor) -> None:
        """Take the scaling from raw training windows, and from the training zone how often each class comes."""
        self.relative.prepare(windows)
        with torch.no_grad():
            self.classes.bias.copy_(torch.log(shares))

    def _convolve(self, scaled: Tensor) -> Tensor:
        return self.norms[0](self.convolutions(scaled))

    def _attend(self, hidden: Tensor) -> Tensor:
        return self.norms[1](hidden + self.attention(hidden, hidden, hidden, need_weights=False)[0])

    def _remember(self, hidden: Tensor) -> Tensor:
        """Return (batch, time, CNN width + LSTM width): what asks, and what answers."""
        answer = self.norms[2](self.lstm(hidden)[0] + self.skip(hidden))
        return torch.cat((hidden, answer), dim=-1)

    def _fuse(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (batch, output_dim) and the weights (batch, time) of the bars that they are made of."""
        answer = joined[..., self._cnn_width :]
        question = self.question(joined[:, -1:, : self._cnn_width])
        fused, weights = self.fusion(question, answer, answer)
        return self.norms[3](torch.relu(self.output(question + fused)[:, 0])), weights[:, 0]

    def _fused(self, joined: Tensor) -> Tensor:
        return self._fuse(joined)[0]

    def _normed(self, scaled: Tensor) -> Tensor:
        return self.batch_norm(scaled.transpose(1, 2)).transpose(1, 2)

    def scores(
        self, scaled: Tensor, *, rows: Tensor | slice = _ALL, segments: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return log-odds (batch, 3) and moves (batch,) of scaled windows (batch, time, channel), for training.

        Of a batch that several processes share, each answers its own ``rows``; all of it counts for the batch norm.
        With ``segments`` the activations inside of that many runs of stages are computed again in the backward pass.
        """
        stages = (self._convolve, self._attend, self._remember, self._fused)
        features = self.dropout(run_stack(stages, self._normed(scaled)[rows], segments=segments))
        return self.classes(features), self.price(features)[:, 0]

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return ``OUTPUTS`` of raw windows (batch, time, channel).

        Chances (batch, 3) in the order of ``ACTIONS``; move (batch,); weights (batch, time), which sum to 1; features
        (batch, output_dim).
        """
        hidden = self._attend(self._convolve(self._normed(self.relative(windows))))
        features, weights = self._fuse(self._remember(hidden))
        dropped = self.dropout(features)
        chances = torch.softmax(self.classes(dropped).float(), dim=-1)
        return chances, self.price(dropped)[:, 0], weights, features

    def self_attention(self, windows: Tensor) -> Tensor:
        """Return how much each bar looks at each other one, (batch, time, time), mean over the heads; rows sum to 1."""
        hidden = self._convolve(self._normed(self.relative(windows)))
        weights: Tensor = self.attention(hidden, hidden, hidden)[1]
        return weights
