"""Early stopping: which epoch was the best, and whether patience has run out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from components.core.errors import RecipeError
from components.learning.settings import StoppingConfig

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Stopping:
    """What early stopping remembers; its fields are JSON and belong into the checkpoint."""

    best: float | None = None
    """Best metric so far."""
    epochs_without_gain: int = 0
    """Epochs since the best metric."""

    def advance(self, config: StoppingConfig, metrics: Mapping[str, float]) -> Self:
        """Return the state after an epoch with these metrics; a NaN is no gain.

        Raises:
            RecipeError: If the watched metric is not among them.
        """
        metric = watched(metrics, config.metric)
        sign = 1.0 if config.mode == "max" else -1.0
        floor = -float("inf") if self.best is None else sign * self.best + config.min_gain
        if sign * metric > floor:
            return replace(self, best=metric, epochs_without_gain=0)
        return replace(self, epochs_without_gain=self.epochs_without_gain + 1)

    @property
    def gained(self) -> bool:
        """Whether the last epoch is the best one: its weights are those to keep."""
        return self.best is not None and self.epochs_without_gain == 0

    def over(self, config: StoppingConfig) -> bool:
        """Return whether patience has run out."""
        return self.epochs_without_gain >= config.patience


def watched(metrics: Mapping[str, float], name: str) -> float:
    """Return the metric called ``name``.

    Raises:
        RecipeError: If there is none.
    """
    if name not in metrics:
        raise RecipeError(f"no metric is called {name!r}, which the recipe watches. There are {', '.join(metrics)}")
    return metrics[name]


def copied_weights(model: "nn.Module") -> "dict[str, Tensor]":
    """Return a copy of the model's state that later steps do not change, to be restored by ``load_state_dict``."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
