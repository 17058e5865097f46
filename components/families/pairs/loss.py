"""Growth after costs of a portfolio that is rebalanced at the start of each horizon.

Sources: Kelly (1956), "A New Interpretation of Information Rate", for the growth of the logarithm; Markowitz (1952),
"Portfolio Selection", for the price of its variance. Between two starts nothing is traded and the weights drift with
the prices. What they have drifted to follows from weights and growth of the horizon before alone, so the whole history
is one batch.
"""

import torch
from torch import Tensor

from components.families.pairs.config import ObjectiveConfig


def turnover_of(weights: Tensor, growth: Tensor) -> Tensor:
    """Return the share of the value that is traded at each start, (..., period), of (..., period, asset).

    At the first all of it is bought. At each other the weights of the one before have drifted to weight times growth,
    by their sum.
    """
    grown = weights * growth
    drifted = grown / grown.sum(dim=-1, keepdim=True)
    before = torch.cat([torch.zeros_like(weights[..., :1, :]), drifted[..., :-1, :]], dim=-2)
    return (weights - before).abs().sum(dim=-1)


def log_growth(weights: Tensor, growth: Tensor, *, cost_bps: float) -> Tensor:
    """Return the logarithm of what each horizon multiplies the value by, after costs, (..., period)."""
    kept = 1 - 1e-4 * cost_bps * turnover_of(weights, growth)
    return ((weights * growth).sum(dim=-1) * kept).log()


def portfolio_loss(weights: Tensor, growth: Tensor, config: ObjectiveConfig, *, known: Tensor | None = None) -> Tensor:
    """Return - the mean log growth of a horizon + ``risk_penalty`` x its variance, (...), of (..., period, asset).

    ``known`` (..., period) tells the periods that there were from those that only fill the table; None is all.
    """
    grown = log_growth(weights, growth, cost_bps=config.transaction_cost_bps)
    count = torch.ones_like(grown) if known is None else known.to(grown.dtype)
    part = count / count.sum(dim=-1, keepdim=True)
    mean = (part * grown).sum(dim=-1)
    variance = (part * (grown - mean[..., None]).square()).sum(dim=-1)
    return config.risk_penalty * variance - mean
