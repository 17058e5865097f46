"""The epochs of one training: steps, the kept weights, metrics, and checkpoints to go on from.

A family makes a ``Task`` of its network and its loss, and calls the loop's methods in its own order.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from components.core.errors import InterruptedRunError
from components.core.run_context import RunContext
from components.learning.batches import epoch_order
from components.learning.checkpoint import (
    Checkpoint,
    CheckpointStore,
    epoch_label,
    named,
    optimizer_tensors,
    restore_optimizer,
)
from components.learning.dropout import MaskPool
from components.learning.events import GRADIENT_NORM, LEARNING_RATE
from components.learning.faults import checked_loss
from components.learning.feed import Feed
from components.learning.gradient import GradientNorms, clip_gradient, parts
from components.learning.journal import Journal
from components.learning.parallel import ALONE, World, merged_rng, own_rng
from components.learning.position import Position
from components.learning.precision import Precision
from components.learning.reproducible import restore_rng, rng_tensors
from components.learning.schedule import learning_rate, set_learning_rate
from components.learning.settings import LoopConfig, Plateau
from components.learning.stopping import copied_weights

_REPORT_EVERY = timedelta(seconds=0.25)
_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Task:
    """What is trained."""

    model: nn.Module
    num_samples: int
    """Training samples."""
    loss: Callable[[Tensor], Tensor]
    """Mean loss, a scalar, of the training samples at these positions (batch,); the same in each of several processes.

    There the gradients of ``model`` come averaged, as those of a replica do.
    """
    name: str
    """Key of the training among those of its run: another recipe or other data has another one."""
    seed: int
    """Start of the order in which samples are visited."""
    weigh: Callable[[Tensor], int] = len
    """How many samples these positions stand for, where one stands for several."""
    pool: MaskPool | None = None
    """Where the loss reads its dropout masks, if it does: its state is saved too."""
    feed: Feed[Any] | None = None
    """What ``loss`` takes its batches from, if it wants them made ahead; it is told what comes next."""


class Loop:
    """One training, from its start or from its newest checkpoint."""

    def __init__(
        self,
        task: Task,
        config: LoopConfig,
        device: torch.device,
        store: CheckpointStore,
        run: RunContext,
        *,
        by_step: bool = False,
        world: World = ALONE,
    ) -> None:
        """Take the task's network to ``device`` and go on from the newest checkpoint in ``store``, if there is one.

        The curves of the epochs count epochs, or ``by_step`` the steps until the end of each.
        """
        self.task, self.position = task, Position()
        self.model = task.model.to(device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True
        )
        self.precision = Precision(config.precision, device)
        self.best_weights: dict[str, Tensor] = {}
        self._config, self._device, self._store, self._run, self._world = config, device, store, run, world
        self._reported = run.clock() - _REPORT_EVERY
        self._resume()
        self._by_step = by_step
        self._journal = self._open_journal() if world.leads else None

    def _open_journal(self) -> Journal:
        num_lines, first_step = self.position.num_lines, self._counted + 1
        return Journal(self._run, self.task.name, num_lines=num_lines, first_step=first_step)

    @property
    def _counted(self) -> int:
        return self.position.step if self._by_step else self.position.epoch

    def close(self) -> None:
        """Close the files of events and metrics."""
        if self._journal:
            self._journal.close()

    @property
    def finished(self) -> bool:
        """Whether the last epoch is over, patience has run out, or the caller has seen enough."""
        position = self.position
        over = position.epoch >= self._config.epochs or position.stopping.over(self._config.stopping)
        return over or (position.epoch > 0 and position.batch == 0 and self._run.enough())

    def save(self) -> None:
        """Write a checkpoint of this very moment, between two steps."""
        tensors = {
            **named("model", self.model.state_dict()),
            **named("best", self.best_weights),
            **named("optimizer", optimizer_tensors(self.optimizer)),
            **named("rng", merged_rng(self._world.gathered(rng_tensors()))),
            **named("pool", merged_rng(self._world.gathered(self.task.pool.tensors() if self.task.pool else {}))),
        }
        if self._journal:
            self.position.num_lines = self._journal.sync()
            values = {"position": asdict(self.position), "precision": self.precision.values()}
            losses = self.position.history.get("val_loss", [])
            label = epoch_label(self.position.epoch, losses[-1] if losses else None)
            self._store.save(Checkpoint(tensors, values), label=label)

    def _resume(self) -> None:
        checkpoint = self._store.newest()
        if checkpoint is None:
            return
        self.position = Position.of(dict(checkpoint.values["position"]))
        self.precision.restore(checkpoint.values["precision"])
        self.model.load_state_dict(checkpoint.group("model"))
        self.best_weights = {name: tensor.to(self._device) for name, tensor in checkpoint.group("best").items()}
        restore_optimizer(self.optimizer, checkpoint.group("optimizer"))
        restore_rng(own_rng(checkpoint.group("rng"), self._world))
        if self.task.pool:
            self.task.pool.restore(own_rng(checkpoint.group("pool"), self._world))
        self._run.log.info("resumed after epoch %d, batch %d", self.position.epoch, self.position.batch)

    def heed_stop(self) -> None:
        """Save and leave if the run, in any of its processes, was asked to stop.

        Raises:
            InterruptedRunError: If it was; the same run key goes on from here.
        """
        [asked] = self._world.total([float(bool(self._run.stop))], self._device)
        if asked:
            self.save()
            at = f"epoch {self.position.epoch + 1}, batch {self.position.batch}"
            raise InterruptedRunError(f"stopped at {at} and saved. Run again with run key {self._run.run_key} to go on")

    def train_epoch(self) -> float:
        """Take the steps that the running epoch still lacks and return its mean loss, with dropout on.

        Raises:
            DivergedError: If a loss or a gradient is not finite.
            InterruptedRunError: If the run was asked to stop.
        """
        config, position = self._config, self.position
        order = epoch_order(
            self.task.num_samples,
            epoch=position.epoch,
            most=config.max_windows_per_epoch,
            shuffle=config.shuffle,
            seed=self.task.seed,
        )
        batches = torch.from_numpy(order).to(self._device).split(config.batch)
        self.model.train()
        if self.task.feed:
            num_parts = min(config.gradient.accumulate, config.batch)
            coming = (part for batch in batches[position.batch :] for part, _ in parts(batch, num_parts))
            self.task.feed.start(coming, epoch=position.epoch, first=position.batch * num_parts)
        while position.batch < len(batches):
            self._step(batches[position.batch])
            position.batch += 1
            self.heed_stop()
            if position.batch % config.checkpoint_every_batches == 0:
                self.save()
            self._report(len(batches))
        return position.loss_sum / position.num_seen

    def _step(self, samples: Tensor) -> None:
        config, position = self._config, self.position
        place = f"epoch {position.epoch + 1}, batch {position.batch + 1}"
        rate = learning_rate(
            config.schedule, config.lr, step=position.step, epoch=position.epoch, plateau=position.plateau
        )
        set_learning_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        mean = sum(
            share * self._add_gradient(part, share=share, place=place)
            for part, share in parts(samples, config.gradient.accumulate, weigh=self.task.weigh)
        )
        self.precision.unscale(self.optimizer)
        bound, may_overflow = config.gradient.clip_norm, self.precision.may_overflow
        norm = clip_gradient(self.model, bound, place=place, lr=config.lr, may_overflow=may_overflow)
        self.precision.step(self.optimizer)
        position.loss_sum += mean * self.task.weigh(samples)
        position.num_seen += self.task.weigh(samples)
        position.norms = position.norms.add(norm, bound=bound)
        position.step += 1
        if self._journal:
            values = {"step/loss": mean, "step/gradient_norm": norm, "step/learning_rate": rate}
            self._journal.write_step(position.step, values)

    def _add_gradient(self, samples: Tensor, *, share: float, place: str) -> float:
        """Add ``share`` of the gradient of these samples' mean loss, and return that loss."""
        with self.precision.autocast():
            loss = self.task.loss(samples)
        value = checked_loss(loss.item(), place=place, lr=self._config.lr)
        self.precision.backward(loss * share)
        return value

    def close_epoch(
        self, train_loss: float, validation: Mapping[str, float], *, profit: Mapping[str, float] = _NOTHING
    ) -> None:
        """Record the epoch, keep its weights if it is the best so far, say so, and save.

        ``validation`` holds ``loss`` and whatever else is worth a curve; the history calls them ``val_loss`` and so on.
        ``profit``, by tag, is recorded and decides nothing.

        Raises:
            DivergedError: If the validation loss is not finite.
        """
        position, config = self.position, self._config
        checked_loss(validation["loss"], place=f"validation {position.epoch + 1}", lr=config.lr)
        metrics = {"train_loss": train_loss, **{f"val_{name}": value for name, value in validation.items()}}
        by_tag = {name.replace("train_", "train/").replace("val_", "eval/"): value for name, value in metrics.items()}
        by_tag |= {GRADIENT_NORM: position.norms.mean, LEARNING_RATE: self.optimizer.param_groups[0]["lr"], **profit}
        self._end_epoch(metrics)
        if self._journal:
            self._journal.write_epoch(self._counted, by_tag)
        said = "  ".join(f"val {name} {value:.4f}" for name, value in validation.items())
        self._say(f"epoch {position.epoch}/{config.epochs}  train loss {train_loss:.4f}  {said}")
        if position.stopping.gained or not config.stopping.restore_best:
            position.best_epoch = position.epoch
            self.best_weights = copied_weights(self.model)
            name = config.stopping.metric
            self._say(f"new best: epoch {position.epoch}, {name} {metrics[name]:.4f}")
        self.save()

    def _end_epoch(self, metrics: Mapping[str, float]) -> None:
        position, config = self.position, self._config
        for name, value in metrics.items():
            position.history.setdefault(name, []).append(value)
        position.epoch += 1
        position.batch, position.num_seen, position.loss_sum, position.norms = 0, 0, 0.0, GradientNorms()
        position.stopping = position.stopping.advance(config.stopping, metrics)
        if isinstance(config.schedule, Plateau):
            position.plateau = position.plateau.advance(config.schedule, metrics)

    def _say(self, text: str) -> None:
        self._run.log.info("%s", text)
        self._run.progress(done=self.position.epoch, total=self._config.epochs, line=text)

    def _report(self, num_batches: int) -> None:
        now = self._run.clock()
        if now - self._reported >= _REPORT_EVERY:
            self._reported = now
            position, epochs = self.position, self._config.epochs
            done = position.epoch + position.batch / num_batches
            loss = position.loss_sum / position.num_seen
            text = f"epoch {position.epoch + 1}/{epochs}  batch {position.batch}/{num_batches}  train loss {loss:.4f}"
            self._run.progress(done=round(done, 4), total=epochs, text=text)

    def restore_best(self) -> int:
        """Put the kept weights into the model and return their epoch, from 1."""
        if not self.best_weights:
            raise ValueError("no epoch is over, so there are no weights to restore")
        self.model.load_state_dict(self.best_weights)
        return self.position.best_epoch
