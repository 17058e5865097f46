"""Two tasks at once: which action, and how far the price goes.

Source: Caruana (1997), "Multitask Learning".
"""

from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from components.families.hybrid.config import LossWeights


def hybrid_loss(scores: Tensor, moves: Tensor, label: Tensor, move: Tensor, weights: LossWeights) -> Tensor:
    """Return the weighted sum of both mean losses.

    Cross-entropy in nats of log-odds (batch, 3) against codes (batch,), and the squared error of moves (batch,) in
    squared past volatilities.
    """
    chosen = cross_entropy(scores.float(), label)
    far = mse_loss(moves.float(), move)
    return weights.classification * chosen + weights.regression * far
