"""Binary cross-entropy, computed on the log-odds so that a sure model gives no infinity."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def direction_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean binary cross-entropy in nats, a scalar, of log-odds (batch, 1) and labels (batch, 1) of 0 or 1.

    It equals the cross-entropy of ``sigmoid(logits)``, in float32 whatever autocast is on.
    """
    return binary_cross_entropy_with_logits(logits.float(), labels)
