"""The regime network: what usually follows the regime of now, corrected by what the window shows.

Sources: Cho et al. (2014), "Learning Phrase Representations using RNN Encoder-Decoder", for the GRU; Vaswani et
al. (2017), "Attention Is All You Need", for the transformer; Guo et al. (2017), "On Calibration of Modern Neural
Networks", for the temperature.
"""

# pyright: reportUnknownMemberType=false
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from components.families.regime import EMBEDDING
from components.families.regime.config import ModelConfig
from components.market.columns import REGIMES
from components.market.regimes import regime_codes

OUTPUTS = ("regime_probs", "regime_label", "regime_embedding")
"""Names of what the network returns, in order."""

_PLACE_STD = 0.02

Floats = npt.NDArray[np.float64]


def transitions(now: Floats, label: Floats) -> Floats:
    """Return [regime, regime], the share of each label after each regime of now, with one more case in each cell."""
    counts = np.ones((len(REGIMES), len(REGIMES)))
    np.add.at(counts, (now.astype(np.int64), label.astype(np.int64)), 1)
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


class RecurrentReader(nn.Module):
    """What a GRU holds after the last session of a window."""

    def __init__(self, config: ModelConfig, *, num_features: int) -> None:
        super().__init__()
        dropout = config.dropout if config.layers > 1 else 0.0
        self.gru = nn.GRU(num_features, config.hidden, config.layers, batch_first=True, dropout=dropout)

    def forward(self, scaled: Tensor) -> Tensor:
        """Return (batch, hidden) of z-scored windows (batch, window, feature)."""
        hidden: Tensor = self.gru(scaled)[0]
        return hidden[:, -1]


class AttentiveReader(nn.Module):
    """What a transformer holds of a window: the mean over its sessions, with learned places."""

    def __init__(self, config: ModelConfig, *, num_features: int, window: int) -> None:
        super().__init__()
        self.projection = nn.Linear(num_features, config.hidden)
        self.places = nn.Parameter(_PLACE_STD * torch.randn(window, config.hidden))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(config.hidden, config.heads, 2 * config.hidden, config.dropout, batch_first=True)
            for _ in range(config.layers)
        )

    def forward(self, scaled: Tensor) -> Tensor:
        """Return (batch, hidden) of z-scored windows (batch, window, feature)."""
        hidden: Tensor = self.projection(scaled) + self.places
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden.mean(dim=1)


class RegimeNetwork(nn.Module):
    """Probabilities of the five regimes ``horizon`` sessions after the window.

    Untrained it says what followed the regime of now in the training zone; training learns a correction of that.
    It reads raw windows: scaling, prior and temperature are part of it.
    """

    mean: Tensor
    std: Tensor
    prior: Tensor
    temperature: Tensor

    def __init__(self, config: ModelConfig, *, num_features: int, window: int) -> None:
        super().__init__()
        for name in ("mean", "std"):
            self.register_buffer(name, torch.ones(num_features))
        self.register_buffer("prior", torch.zeros(len(REGIMES), len(REGIMES)))
        self.register_buffer("temperature", torch.ones(()))
        if config.type == "gru":
            self.reader: nn.Module = RecurrentReader(config, num_features=num_features)
        else:
            self.reader = AttentiveReader(config, num_features=num_features, window=window)
        self.embedding = nn.Linear(config.hidden, EMBEDDING)
        self.dropout = nn.Dropout(config.dropout)
        self.correction = nn.Linear(EMBEDDING, len(REGIMES))
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def prepare(self, mean: Floats, std: Floats, prior: Floats) -> None:
        """Set the scaling of the features and the transition shares, all of the training zone alone."""
        for buffer, values in ((self.mean, mean), (self.std, std), (self.prior, np.log(prior))):
            buffer.copy_(torch.from_numpy(values))

    def scores(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Return uncalibrated log-odds (batch, 5) and embedding (batch, 8) of raw windows (batch, window, feature)."""
        embedding = torch.tanh(self.embedding(self.reader((windows - self.mean) / self.std)))
        usual = self.prior.index_select(0, regime_codes(windows[:, -1]))
        return usual + self.correction(self.dropout(embedding)), embedding

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``OUTPUTS`` of raw windows: probabilities (batch, 5), code (batch,) and embedding (batch, 8)."""
        scores, embedding = self.scores(windows)
        probabilities = torch.softmax(scores.float() / self.temperature, dim=-1)
        return probabilities, probabilities.argmax(dim=-1), embedding
