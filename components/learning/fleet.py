"""Many small networks of one form trained as one: their parameters are stacked, and a step is one batch for all.

No network knows of another: each has its own samples, its own order of them, its own bound on the gradient and its
own end. One that is trained alone takes the same steps, to rounding; one that has stopped, or has no batch left in
the running epoch, moves neither its parameters nor its part of the optimizer.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.errors import InterruptedRunError
from components.core.run_context import RunContext
from components.learning.batches import StackedBatches, epoch_order
from components.learning.checkpoint import (
    Checkpoint,
    CheckpointStore,
    epoch_label,
    named,
    optimizer_tensors,
    restore_optimizer,
)
from components.learning.schedule import learning_rate, set_learning_rate
from components.learning.settings import FleetConfig
from components.learning.stopping import Stopping

_CLIP_FLOOR = 1e-6
"""Added to a norm before it divides, as ``torch.nn.utils.clip_grad_norm_`` does."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """The parameters of one network as one row of numbers."""

    shapes: Mapping[str, tuple[int, ...]]
    """Of each tensor, by name, in the order of the row."""

    @property
    def size(self) -> int:
        """Numbers in a row."""
        return sum(map(math.prod, self.shapes.values()))

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return the tensors [network, *shape] by name, in the memory of ``flat`` [network, size]."""
        parts = flat.split([math.prod(shape) for shape in self.shapes.values()], dim=1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}


@dataclass(frozen=True)
class Member:
    """One network of a fleet."""

    name: str
    seed: int
    """Start of the order in which its samples are visited."""
    start: Tensor
    """(size,): the parameters that it begins with."""
    train: Rows
    """Its training samples, as rows of what ``FleetTask.losses`` reads."""
    validation: Rows
    """Those that say when to stop."""


@dataclass(frozen=True)
class FleetTask:
    """What is trained."""

    members: Sequence[Member]
    layout: Layout
    losses: Callable[[Mapping[str, Tensor], Tensor], Tensor]
    """From stacked parameters and rows [network, batch] of samples to the loss of each, [network, batch]."""
    name: str
    """Key of the training among those of its run."""


@dataclass(frozen=True)
class Fitted:
    """What became of one network."""

    name: str
    weights: Tensor
    """(size,), on the CPU: those of its best epoch, or of its last, as the recipe says."""
    best_epoch: int
    """The epoch whose weights these are, from 1; 0 are those it began with, of one that diverged at once."""
    history: Mapping[str, list[float]]
    """``train_loss`` and ``val_loss`` of each of its epochs."""
    diverged: bool
    """Whether a loss was not finite: it was left at its best epoch before that, and the others went on."""


def fit_fleet(task: FleetTask, config: FleetConfig, device: torch.device, run: RunContext) -> tuple[Fitted, ...]:
    """Return every network, fitted, in the order of the members.

    Groups of ``config.group`` are stacked at once, each with checkpoints of its own: a run that was killed goes on
    with the group, and the step, where it was, and ends in the same bits.

    Raises:
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
    """
    fitted: list[Fitted] = []
    for first in range(0, len(task.members), config.group):
        members = task.members[first : first + config.group]
        store = CheckpointStore(run.checkpoints / task.name / f"group-{first // config.group:04d}", log=run.log)
        group = _Group(task, members, config, device=device, store=store, run=run)
        group.train()
        fitted += group.fitted()
        text = f"{len(fitted)} of {len(task.members)} trained"
        run.log.info("%s", text)
        run.progress(done=len(fitted), total=len(task.members), line=text)
    return tuple(fitted)


@dataclass
class _Course:
    """How far one network is; its fields are JSON."""

    stopping: Stopping = field(default_factory=Stopping)
    best_epoch: int = 0
    loss_sum: float = 0.0
    """Of the samples of the running epoch that are over."""
    diverged: bool = False
    history: dict[str, list[float]] = field(default_factory=lambda: {"train_loss": [], "val_loss": []})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        read: dict[str, Any] = {**values, "stopping": Stopping(**values["stopping"])}
        return cls(**read)


class _Group:
    """Networks that are stacked, from their start or from the newest checkpoint."""

    def __init__(
        self,
        task: FleetTask,
        members: Sequence[Member],
        config: FleetConfig,
        *,
        device: torch.device,
        store: CheckpointStore,
        run: RunContext,
    ) -> None:
        self._task, self._members, self._config = task, members, config
        self._device, self._store, self._run = device, store, run
        self._flat = torch.stack([member.start for member in members]).to(device)
        self._best = self._flat.clone()
        # A row for each network: the optimizer skips one without a gradient, with its moments and its count of steps.
        self._rows = list(self._flat.unbind())
        self._optimizer = torch.optim.AdamW(
            self._rows, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True
        )
        self._epoch, self._step = 0, 0
        self._courses = [_Course() for _ in members]
        self._resume()

    def fitted(self) -> Iterator[Fitted]:
        for member, course, weights in zip(self._members, self._courses, self._best.cpu(), strict=True):
            yield Fitted(member.name, weights.clone(), course.best_epoch, course.history, course.diverged)

    def train(self) -> None:
        begun = self._epoch, self._step
        while active := self._active():
            self._train_epoch(active)
            self._close_epoch(active)
        if begun != (self._epoch, self._step):
            self._save()

    def _active(self) -> list[int]:
        """Return the places of the networks that have an epoch before them."""
        if self._epoch >= self._config.epochs:
            return []
        stopping = self._config.stopping
        return [at for at, it in enumerate(self._courses) if not (it.diverged or it.stopping.over(stopping))]

    def _save(self) -> None:
        tensors = {"flat": self._flat, "best": self._best, **named("optimizer", optimizer_tensors(self._optimizer))}
        values = {"epoch": self._epoch, "step": self._step, "courses": [asdict(course) for course in self._courses]}
        self._store.save(Checkpoint(tensors, values), label=epoch_label(self._epoch, None))

    def _resume(self) -> None:
        checkpoint = self._store.newest()
        if checkpoint is None:
            return
        self._flat.copy_(checkpoint.tensors["flat"])
        self._best.copy_(checkpoint.tensors["best"])
        restore_optimizer(self._optimizer, checkpoint.group("optimizer"))
        self._epoch, self._step = checkpoint.values["epoch"], checkpoint.values["step"]
        self._courses = [_Course.of(values) for values in checkpoint.values["courses"]]
        self._run.log.info("%d networks resumed after epoch %d, step %d", len(self._rows), self._epoch, self._step)

    def _train_epoch(self, active: list[int]) -> None:
        """Take the steps that the running epoch still lacks.

        Raises:
            InterruptedRunError: If the run was asked to stop; it was saved.
        """
        config, run = self._config, self._run
        set_learning_rate(self._optimizer, learning_rate(config.schedule, config.lr, step=0, epoch=self._epoch))
        batches = StackedBatches([self._order(self._members[at]) for at in active], config.batch, self._device)
        sums = torch.tensor([self._courses[at].loss_sum for at in active], dtype=torch.float64).to(self._device)
        while self._step < batches.num_steps:
            moving = np.flatnonzero(batches.steps_of > self._step)
            sums[moving] += self._take_step([active[at] for at in moving], *batches.at(self._step, moving))
            self._step += 1
            stopped = bool(run.stop)
            if stopped or self._step % config.checkpoint_every_batches == 0:
                self._note(active, sums)
                self._save()
            if stopped:
                at = f"epoch {self._epoch + 1}, step {self._step}"
                raise InterruptedRunError(f"stopped at {at} and saved. Run again with run key {run.run_key} to go on")
        self._note(active, sums)

    def _order(self, member: Member) -> Rows:
        size, shuffle = len(member.train), self._config.shuffle
        return member.train[epoch_order(size, epoch=self._epoch, most=None, shuffle=shuffle, seed=member.seed)]

    def _note(self, active: Sequence[int], sums: Tensor) -> None:
        for at, loss_sum in zip(active, sums.tolist(), strict=True):
            self._courses[at].loss_sum = loss_sum

    def _take_step(self, places: list[int], rows: Tensor, weight: Tensor) -> Tensor:
        """Move these networks by one step and return the sum of each one's losses, [network]."""
        everyone = len(places) == len(self._rows)
        flat = (self._flat if everyone else self._flat[places]).detach().requires_grad_()
        losses = self._task.losses(self._task.layout.views(flat), rows)
        (losses * weight).sum().backward()
        gradient = flat.grad
        if gradient is None:
            raise ValueError("the losses do not depend on the parameters")
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient *= (self._config.clip_norm / (norm + _CLIP_FLOOR)).clamp(max=1.0)
        self._optimizer.zero_grad()
        for at, row in zip(places, gradient.unbind(), strict=True):
            self._rows[at].grad = row
        self._optimizer.step()
        return (losses.detach().double() * (weight > 0)).sum(dim=1)

    def _close_epoch(self, active: list[int]) -> None:
        """Record the epoch of each network, and keep its weights if it is its best so far."""
        stopping = self._config.stopping
        self._epoch, self._step = self._epoch + 1, 0
        for at, val_loss in zip(active, self._validate(active), strict=True):
            course = self._courses[at]
            metrics = {"train_loss": course.loss_sum / len(self._members[at].train), "val_loss": val_loss}
            course.loss_sum = 0.0
            course.diverged = not all(map(math.isfinite, metrics.values()))
            if course.diverged:
                self._run.log.warning(
                    "%s: the loss is no longer finite, left at its best epoch", self._members[at].name
                )
                continue
            for name, value in metrics.items():
                course.history[name].append(value)
            course.stopping = course.stopping.advance(stopping, metrics)
            if course.stopping.gained or not stopping.restore_best:
                course.best_epoch = self._epoch
                self._best[at] = self._flat[at]

    def _validate(self, active: list[int]) -> list[float]:
        """Return the mean loss of each network's validation samples."""
        orders = [self._members[at].validation for at in active]
        batches = StackedBatches(orders, self._config.batch, self._device)
        everyone = np.arange(len(active))
        with torch.no_grad():
            stacked = self._task.layout.views(self._flat[active])
            sums = torch.zeros(len(active), dtype=torch.float64, device=self._device)
            for step in range(batches.num_steps):
                rows, weight = batches.at(step, everyone)
                sums += (self._task.losses(stacked, rows).double() * (weight > 0)).sum(dim=1)
        return [float(total) / len(order) for total, order in zip(sums.tolist(), orders, strict=True)]
