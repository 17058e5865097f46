"""What an agent remembers: the newest steps of all its environments, and returns of several steps from each of them.

Sources: Lin (1992), "Self-improving reactive agents"; Sutton and Barto (2018), "Reinforcement Learning", chapter 7, for
returns of several steps; Pardo et al. (2018), "Time limits in reinforcement learning", for what follows a cut-off.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from components.core.errors import RecipeError
from components.trading.environment import Environments, Step


@dataclass(frozen=True)
class Batch:
    """Steps to learn from, each with what came of it."""

    observation: Tensor
    """(batch, feature)"""
    action: Tensor
    """(batch, action), or (batch,) of whole numbers."""
    reward: Tensor
    """(batch,): the sum of the step's reward and of those that came next, discounted."""
    discount: Tensor
    """(batch,): what the value of ``following`` counts; 0 if the episode ended by itself, not if it was cut off."""
    following: Tensor
    """(batch, feature): where the last of the summed rewards led to."""


class Replay:
    """A ring of steps; the rows of one moment lie side by side, so that a row's next step is ``num_envs`` further."""

    def __init__(self, capacity: int, environments: Environments, *, device: torch.device) -> None:
        """Make room for ``capacity`` steps, in whole moments of all environments.

        Raises:
            RecipeError: If not one moment fits.
        """
        self.num_envs = environments.num_envs
        if capacity < self.num_envs:
            raise RecipeError(f"buffer must hold a step of each of {self.num_envs} environments, was {capacity}")
        self.capacity = capacity // self.num_envs * self.num_envs
        features = (self.capacity, environments.observation_size)
        discrete = environments.num_actions > 0
        self._steps = {
            "observation": torch.zeros(features, device=device),
            "action": torch.zeros(self.capacity, dtype=torch.int64, device=device)
            if discrete
            else torch.zeros(self.capacity, environments.action_size, device=device),
            "reward": torch.zeros(self.capacity, device=device),
            "terminated": torch.zeros(self.capacity, dtype=torch.bool, device=device),
            "over": torch.zeros(self.capacity, dtype=torch.bool, device=device),
            "final": torch.zeros(features, device=device),
        }
        self._rows = torch.arange(self.num_envs, device=device)
        self._num_added = 0

    def __len__(self) -> int:
        """Steps that are remembered."""
        return min(self._num_added, self.capacity)

    def add(self, observation: Tensor, action: Tensor, step: Step) -> Tensor:
        """Remember what came of ``action``, in the place of the oldest; return the slots, (env,)."""
        first = self._num_added % self.capacity
        part = slice(first, first + self.num_envs)
        self._steps["observation"][part] = observation
        self._steps["action"][part] = action
        self._steps["reward"][part] = step.reward
        self._steps["terminated"][part] = step.terminated
        self._steps["over"][part] = step.terminated | step.truncated
        self._steps["final"][part] = step.final
        self._num_added += self.num_envs
        return self._rows + first

    def draw(self, num: int, *, generator: torch.Generator) -> Tensor:
        """Return ``num`` slots, each step as likely as any other, with replacement."""
        return torch.randint(len(self), (num,), generator=generator, device=self._rows.device)

    def gather(self, slots: Tensor, *, gamma: float, n_step: int = 1) -> Batch:
        """Return the steps in ``slots``, each with the sum of up to ``n_step`` rewards.

        The sum ends with the episode, and with the newest step: it is then the return of fewer steps.
        """
        reward, over = self._steps["reward"], self._steps["over"]
        newest = (self._num_added // self.num_envs - 1) % (self.capacity // self.num_envs)
        last, total, discount = slots, reward[slots], torch.full_like(reward[slots], gamma)
        for _ in range(n_step - 1):
            goes_on = ~over[last] & (last // self.num_envs != newest)
            after = (last + self.num_envs) % self.capacity
            total = torch.where(goes_on, total + discount * reward[after], total)
            discount = torch.where(goes_on, discount * gamma, discount)
            last = torch.where(goes_on, after, last)
        return Batch(
            observation=self._steps["observation"][slots],
            action=self._steps["action"][slots],
            reward=total,
            discount=discount.masked_fill(self._steps["terminated"][last], 0.0),
            following=self._steps["final"][last],
        )

    def state(self) -> dict[str, Tensor]:
        """Return the steps that are remembered, and where the next one goes."""
        steps = {name: values[: len(self)] for name, values in self._steps.items()}
        return {**steps, "num_added": torch.tensor(self._num_added)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Remember what ``state`` remembered."""
        self._num_added = int(state["num_added"])
        for name, values in self._steps.items():
            values[: len(self)] = state[name]
