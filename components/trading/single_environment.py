"""One account as a Gymnasium environment, in plain numbers: for other libraries, and the oracle of the batched one.

Observations, rewards and ends have the bits of ``market_environment.py``, where the formulas stand.
"""

# pyright: reportUnknownMemberType=false
import math
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from components.trading.environment_settings import EnvironmentConfig
from components.trading.market_environment import FLOOR, POSITIONS, Market

Observation = npt.NDArray[np.float32]


class TradingEnv(gymnasium.Env[Observation, Any]):
    """One symbol at a time; actions are positions in [-1, 1], (1,), or if ``discrete`` short, flat and long."""

    def __init__(self, market: Market, config: EnvironmentConfig, *, discrete: bool = False) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, market.observations.shape[1:], np.float32)
        self.action_space = spaces.Discrete(len(POSITIONS)) if discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
        self._discrete, self._config, self._scale = discrete, config, market.scale
        self._observations: Observation = market.observations.cpu().numpy()
        self._returns: list[float] = market.returns.tolist()
        self._last: list[int] = market.last.tolist()
        self._starts: list[int] = market.starts(config.episode_bars).tolist()
        self._begin(self._starts[0])

    def _begin(self, cell: int) -> None:
        self._cell = cell
        self._end = min(cell + self._config.episode_bars, self._last[cell]) - 1
        self._held, self._equity, self._peak, self._drawdown = 0.0, 1.0, 1.0, 0.0
        self._mean, self._square = 0.0, self._scale**2

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode at a random cell, or at ``options["cell"]``, and return its observation and the account."""
        super().reset(seed=seed)
        cell = (options or {}).get("cell")
        self._begin(self._starts[self.np_random.integers(len(self._starts))] if cell is None else cell)
        return self._observations[self._cell].copy(), self._info(0.0)

    def _info(self, net: float) -> dict[str, Any]:
        return {"balance": self._config.initial_balance * self._equity, "held": self._held, "net": net}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Hold the position over the next bar; the account's numbers are those before everything is sold."""
        position = POSITIONS[int(action)] if self._discrete else min(max(float(action[0]), -1.0), 1.0)
        over = self._cell == self._end
        gross = position * self._returns[self._cell]
        grown = position + gross
        paid = self._config.cost * (abs(position - self._held) + (abs(grown) if over else 0.0))
        net = gross - paid
        self._held = grown
        reward = self._reward(net, paid)
        self._cell += 1
        ruined = self._equity <= 0
        observation = self._observations[self._cell].copy()
        return observation, float(np.float32(reward)), ruined, over and not ruined, self._info(net)

    def _reward(self, net: float, paid: float) -> float:
        weights = self._config.reward
        mean, square = self._mean, self._square
        to_mean, to_square = net - mean, net * net - square
        variance = max(square - mean * mean, (FLOOR * self._scale) ** 2)
        sharpe = (square * to_mean - 0.5 * (mean * to_square)) / (variance * math.sqrt(variance))
        self._mean += (1 - weights.memory) * to_mean
        self._square += (1 - weights.memory) * to_square
        self._equity += net
        self._peak = max(self._peak, self._equity)
        drawdown = 1 - self._equity / self._peak
        fall = max(drawdown - self._drawdown, 0.0)
        self._drawdown = drawdown
        parts = weights.total_return * net - weights.drawdown * fall - weights.transaction * paid
        return weights.sharpe * sharpe + parts / self._scale
