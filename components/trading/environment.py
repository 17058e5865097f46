"""Environments as rows of one tensor: what an agent sees, does and earns, many at a time.

The semantics are Gymnasium's: an episode ends by itself (``terminated``) or is cut off (``truncated``), and what comes
after a cut-off still has a value. A row whose episode is over starts the next one in the same step.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """What came of one action in each environment."""

    observation: Tensor
    """(env, feature): what to act on next; of a row whose episode is over, the first of its next episode."""
    reward: Tensor
    """(env,)"""
    terminated: Tensor
    """(env,) of bool: the episode is over, and nothing comes after it."""
    truncated: Tensor
    """(env,) of bool: the episode was cut off; ``final`` still has a value."""
    final: Tensor
    """(env, feature): the observation that the action led to, of every row, before any next episode."""


class Environments(Protocol):
    """Many environments that step together."""

    num_envs: int
    observation_size: int
    action_size: int
    """Numbers in an action, each in [-1, 1]; 0 if actions are discrete."""
    num_actions: int
    """Discrete actions, 0, 1, ...; 0 if actions are numbers."""

    def reset(self) -> Tensor:
        """Start an episode in every row and return the observations (env, feature)."""
        ...

    def step(self, action: Tensor) -> Step:
        """Act in every row: (env, action) of numbers in [-1, 1], or (env,) of whole ones."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that the next steps depend on, the random numbers' state included."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``; the same actions then lead to the same bits."""
        ...
