"""Trading as many environments at once: one symbol and one account per row, filled at the next open, costs paid.

An action is the position to hold, a share of the initial balance: -1 all short, 0 flat, 1 all long. It is decided
after a close, traded at the next open and earns until the open after it, as in ``allocation.py``: gains are not
reinvested, and by then the position has grown with its return. With r the return, c the cost per unit of turnover
and p' the position that the bar before left, all as fractions of the initial balance:

    turnover = |p - p'|,  and |p (1 + r)| more at the end of an episode, where everything is sold
    net      = p r - c turnover                       equity += net                 p' = p (1 + r)
    sharpe   = (B (net - A) - A (net^2 - B) / 2) / v^1.5       v = max(B - A^2, (scale / 4)^2)
    fall     = max(0, drawdown - drawdown before)     drawdown = 1 - equity / highest equity
    reward   = w_sharpe sharpe + w_return net / scale - w_drawdown fall / scale - w_transaction c turnover / scale

``sharpe`` is the differential Sharpe ratio of Moody and Saffell (2001), "Learning to Trade via Direct Reinforcement":
A and B are the moving mean and square of net, 0 and scale^2 at the start, afterwards moved by 1 - memory of the way.
``scale`` is the standard deviation of the market's returns, which makes all parts numbers of one size. The floor of v
keeps a first trade after long idleness from counting as a feat. Equity at or below 0 ends an episode for good.
"""

# pyright: reportUnknownMemberType=false
from dataclasses import dataclass

import torch
from torch import Tensor

from components.trading.environment import Step
from components.trading.environment_settings import EnvironmentConfig

POSITIONS = (-1.0, 0.0, 1.0)
"""What the discrete actions hold: short, flat, long."""

FLOOR = 0.25
"""Least deviation of the Sharpe ratio, in deviations of the market."""


@dataclass(frozen=True)
class Market:
    """Decisions of all symbols, those of one symbol that follow each other in time in one piece: a stretch."""

    observations: Tensor
    """(cell, feature), float32: what is known at the decision."""
    returns: Tensor
    """(cell,), float64: next open to the open after it, a fraction."""
    last: Tensor
    """(cell,): the last cell of its stretch. It is observed, and nothing is decided there."""
    scale: float
    """Standard deviation of the returns that learning sees, a fraction."""

    def starts(self, episode_bars: int) -> Tensor:
        """Return the cells where an episode of that many bars fits, or of a shorter stretch all but its end.

        Raises:
            ValueError: If no stretch has two cells.
        """
        cells = torch.arange(len(self.last), device=self.last.device)
        first = torch.ones_like(cells, dtype=torch.bool)
        first[1:] = self.last[1:] != self.last[:-1]
        room = self.last - cells
        found = ((room >= episode_bars) | (first & (room > 0))).nonzero()[:, 0]
        if not len(found):
            raise ValueError("no two decisions of one symbol follow each other, so there is no step to take")
        return found


class MarketEnvironments:
    """Rows of accounts, each in an episode that starts at a random cell; see the module for what a step is worth."""

    action_size: int
    num_actions: int

    def __init__(
        self,
        market: Market,
        config: EnvironmentConfig,
        *,
        num_envs: int,
        generator: torch.Generator,
        discrete: bool = False,
    ) -> None:
        """Stand ready in ``num_envs`` rows; ``generator``, on the CPU, draws where episodes start.

        Raises:
            ValueError: If no stretch of the market has two cells.
        """
        self.num_envs, self.observation_size = num_envs, market.observations.shape[1]
        self.action_size, self.num_actions = (0, len(POSITIONS)) if discrete else (1, 0)
        self._market, self._config, self._generator = market, config, generator
        self._starts = market.starts(config.episode_bars)
        device = market.returns.device
        self._positions = torch.tensor(POSITIONS, dtype=torch.float64, device=device)
        self._cell, self._end = torch.zeros(2, num_envs, dtype=torch.int64, device=device)
        names = ("held", "equity", "peak", "drawdown", "mean", "square")
        self._account = {name: torch.zeros(num_envs, dtype=torch.float64, device=device) for name in names}
        self.net = torch.zeros(num_envs, dtype=torch.float64, device=device)
        """(env,): what the last step earned after costs, a fraction of the initial balance."""
        self.reset()

    @property
    def balance(self) -> Tensor:
        """(env,): the account's money, its position valued at the open that was reached last."""
        return self._config.initial_balance * self._account["equity"]

    def reset(self) -> Tensor:
        """Start an episode in every row and return the observations (env, feature)."""
        self._begin(torch.ones_like(self._cell, dtype=torch.bool), self._draw())
        return self._market.observations.index_select(0, self._cell)

    def _draw(self) -> Tensor:
        drawn = torch.randint(len(self._starts), (self.num_envs,), generator=self._generator)
        return self._starts[drawn.to(self._starts.device)]

    def start_at(self, cells: Tensor) -> Tensor:
        """Start an episode at these cells (env,) and return the observations (env, feature).

        Raises:
            ValueError: If a cell is the last of its stretch.
        """
        if bool((self._market.last[cells] <= cells).any()):
            raise ValueError("an episode cannot start at the last cell of a stretch: nothing is decided there")
        self._begin(torch.ones_like(self._cell, dtype=torch.bool), cells)
        return self._market.observations.index_select(0, self._cell)

    def _begin(self, rows: Tensor, cells: Tensor) -> None:
        """Start an episode at ``cells`` (env,) in the rows that are flagged (env,)."""
        ends = torch.minimum(cells + self._config.episode_bars, self._market.last[cells]) - 1
        self._cell, self._end = torch.where(rows, cells, self._cell), torch.where(rows, ends, self._end)
        fresh = {"equity": 1.0, "peak": 1.0, "square": self._market.scale**2}
        self._account = {name: values.masked_fill(rows, fresh.get(name, 0.0)) for name, values in self._account.items()}

    def step(self, action: Tensor) -> Step:
        """Take the positions (env, 1) in [-1, 1], or those of the discrete actions (env,), and earn the next bar.

        The market does not heed our trades, so rewards have an exact gradient with respect to positions that want one.
        """
        position = self._positions[action] if self.num_actions else action[:, 0].double().clamp(-1, 1)
        account, returns = self._account, self._market.returns.index_select(0, self._cell)
        over = self._cell == self._end
        gross = position * returns
        grown = position + gross
        turnover = (position - account["held"]).abs_() + grown.abs() * over
        paid = self._config.cost * turnover
        self.net = gross - paid
        account["held"] = grown
        reward = self._reward(self.net, paid)
        ruined = account["equity"] <= 0
        self._cell = self._cell + 1
        final = self._market.observations.index_select(0, self._cell)
        done = over | ruined
        observation = final
        if bool(done.any()):
            self._begin(done, self._draw())
            observation = self._market.observations.index_select(0, self._cell)
        return Step(observation, reward.float(), ruined, over & ~ruined, final)

    def _reward(self, net: Tensor, paid: Tensor) -> Tensor:
        """Return what the step is worth, (env,), and carry equity, drawdown and moments on."""
        weights, account, scale = self._config.reward, self._account, self._market.scale
        mean, square = account["mean"], account["square"]
        to_mean, to_square = net - mean, net * net - square
        variance = (square - mean * mean).clamp_(min=(FLOOR * scale) ** 2)
        sharpe = (square * to_mean - 0.5 * (mean * to_square)) / (variance * variance.sqrt())
        account["mean"] = mean + (1 - weights.memory) * to_mean
        account["square"] = square + (1 - weights.memory) * to_square
        account["equity"] = account["equity"] + net
        account["peak"] = torch.maximum(account["peak"], account["equity"])
        drawdown = 1 - account["equity"] / account["peak"]
        fall = (drawdown - account["drawdown"]).clamp_(min=0)
        account["drawdown"] = drawdown
        parts = weights.total_return * net - weights.drawdown * fall - weights.transaction * paid
        return weights.sharpe * sharpe + parts / scale

    def state(self) -> dict[str, Tensor]:
        """Return all that the next steps depend on, the random numbers' state included."""
        rows = {"cell": self._cell, "end": self._end, **self._account}
        return {name: values.clone() for name, values in rows.items()} | {"random": self._generator.get_state()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``; the same actions then lead to the same bits."""
        device = self._cell.device
        self._cell, self._end = (state[name].to(device).clone() for name in ("cell", "end"))
        self._account = {name: state[name].to(device).clone() for name in self._account}
        self._generator.set_state(state["random"].cpu())
