"""How an agent that learns from a replay goes through its environments: at random first, then as it chooses."""

from collections.abc import Callable

import torch
from torch import Tensor

from components.families.agents.algorithms import OffPolicyConfig
from components.families.agents.replay import Replay
from components.learning.checkpoint import Checkpoint, named
from components.trading.environment import Environments


class Experience:
    """The environments of one agent, its replay, and the random numbers of both."""

    def __init__(self, config: OffPolicyConfig, environments: Environments, *, seed: int) -> None:
        self._config, self._environments = config, environments
        self.observation = environments.reset()
        self.generator = torch.Generator(self.observation.device).manual_seed(seed)
        self.replay = Replay(config.buffer, environments, device=self.observation.device)
        self.num_steps = 0

    def collect(self, choose: Callable[[Tensor], Tensor]) -> tuple[float, Tensor]:
        """Take a round of steps, those before ``learning_starts`` besides; return the mean reward and the new slots."""
        rewards: list[Tensor] = []
        slots: list[Tensor] = []
        num_chosen = 0
        while num_chosen < self._config.steps_per_round:
            if self.num_steps < self._config.learning_starts:
                action = self._at_random()
            else:
                action = choose(self.observation)
                num_chosen += 1
            step = self._environments.step(action)
            slots.append(self.replay.add(self.observation, action, step))
            rewards.append(step.reward)
            self.observation = step.observation
            self.num_steps += self._environments.num_envs
        return torch.stack(rewards).mean().item(), torch.cat(slots)

    def _at_random(self) -> Tensor:
        num_envs, device = self._environments.num_envs, self.observation.device
        if self._environments.num_actions:
            return torch.randint(self._environments.num_actions, (num_envs,), generator=self.generator, device=device)
        size = (num_envs, self._environments.action_size)
        return 2 * torch.rand(size, generator=self.generator, device=device) - 1

    def normal(self, *size: int) -> Tensor:
        """Return numbers from the standard normal distribution."""
        return torch.randn(size, generator=self.generator, device=self.observation.device)

    def state(self) -> dict[str, Tensor]:
        """Return all of it, the state of the random numbers included."""
        return {
            "observation": self.observation,
            "random": self.generator.get_state(),
            "num_steps": torch.tensor(self.num_steps),
            **named("replay", self.replay.state()),
            **named("environments", self._environments.state()),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``."""
        self.observation = state["observation"].to(self.observation.device)
        self.generator.set_state(state["random"].cpu())
        self.num_steps = int(state["num_steps"])
        parts = Checkpoint(state, values={})
        self.replay.load_state(parts.group("replay"))
        self._environments.load_state(parts.group("environments"))
