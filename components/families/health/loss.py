"""Squared errors of the reconstruction and of the score, and for a vae the divergence of its latent."""

from torch import Tensor

from components.families.health.config import TrainConfig
from components.families.health.model import Answer


def health_loss(answer: Answer, label: Tensor, config: TrainConfig, *, variational: bool, num_inputs: int) -> Tensor:
    """Return the mean loss, a scalar, against the scores that came (batch,).

    Reconstruction error + ``score_weight`` x (score - label)^2 + ``beta`` x 2 KL / ``num_inputs``. With beta 1
    error and divergence are twice the negative evidence bound per input, for unit variance (Kingma and Welling 2014).
    """
    losses = answer.error + config.score_weight * (answer.score - label).square()
    if variational:
        variance = answer.log_variance.exp()
        divergence = 0.5 * (answer.mean.square() + variance - 1 - answer.log_variance).sum(dim=1)
        losses = losses + config.beta * 2 * divergence / num_inputs
    return losses.float().mean()
