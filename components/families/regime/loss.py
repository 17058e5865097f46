"""Cross-entropy of the regime that came, in nats."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def regime_loss(scores: Tensor, label: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean cross-entropy of log-odds (batch, 5) against codes (batch,), each class by its ``weight``.

    Weights scale each row's loss and nothing divides by their sum: parts of a batch add up to the batch.
    """
    losses = cross_entropy(scores.float(), label, reduction="none")
    return losses.mean() if weight is None else (losses * weight[label]).mean()


def balanced_weights(label: Tensor, num_classes: int) -> Tensor:
    """Return (class,), the weights by which every class that occurs has the same part in the loss; their mean is 1."""
    counts = torch.bincount(label, minlength=num_classes)
    occurs = counts > 0
    return torch.where(occurs, len(label) / (occurs.sum() * counts.clamp(min=1)), 0.0).float()
