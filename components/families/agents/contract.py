"""What the four agents have in common: none is a subclass of another, all are driven alike."""

from typing import Protocol

from torch import Tensor, nn


class Agent(Protocol):
    """An agent that learns in environments of its own.

    Each is made as ``Name(environments, settings, network, generator=..., device=..., total_steps=...)``.
    """

    policy: nn.Module
    """Observations (env, feature) in, the actions out that it holds best, without exploring: what is served.

    Numbers in [-1, 1], (env, action), or the numbers of discrete actions, (env,), int64.
    """

    num_steps: int
    """Environment steps taken so far, over all rows."""

    def advance(self) -> dict[str, float]:
        """Collect one round of experience, learn from it, and return its metrics.

        One of them is ``reward``, the mean of the round's steps; the others are losses and the like, all finite.
        """
        ...

    def act(self, observation: Tensor) -> Tensor:
        """Return the actions it holds best, without exploring; of discrete ones, their numbers."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that goes on from here depends on: weights, optimizers, buffers, random numbers, environments."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``; what follows has the same bits as if it had never stopped."""
        ...
