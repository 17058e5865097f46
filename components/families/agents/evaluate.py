"""Episodes played without exploring, and what they are worth: Sharpe ratio, return and deepest drawdown."""

# pyright: reportUnknownMemberType=false
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from components.trading.environment_settings import EnvironmentConfig
from components.trading.market_environment import Market, MarketEnvironments
from components.trading.performance import drawdown_of
from components.trading.statistics import Array, sharpe_ratio

_STREAM = 2_024
"""Start of the random stream that chooses the episodes: the same ones in every evaluation."""


@dataclass(frozen=True)
class Episodes:
    """What was earned, one row per episode, NaN after its end."""

    net: Array
    """[episode, bar]: after costs, a fraction of the initial balance."""
    reward: Array
    """[episode, bar]."""


def play(
    market: Market,
    config: EnvironmentConfig,
    act: Callable[[Tensor], Tensor],
    *,
    num_episodes: int,
    discrete: bool,
) -> Episodes:
    """Return ``num_episodes`` episodes of a market, played by ``act``: an instant, so a stop waits for its end."""
    generator = torch.Generator().manual_seed(_STREAM)
    rows = MarketEnvironments(market, config, num_envs=num_episodes, generator=generator, discrete=discrete)
    observation = rows.reset()
    alive = torch.ones(num_episodes, dtype=torch.bool, device=observation.device)
    nets, rewards = list[Tensor](), list[Tensor]()
    while bool(alive.any()):
        step = rows.step(act(observation))
        nets.append(torch.where(alive, rows.net, math.nan))
        rewards.append(torch.where(alive, step.reward.double(), math.nan))
        alive &= ~(step.terminated | step.truncated)
        observation = step.observation
    return Episodes(*(torch.stack(values, dim=1).cpu().numpy() for values in (nets, rewards)))


def metrics(episodes: Episodes, *, bars_per_year: float) -> dict[str, float]:
    """Return ``loss``, which is minus the mean reward of a step, and the means over the episodes of three figures.

    ``sharpe_ratio``, per year, is 0 of an episode in which nothing is earned or lost; ``total_return`` and
    ``max_drawdown``, zero or negative, are fractions.
    """
    nets = [row[np.isfinite(row)] for row in episodes.net]
    sharpe = [sharpe_ratio(net, periods_per_year=bars_per_year) for net in nets]
    return {
        "loss": -float(np.nanmean(episodes.reward)),
        "sharpe_ratio": float(np.mean(np.nan_to_num(sharpe, nan=0.0))),
        "total_return": float(np.mean([net.sum() for net in nets])),
        "max_drawdown": float(np.mean([drawdown_of(net).min() for net in nets])),
    }
