"""The quantile loss: what it costs to be above or below, by how sure one claimed to be.

Source: Koenker and Bassett (1978), "Regression Quantiles"; summed over levels and steps as in Lim et al. (2021).
"""

from torch import Tensor


def quantile_loss(said: Tensor, came: Tensor, levels: Tensor) -> Tensor:
    """Return the mean over rows, steps and levels of max(level * (came - said), (level - 1) * (came - said)).

    ``said`` is (row, step, level), ``came`` (row, step), ``levels`` (level,). A scalar, in the unit of what came.
    """
    error = (came[..., None] - said).float()
    return (levels * error).maximum((levels - 1) * error).mean()
