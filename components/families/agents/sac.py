"""Soft actor-critic: as much reward as possible, from a policy that stays as random as it can afford.

Source: Haarnoja et al. (2018), "Soft actor-critic algorithms and applications": two critics, no network of state
values, and a temperature that keeps the policy's entropy at minus the number of actions.
"""

# pyright: reportUnknownMemberType=false
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.families.agents.algorithms import SACConfig
from components.families.agents.config import NetworkConfig
from components.families.agents.critic import TwinCritic, descend, follow, frozen_copy
from components.families.agents.experience import Experience, restore_training, training_tensors
from components.families.agents.networks import body
from components.families.agents.replay import Batch
from components.learning.checkpoint import Checkpoint, named
from components.trading.environment import Environments

LOG_STD = (-20.0, 2.0)
"""Bounds of the logarithm of a standard deviation."""


class SquashedGaussian(nn.Module):
    """A normal distribution of each number of an action, squashed into [-1, 1] by tanh."""

    def __init__(self, config: NetworkConfig, *, observation_size: int, action_size: int) -> None:
        super().__init__()
        self.body = body(config, observation_size)
        self.mean = nn.Linear(config.hidden[-1], action_size)
        self.log_std = nn.Linear(config.hidden[-1], action_size)

    def forward(self, observation: Tensor) -> Tensor:
        """Return the actions in the middle of the distributions, (batch, action)."""
        return torch.tanh(self.mean(self.body(observation)))

    def sample(self, observation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions (batch, action) drawn by standard normal ``noise``, and their log densities (batch,)."""
        hidden = self.body(observation)
        log_std = self.log_std(hidden).clamp(*LOG_STD)
        free = self.mean(hidden) + log_std.exp() * noise
        normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
        shrunk = 2 * (math.log(2) - free - functional.softplus(-2 * free))  # log(1 - tanh(free) ** 2)
        return torch.tanh(free), (normal - shrunk).sum(dim=1)


class SAC:
    """A policy, two critics and a temperature that learn from a replay of what environments of their own gave."""

    def __init__(
        self,
        environments: Environments,
        config: SACConfig,
        network: NetworkConfig,
        *,
        generator: torch.Generator,
        device: torch.device,
        total_steps: int,
    ) -> None:
        """Start untrained. ``generator``, on ``device``, draws actions and batches; ``total_steps`` changes nothing."""
        self.num_steps = 0
        self._config, self._action_size = config, environments.action_size
        self._experience = Experience(environments, config, generator=generator, device=device)
        sizes = {"observation_size": environments.observation_size, "action_size": environments.action_size}
        self.policy = SquashedGaussian(network, **sizes).to(device)
        self.critic = TwinCritic(network, **sizes).to(device)
        self.target = frozen_copy(self.critic)
        self.log_temperature = torch.zeros((), device=device, requires_grad=True)
        self._modules = {"policy": self.policy, "critic": self.critic, "target": self.target}
        self._optimizers = {
            "policy": torch.optim.Adam(self.policy.parameters(), config.lr, fused=True),
            "critic": torch.optim.Adam(self.critic.parameters(), config.lr, fused=True),
            "temperature": torch.optim.Adam([self.log_temperature], config.lr, fused=True),
        }

    def advance(self) -> dict[str, float]:
        """Take a round of steps and learn from the replay; return the mean reward and the mean losses."""
        reward, _ = self._experience.collect(self._explore)
        self.num_steps = self._experience.num_steps
        replay, learned = self._experience.replay, list[Tensor]()
        for _ in range(self._config.gradients_per_round):
            slots = replay.draw(self._config.batch, generator=self._experience.generator)
            learned.append(self.learn(replay.gather(slots, gamma=self._config.gamma)))
        means = cast("list[float]", torch.stack(learned).mean(dim=0).tolist())
        return {"reward": reward, **dict(zip(("critic_loss", "policy_loss", "temperature"), means, strict=True))}

    def _explore(self, observation: Tensor) -> Tensor:
        with torch.no_grad():
            return self.policy.sample(observation, self._noise(len(observation)))[0]

    def _noise(self, num: int) -> Tensor:
        return self._experience.normal(num, self._action_size)

    def act(self, observation: Tensor) -> Tensor:
        """Return the actions in the middle of the policy, (env, action)."""
        with torch.no_grad():
            return self.policy(observation)

    def learn(self, batch: Batch) -> Tensor:
        """Take one gradient of everything; return the losses of critic and policy, and the temperature, (3,)."""
        action, log_density = self.policy.sample(batch.observation, self._noise(len(batch.reward)))
        temperature = self.log_temperature.detach().exp()
        too_random = log_density.detach().mean() - self._action_size  # below 0 if so: the entropy aimed at is -action
        descend(self._optimizers["temperature"], -self.log_temperature * too_random)
        value = self.critic(batch.observation, batch.action)
        critic_loss = 0.5 * (value - self.targets(batch, temperature)).square().mean(dim=1).sum()
        descend(self._optimizers["critic"], critic_loss)
        best = self.critic(batch.observation, action).amin(dim=0)
        policy_loss = (temperature * log_density - best).mean()
        descend(self._optimizers["policy"], policy_loss)
        follow([self.target], [self.critic], tau=self._config.tau)
        return torch.stack([critic_loss.detach(), policy_loss.detach(), temperature])

    @torch.no_grad()
    def targets(self, batch: Batch, temperature: Tensor) -> Tensor:
        """Return what the critics should say, (batch,): reward, and the soft value of what follows."""
        action, log_density = self.policy.sample(batch.following, self._noise(len(batch.reward)))
        value = self.target(batch.following, action).amin(dim=0) - temperature * log_density
        return batch.reward + batch.discount * value

    def state(self) -> dict[str, Tensor]:
        """Return weights, optimizers, replay, random numbers and environments."""
        return {
            "log_temperature": self.log_temperature.detach(),
            **training_tensors(self._modules, self._optimizers),
            **named("experience", self._experience.state()),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``; what follows has the same bits as if it had never stopped."""
        with torch.no_grad():
            self.log_temperature.copy_(state["log_temperature"])
        restore_training(self._modules, self._optimizers, state)
        self._experience.load_state(Checkpoint(state, {}).group("experience"))
        self.num_steps = self._experience.num_steps
