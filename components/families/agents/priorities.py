"""Which steps to learn from: those that surprised most, and how to correct for having chosen them.

Source: Schaul et al. (2016), "Prioritized experience replay": the proportional variant, drawn from strata.
"""

import math

import torch
from torch import Tensor


class Priorities:
    """A priority for each slot of a replay, in a tree of sums with two levels.

    Each level is about the root of the capacity wide, so a batch is drawn, or changed, with a handful of operations on
    tensors, where a binary tree needs some at each of its levels. The sum of a block is always made anew from its
    leaves: no rounding builds up. All of it stays on the CPU, because on a GPU a running sum of floats has other bits
    each time.
    """

    def __init__(self, capacity: int, *, exponent: float, device: torch.device) -> None:
        """Give all ``capacity`` slots the priority 0: none of them is drawn.

        ``exponent`` says how much an error counts; with 0 all that are remembered are drawn evenly. Slots are given
        back on ``device``.
        """
        self.exponent, self._device = exponent, device
        self._width = math.isqrt(capacity - 1) + 1
        num_blocks = -(-capacity // self._width)
        self._leaves = torch.zeros(num_blocks, self._width, dtype=torch.float64)
        self._sums = torch.zeros(num_blocks, dtype=torch.float64)
        self._largest = torch.ones((), dtype=torch.float64)

    def enter(self, slots: Tensor) -> None:
        """Give new steps the largest priority that there was, so that each is soon looked at once."""
        self._set(slots.cpu(), self._largest.expand(len(slots)))

    def update(self, slots: Tensor, errors: Tensor) -> None:
        """Set the priorities of ``slots`` to their newest absolute ``errors``, raised to the exponent."""
        priority = (errors.cpu().double().abs() + 1e-6) ** self.exponent  # a step without an error can still come up
        self._largest = torch.maximum(self._largest, priority.max())
        self._set(slots.cpu(), priority)

    def _set(self, slots: Tensor, priority: Tensor) -> None:
        self._leaves.view(-1)[slots] = priority
        blocks = slots // self._width
        self._sums[blocks] = self._leaves[blocks].sum(dim=1)

    def draw(self, num: int, *, generator: torch.Generator) -> Tensor:
        """Return ``num`` slots, one from each of as many equal parts of the sum of all priorities."""
        random = torch.rand(num, dtype=torch.float64, generator=generator, device=generator.device).cpu()
        ends = self._sums.cumsum(0)
        target = _below(ends[-1] * (torch.arange(num) + random) / num, ends[-1])
        block = torch.searchsorted(ends, target, right=True)
        inner = self._leaves[block].cumsum(1)
        rest = _below(target - (ends[block] - self._sums[block]), inner[:, -1])
        slots = block * self._width + torch.searchsorted(inner, rest[:, None], right=True)[:, 0]
        return slots.to(self._device)

    def chances(self, slots: Tensor) -> Tensor:
        """Return how likely each of ``slots`` is drawn."""
        return (self._leaves.view(-1)[slots.cpu()] / self._sums.sum()).to(self._device)

    def weights(self, slots: Tensor, *, num_steps: int, exponent: float) -> Tensor:
        """Return what each error counts: (1 / (num_steps x chance)) ** exponent, the largest of them made 1."""
        weights = (num_steps * self.chances(slots)) ** -exponent
        return (weights / weights.max()).float()

    def state(self) -> dict[str, Tensor]:
        """Return all priorities."""
        return {"leaves": self._leaves, "sums": self._sums, "largest": self._largest}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take over the priorities of ``state``."""
        self._leaves.copy_(state["leaves"])
        self._sums.copy_(state["sums"])
        self._largest = state["largest"].cpu()


def _below(values: Tensor, total: Tensor) -> Tensor:
    """Return ``values``, those that rounding has put at ``total`` or below 0 inside again."""
    return torch.minimum(values, torch.nextafter(total, torch.zeros_like(total))).clamp_min(0.0)
