"""Learning rates as a pure function of how far training is, so that a resumed run needs no scheduler's state.

Source: Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts". The values are
those of ``torch.optim.lr_scheduler``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from components.learning.settings import Constant, CosineAnnealing, Plateau, Schedule, WarmRestarts
from components.learning.stopping import watched

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PlateauState:
    """What a plateau schedule remembers; its fields are JSON and belong into the checkpoint."""

    best: float | None = None
    """Best metric so far."""
    epochs_without_gain: int = 0
    """Epochs since the best metric or the last reduction."""
    reductions: int = 0
    """How often the rate was lowered."""

    def advance(self, config: Plateau, metrics: Mapping[str, float]) -> Self:
        """Return the state after an epoch with these metrics; a NaN is no gain.

        Raises:
            RecipeError: If the watched metric is not among them.
        """
        metric = watched(metrics, config.metric)
        if self._gains(config, metric):
            return replace(self, best=metric, epochs_without_gain=0)
        if self.epochs_without_gain < config.patience:
            return replace(self, epochs_without_gain=self.epochs_without_gain + 1)
        return replace(self, epochs_without_gain=0, reductions=self.reductions + 1)

    def _gains(self, config: Plateau, metric: float) -> bool:
        if self.best is None:
            return not math.isnan(metric)
        if config.mode == "min":
            return metric < self.best * (1 - config.threshold)
        return metric > self.best * (1 + config.threshold)


def learning_rate(
    schedule: Schedule, base: float, *, step: int, epoch: int, plateau: PlateauState | None = None
) -> float:
    """Return the learning rate of the step after ``step`` steps and ``epoch`` epochs are over.

    Only a plateau schedule reads ``plateau``; without it the rate was never lowered.
    """
    count = step if schedule.unit == "step" else epoch
    if count < schedule.warmup:
        return base * (count + 1) / schedule.warmup
    return _after_warmup(schedule, base, count - schedule.warmup, plateau or PlateauState())


def _after_warmup(schedule: Schedule, base: float, count: int, plateau: PlateauState) -> float:
    match schedule:
        case Constant():
            return base
        case CosineAnnealing():
            return _cosine(base, schedule.eta_min, count / schedule.t_max)
        case WarmRestarts():
            period = schedule.t_0
            while count >= period:
                count, period = count - period, period * schedule.t_mult
            return _cosine(base, schedule.eta_min, count / period)
        case Plateau():
            return max(base * schedule.factor**plateau.reductions, min(base, schedule.eta_min))


def _cosine(base: float, eta_min: float, share: float) -> float:
    return eta_min + (base - eta_min) * (1 + math.cos(math.pi * share)) / 2


def set_learning_rate(optimizer: "torch.optim.Optimizer", rate: float) -> None:
    """Let the next step of ``optimizer`` use ``rate`` for all its parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate
