"""The gradient of one step: gathered from parts of a batch, bounded, recorded, or bought with less memory.

Source: Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost", for the segments.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from components.learning.faults import DivergedError


def parts(samples: Tensor, num_parts: int, *, weigh: Callable[[Tensor], int] = len) -> Iterator[tuple[Tensor, float]]:
    """Yield ``samples`` in at most ``num_parts`` nearly equal parts, each with its share of them as ``weigh`` counts.

    The sum of mean loss times share over the parts has the gradient of the mean loss of the whole batch.
    """
    for part in torch.tensor_split(samples, min(num_parts, len(samples))):
        yield part, weigh(part) / weigh(samples)


def clip_gradient(model: nn.Module, largest: float, *, place: str, lr: float, may_overflow: bool = False) -> float:
    """Scale the gradient of ``model`` to a norm of at most ``largest`` and return the norm it had.

    With ``may_overflow``, as losses scaled for float16 do, a norm that is not finite is returned too.

    Raises:
        DivergedError: If the gradient is not finite.
    """
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), largest))
    if not math.isfinite(norm) and not may_overflow:
        raise DivergedError(f"{place}: the gradient's norm is {norm}. Lower train.lr (was {lr:g}) or clean the data")
    return norm


@dataclass(frozen=True)
class GradientNorms:
    """Norms of one epoch's gradients before they were bounded; the fields are JSON, for the checkpoint."""

    steps: int = 0
    total: float = 0.0
    """Sum of the norms."""
    largest: float = 0.0
    clipped: int = 0
    """Steps whose norm was above the bound."""
    overflowed: int = 0
    """Steps that were skipped because 16 bits could not hold their gradient; in no other count."""

    def add(self, norm: float, *, bound: float) -> Self:
        """Return the record with one more step."""
        if not math.isfinite(norm):
            return replace(self, overflowed=self.overflowed + 1)
        return replace(
            self,
            steps=self.steps + 1,
            total=self.total + norm,
            largest=max(self.largest, norm),
            clipped=self.clipped + (norm > bound),
        )

    @property
    def mean(self) -> float:
        """Mean norm, NaN before the first step."""
        return self.total / self.steps if self.steps else math.nan

    @property
    def clipped_share(self) -> float:
        """Fraction of the steps that were bounded, NaN before the first step."""
        return self.clipped / self.steps if self.steps else math.nan


def run_stack(layers: Sequence[Callable[[Tensor], Tensor]], hidden: Tensor, *, segments: int | None) -> Tensor:
    """Return ``hidden`` after all ``layers``, one after another.

    With ``segments`` only the activations between that many runs of layers are kept; those inside are
    computed again in the backward pass, with the same random numbers. The gradient stays the same.
    """
    if segments is None or not torch.is_grad_enabled():
        return _run(layers, hidden)
    bounds = [round(len(layers) * part / segments) for part in range(segments + 1)]
    for first, last in itertools.pairwise(bounds):
        if first < last:
            hidden = checkpoint(_run, layers[first:last], hidden, use_reentrant=False)
    return hidden


def _run(layers: Sequence[Callable[[Tensor], Tensor]], hidden: Tensor) -> Tensor:
    for layer in layers:
        hidden = layer(hidden)
    return hidden
