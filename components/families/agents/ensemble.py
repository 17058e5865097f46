"""Several trained agents as one policy: they vote, or one of them is followed.

What a rule needs is learned from the validation zone (``switches.py``). Votes and drawn members end in one weight for
each: a served graph throws no dice, so by Thompson's rule each member is held by its chance of being drawn, which is
what the draws hold on average. The learned choice follows one member at each decision.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from components.families.agents.config import EnsembleConfig
from components.families.agents.switches import Floats, MetaLearner, ThompsonSwitch, vote_weights
from components.trading.market_environment import POSITIONS, Market

NUM_DRAWS = 10_000
"""Draws that a chance is counted from: half a percent at most is noise."""
BATCH = 4096


class Ensemble(nn.Module):
    """The members' policies and the rule that makes one position of theirs."""

    positions: Tensor
    weights: Tensor
    intercept: Tensor
    slopes: Tensor

    def __init__(
        self, members: Sequence[nn.Module], *, discrete: Sequence[bool], config: EnsembleConfig, observation_size: int
    ) -> None:
        """Start with equal weights; ``discrete`` says of each member whether its actions are numbered."""
        super().__init__()
        num = len(members)
        self.members, self.discrete, self.config = nn.ModuleList(members), tuple(discrete), config
        self.register_buffer("positions", torch.tensor(POSITIONS), persistent=False)
        self.register_buffer("weights", torch.full((num,), 1 / num))
        self.register_buffer("intercept", torch.zeros(num))
        self.register_buffer("slopes", torch.zeros(observation_size + num, num))

    def each(self, observation: Tensor) -> Tensor:
        """Return what each member holds, (batch, member), in [-1, 1]."""
        actions = [member(observation) for member in self.members]
        held = [
            self.positions[action] if discrete else action[:, 0]
            for action, discrete in zip(actions, self.discrete, strict=True)
        ]
        return torch.stack(held, dim=1)

    def forward(self, observation: Tensor) -> Tensor:
        """Return what is held, (batch, 1), in [-1, 1]."""
        held = self.each(observation)
        if self.config.rule != "meta":
            return (held * self.weights).sum(dim=1, keepdim=True)
        forecast = self.intercept + torch.cat([observation, held], dim=1) @ self.slopes
        return held.gather(1, forecast.argmax(dim=1, keepdim=True))

    def learn(self, market: Market, *, cost: float, seed: int) -> dict[str, float]:
        """Learn the rule from the ``market`` of the validation zone; return the mean net return of each member there.

        ``cost`` is that of a unit of turnover; ``seed`` is of Thompson's draws.
        """
        with torch.no_grad():
            held = torch.cat([self.each(part) for part in torch.split(market.observations, BATCH)])
        decides = (torch.arange(len(market.last), device=market.last.device) != market.last).cpu().numpy()
        rewards = net_of_each(held.double().cpu().numpy(), market, cost=cost)[decides]
        context = torch.cat([market.observations, held], dim=1).double().cpu().numpy()[decides]
        if self.config.rule == "vote":
            self.weights.copy_(torch.from_numpy(vote_weights(rewards)))
        elif self.config.rule == "meta":
            learner = MetaLearner.fitted(context, rewards, ridge=self.config.ridge)
            self.intercept.copy_(torch.from_numpy(learner.intercept))
            self.slopes.copy_(torch.from_numpy(learner.slopes))
        else:
            switch = ThompsonSwitch(len(self.members), scale=market.scale, memory=self.config.memory)
            for row in rewards:
                switch.observe(row)
            self.weights.copy_(torch.from_numpy(switch.chances(np.random.default_rng(seed), NUM_DRAWS)))
        return dict(zip(self.config.members, rewards.mean(axis=0).tolist(), strict=True))


def net_of_each(held: Floats, market: Market, *, cost: float) -> Floats:
    """Return what each member earns at each cell of a market, [cell, member], alone in an account of its own.

    As in ``market_environment.py``: a stretch starts flat, and by the next decision a position has grown.
    """
    returns, last = market.returns.cpu().numpy()[:, None], market.last.cpu().numpy()
    before = np.zeros_like(held)
    before[1:] = (held * (1 + returns))[:-1] * (last[1:] == last[:-1])[:, None]
    return held * returns - cost * np.abs(held - before)
