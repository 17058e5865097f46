"""The health network: a window in 16 numbers, from which it is drawn again and its score of later is told.

Sources: Hinton and Salakhutdinov (2006), "Reducing the Dimensionality of Data with Neural Networks"; Kingma and
Welling (2014), "Auto-Encoding Variational Bayes".
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from components.families.health import LATENT
from components.families.health.config import ModelConfig
from components.market.health import behaviors, health_scores, vol_buckets

OUTPUTS = ("health_score", "vol_bucket", "behavior", "health_latent", "reconstruction_error")
"""Names of what the network returns, in order."""

_EDGE = 1e-4
"""Scores are kept this far from 0 and 1, where log-odds are infinite."""
_MAX_SCALED = 10.0
"""Deviations beyond which a feature says no more: crashes must not own the reconstruction."""

Floats = npt.NDArray[np.float64]


class Answer(NamedTuple):
    """What the network makes of a batch of windows."""

    score: Tensor
    """(batch,), in [0, 1]."""
    error: Tensor
    """(batch,): mean squared error of the reconstruction, in squared training deviations."""
    mean: Tensor
    """(batch, 16): the latent, or the mean of its distribution."""
    log_variance: Tensor
    """(batch, 16); minus infinity is a point, and the autoencoder says 0 and does not use it."""


def log_odds(score: Floats) -> Floats:
    """Return the log-odds of scores, kept off 0 and 1."""
    kept = np.clip(score, _EDGE, 1 - _EDGE)
    odds: Floats = np.log(kept / (1 - kept))
    return odds


def fitted_line(now: Floats, label: Floats) -> tuple[float, float]:
    """Return (slope, intercept) of the least-squares line from the log-odds of now to those of the label."""
    x, y = log_odds(now), log_odds(label)
    spread = float(np.var(x))
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 0 else 0.0
    return slope, float(y.mean() - slope * x.mean())


class HealthNetwork(nn.Module):
    """Score ``horizon`` bars after the window, and the window drawn again from its latent.

    Untrained it says what the straight line from the score of now says; training learns a correction of that.
    It reads raw windows: scaling and line are part of it.
    """

    mean: Tensor
    std: Tensor
    line: Tensor

    def __init__(self, config: ModelConfig, *, num_features: int, window: int) -> None:
        super().__init__()
        for name in ("mean", "std"):
            self.register_buffer(name, torch.ones(num_features))
        self.register_buffer("line", torch.tensor([1.0, 0.0]))
        self.variational = config.type == "vae"
        size, outputs = window * num_features, 2 * LATENT if self.variational else LATENT
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(size, config.hidden), nn.GELU(), nn.Linear(config.hidden, outputs)
        )
        self.decoder = nn.Sequential(nn.Linear(LATENT, config.hidden), nn.GELU(), nn.Linear(config.hidden, size))
        self.correction = nn.Linear(LATENT, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def prepare(self, mean: Floats, std: Floats, line: tuple[float, float]) -> None:
        """Set the scaling of the features and the line of the scores, both of the training zone alone."""
        for buffer, values in ((self.mean, mean), (self.std, std), (self.line, np.array(line))):
            buffer.copy_(torch.from_numpy(values))

    def answer(self, windows: Tensor) -> Answer:
        """Return what is made of raw windows (batch, window, feature); in training a vae draws its latent."""
        scaled = ((windows - self.mean) / self.std).clamp(-_MAX_SCALED, _MAX_SCALED)
        code = self.encoder(scaled)
        mean = code[:, :LATENT]
        log_variance = code[:, LATENT:] if self.variational else torch.zeros_like(mean)
        latent = mean
        if self.variational and self.training:
            latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        error = (self.decoder(latent) - scaled.flatten(1)).square().mean(dim=1)
        now = torch.logit(health_scores(windows[:, -1]), eps=_EDGE)
        usual = self.line[0] * now + self.line[1]
        score = torch.sigmoid(usual + self.correction(latent)[:, 0])
        return Answer(score, error, mean, log_variance)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return ``OUTPUTS`` of raw windows: all (batch,), but the latent (batch, 16).

        Bucket and behavior are codes of what the last bar is in, by the rules of the labels.
        """
        answer, last = self.answer(windows), windows[:, -1]
        return answer.score, vol_buckets(last), behaviors(last), answer.mean, answer.error
