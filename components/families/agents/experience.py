"""How an agent that learns from a replay goes through its environments: at random first, then as it chooses."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from components.families.agents.algorithms import OffPolicyConfig
from components.families.agents.replay import Replay
from components.learning.checkpoint import Checkpoint, named, optimizer_tensors, restore_optimizer
from components.trading.environment import Environments


class Experience:
    """The environments of one agent, its replay, and the random numbers of both."""

    def __init__(
        self, environments: Environments, config: OffPolicyConfig, *, generator: torch.Generator, device: torch.device
    ) -> None:
        self._config, self._environments, self.generator = config, environments, generator
        self.replay = Replay(config.buffer, environments, device=device)
        self.observation = environments.reset()
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
        group = Checkpoint(state, {}).group
        self.replay.load_state(group("replay"))
        self._environments.load_state(group("environments"))


def training_tensors(
    modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, Tensor]:
    """Return the weights and the optimizers' states, by name."""
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors |= named(name, module.state_dict())
    for name, optimizer in optimizers.items():
        tensors |= named(f"optimizer.{name}", optimizer_tensors(optimizer))
    return tensors


def restore_training(
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    tensors: Mapping[str, Tensor],
) -> None:
    """Set what ``training_tensors`` returned."""
    group = Checkpoint(tensors, {}).group
    for name, module in modules.items():
        module.load_state_dict(group(name))
    for name, optimizer in optimizers.items():
        restore_optimizer(optimizer, group(f"optimizer.{name}"))
