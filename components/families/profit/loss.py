"""Net-profit objective: trade the weights, pay the costs, keep the rest.

Source: Moody and Saffell (2001), "Learning to Trade via Direct Reinforcement": profit and the Sharpe ratio as
objectives that are differentiated through the trades.
"""

import torch
from torch import Tensor

from components.families.profit.config import ObjectiveConfig

SHARPNESS = 4.0
"""Of the long-only softmax: a symbol at 1 gets exp(8) times as much as one at -1."""
_EPSILON = 1e-8


def allocate(score: Tensor, known: Tensor, *, head: str) -> Tensor:
    """Return the shares of the capital (..., asset) that scores (..., asset) in [-1, 1] ask for.

    ``known`` is 1 for the symbols that can be held and 0 for the others, which get none. Of ``signed`` their sizes
    add up to at most 1, of ``long_only`` they are above 0 and add up to 1.
    """
    if head == "signed":
        return score * known / score.shape[-1]
    shares = torch.softmax((SHARPNESS * score).masked_fill(known == 0, -torch.inf), dim=-1)
    return torch.nan_to_num(shares)


def net_returns(weights: Tensor, returns: Tensor, *, cost_bps: float) -> Tensor:
    """Return the fraction of the capital gained at each step, (..., time), after costs.

    ``weights[..., t, :]`` is chosen with data up to t and earns ``returns[..., t, :]``. By t + 1 the position has grown
    with its return; the trade is from there to the next weight. The book starts flat: entering at 0 is charged.

    Raises:
        ValueError: If ``cost_bps`` is negative.
    """
    if cost_bps < 0:
        raise ValueError(f"cost_bps must be >= 0, was {cost_bps}")
    grown = weights * (1 + returns)
    before = torch.cat([torch.zeros_like(grown[..., :1, :]), grown[..., :-1, :]], dim=-2)
    turnover = (weights - before).abs().sum(dim=-1)
    return (weights * returns).sum(dim=-1) - 1e-4 * cost_bps * turnover


def sharpe_like(net: Tensor) -> Tensor:
    """Return mean by standard deviation of the net returns (any shape), a scalar; near 0 where nothing varies."""
    return net.mean() / (net.var(correction=0) + _EPSILON).sqrt()


def profit_loss(
    weights: Tensor, returns: Tensor, errors: Tensor, known: Tensor, config: ObjectiveConfig, *, scale: float
) -> Tensor:
    """Return the objective of some paths, a scalar, in float32 whatever autocast is on.

    ``weights``, ``returns``, the price head's ``errors`` in ``scale``, and ``known`` are (path, time, asset). A path
    starts in the middle of a longer book: what it holds first is given, and is not charged, nor does it count.
    """
    net = net_returns(weights.float(), returns, cost_bps=config.transaction_cost_bps)[:, 1:]
    price = (errors.float().square() * known).sum() / known.sum().clamp_min(1)
    profit = net.mean() / scale
    return config.price_weight * price - config.profit_weight * profit - config.sharpe_weight * sharpe_like(net)
