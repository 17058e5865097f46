"""The epochs of one training: steps, validation, the kept weights, and checkpoints to go on from."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.errors import InterruptedRunError
from components.core.run_context import RunContext
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.data import Dataset
from components.families.price_action.evaluate import (
    Best,
    Score,
    candidate,
    epoch_line,
    new_best_line,
    score,
    wins,
)
from components.families.price_action.loss import direction_loss
from components.families.price_action.position import Position
from components.families.price_action.predict import BATCH, build, log_odds
from components.learning.batches import epoch_order
from components.learning.checkpoint import (
    Checkpoint,
    CheckpointStore,
    epoch_label,
    named,
    optimizer_tensors,
    restore_optimizer,
)
from components.learning.dropout import mask_pool
from components.learning.events import GRADIENT_NORM, LEARNING_RATE
from components.learning.faults import checked_loss
from components.learning.gradient import clip_gradient, parts
from components.learning.journal import Journal
from components.learning.parallel import World, merged_rng, own_rng
from components.learning.precision import Precision
from components.learning.reproducible import restore_rng, rng_tensors
from components.learning.schedule import learning_rate, set_learning_rate
from components.learning.slabs import Slabs
from components.learning.stopping import copied_weights
from components.trading.confusion import Confusion

Floats = npt.NDArray[np.float64]

_REPORT_EVERY = timedelta(seconds=0.25)


def _largest_mask(config: PriceActionConfig) -> int:
    """Return the number of elements that the largest dropout mask of one batch has at most."""
    model, window, slab_rows = config.model, config.data.window, config.train.slab_rows
    rows = config.train.batch // slab_rows * (window + slab_rows - 1)
    keys = 2 * window if model.form == "dense" else window
    return rows * max(model.feed_forward, model.d_model, model.heads * keys)


class Fit:
    """One training, from its start or from its newest checkpoint. ``name`` is its key among those of the run."""

    def __init__(
        self,
        config: PriceActionConfig,
        data: Dataset,
        device: torch.device,
        store: CheckpointStore,
        run: RunContext,
        *,
        name: str,
        world: World,
    ) -> None:
        self.model = build(config.model, num_features=data.windows.num_features, window=config.data.window)
        self.model.to(device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.train.lr, weight_decay=config.train.weight_decay
        )
        self.best_weights: dict[str, Tensor] = {}
        self.position = Position()
        self._config, self._data, self._device, self._store, self._run = config, data, device, store, run
        self._precision = Precision(config.train.precision, device)
        self._world = world
        self._pool = mask_pool(
            config.train.masks,
            config.model.dropout,
            largest=_largest_mask(config),
            seed=world.seed(config.seed),
            device=device,
        )
        self._reported = run.clock() - _REPORT_EVERY
        self._resume()
        self._logits = world.replica(self.model, device, self.model.logits)
        self._journal = self._open_journal(name) if world.leads else None

    def _open_journal(self, name: str) -> Journal:
        position = self.position
        return Journal(self._run, name, num_lines=position.num_lines, first_step=position.epoch + 1)

    def close(self) -> None:
        """Close the files of events and metrics."""
        if self._journal:
            self._journal.close()

    @property
    def finished(self) -> bool:
        """Whether the last epoch is over, patience has run out, or the caller has seen enough."""
        train, position = self._config.train, self.position
        over = position.epoch >= train.epochs or position.stopping.over(train.stopping)
        return over or (position.epoch > 0 and position.batch == 0 and self._run.enough())

    def save(self) -> None:
        """Write a checkpoint of this very moment, between two steps."""
        tensors = {
            **named("model", self.model.state_dict()),
            **named("best", self.best_weights),
            **named("optimizer", optimizer_tensors(self.optimizer)),
            **named("rng", merged_rng(self._world.gathered(rng_tensors()))),
            **named("pool", merged_rng(self._world.gathered(self._pool.tensors() if self._pool else {}))),
        }
        if self._journal:
            self.position.num_lines = self._journal.sync()
            losses = self.position.history.get("val_loss", [])
            label = epoch_label(self.position.epoch, losses[-1] if losses else None)
            self._store.save(Checkpoint(tensors, self.position.values()), label=label)

    def _resume(self) -> None:
        checkpoint = self._store.newest()
        if checkpoint is None:
            return
        self.position = Position.of(dict(checkpoint.values))
        self.model.load_state_dict(checkpoint.group("model"))
        self.best_weights = {name: tensor.to(self._device) for name, tensor in checkpoint.group("best").items()}
        restore_optimizer(self.optimizer, checkpoint.group("optimizer"))
        restore_rng(own_rng(checkpoint.group("rng"), self._world))
        if self._pool:
            self._pool.restore(own_rng(checkpoint.group("pool"), self._world))
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

    def train_epoch(self) -> Score:
        """Take the steps that the running epoch still lacks and return its score, with dropout on."""
        train, position = self._config.train, self.position
        most = train.max_windows_per_epoch
        order = epoch_order(
            len(self._data.train.slabs),
            epoch=position.epoch,
            most=most and max(1, most // train.slab_rows),
            shuffle=train.shuffle,
            seed=self._config.seed,
        )
        batches = torch.from_numpy(order).to(self._device).split(train.batch // train.slab_rows)
        self.model.train()
        while position.batch < len(batches):
            self._step(batches[position.batch])
            position.batch += 1
            self.heed_stop()
            if position.batch % train.checkpoint_every_batches == 0:
                self.save()
            self._report(len(batches))
        return Score(position.loss_sum / position.confusion.total, position.confusion)

    def _step(self, slabs: Tensor) -> None:
        train, position, weigh = self._config.train, self.position, self._data.train.slabs.num_samples
        place = f"epoch {position.epoch + 1}, batch {position.batch + 1}"
        rate = learning_rate(
            train.schedule, train.lr, step=position.step, epoch=position.epoch, plateau=position.plateau
        )
        set_learning_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        loss = sum(
            share * self._add_gradient(part, share=share, place=place)
            for part, share in parts(slabs, train.gradient.accumulate, weigh=weigh)
        )
        self._precision.unscale(self.optimizer)
        norm = clip_gradient(self.model, train.gradient.clip_norm, place=place, lr=train.lr)
        self._precision.step(self.optimizer)
        position.loss_sum += loss * weigh(slabs)
        position.norms = position.norms.add(norm, bound=train.gradient.clip_norm)
        position.step += 1
        if self._journal:
            values = {"step/loss": loss, "step/gradient_norm": norm, "step/learning_rate": rate}
            self._journal.write_step(position.step, values)

    def _add_gradient(self, slabs: Tensor, *, share: float, place: str) -> float:
        """Add ``share`` of the gradient of the mean loss of these slabs' samples, and return that loss.

        Of several processes, each computes its part of the slabs.
        """
        train, world, zone, num = self._config.train, self._world, self._data.train, len(slabs)
        mine = zone.slabs.ends.index_select(0, slabs[world.turn(num, slabs.device)])
        windows = self._data.windows.gather(mine)
        masks = self._pool.draw(self.model.num_sites) if self._pool else None
        with self._precision.autocast():
            said = self._logits(windows, masks=masks, segments=train.gradient.segments)
        whole = zone.slabs.take(slabs)
        logits = world.whole(said, num)[whole.counted][:, None]
        labels = zone.labels.index_select(0, whole.samples[whole.counted])
        loss = direction_loss(logits, labels)
        value = checked_loss(loss.item(), place=place, lr=train.lr)
        self._precision.backward(loss * share)
        self.position.confusion += Confusion.of((logits.detach() > 0).cpu().numpy(), (labels > 0).cpu().numpy())
        return value

    def _log_odds(self, slabs: Slabs) -> Floats:
        """Return the log-odds (sample,) of a zone; several processes take the batches in turn."""
        world, batches, mine = self._world, list(slabs.split(BATCH)), list[Floats]()
        for first in range(0, len(batches), world.size):
            for part in batches[first + world.rank : first + world.rank + 1]:
                mine.append(log_odds(self.model, self._data.windows, part, precision=self._config.train.precision))
            self.heed_stop()
        answers = world.gathered(mine)
        ordered = [answers[number % world.size][number // world.size] for number in range(len(batches))]
        return slabs.by_sample(np.concatenate(ordered))

    def validate(self) -> Floats:
        """Return the log-odds (sample,) of the validation zone, with dropout off."""
        answers = self._log_odds(self._data.validation.slabs)
        checked_loss(float(answers.sum()), place=f"validation {self.position.epoch + 1}", lr=self._config.train.lr)
        return answers

    def close_epoch(self, train: Score, log_odds: Floats, profit: Mapping[str, float]) -> None:
        """Record the epoch, keep its weights if they win, say so, and save.

        ``log_odds`` are those of ``validate``; ``profit``, by tag, is recorded and decides nothing.
        """
        position, config = self.position, self._config.train
        validation = score(log_odds, self._data.validation.labels[:, 0].double().cpu().numpy())
        norms, rate = position.norms, self.optimizer.param_groups[0]["lr"]
        metrics = position.end_epoch(train, validation, config)
        by_tag = {name.replace("train_", "train/").replace("val_", "eval/"): value for name, value in metrics.items()}
        by_tag |= {GRADIENT_NORM: norms.mean, LEARNING_RATE: rate, **profit}
        if self._journal:
            self._journal.write_epoch(position.epoch, by_tag)
        self._say(epoch_line(position.epoch, config.epochs, train, validation))
        new = candidate(position.epoch, validation, confidence=self._config.threshold.confidence)
        if wins(new, position.best, lowest=min(position.history["val_loss"]), tolerance=config.loss_tolerance):
            position.best = new
            self.best_weights = copied_weights(self.model)
            self._say(new_best_line(new, metrics["val_precision"]))
        self.save()

    def _say(self, text: str) -> None:
        self._run.log.info("%s", text)
        self._run.progress(done=self.position.epoch, total=self._config.train.epochs, line=text)

    def _report(self, num_batches: int) -> None:
        now = self._run.clock()
        if now - self._reported >= _REPORT_EVERY:
            self._reported = now
            position, epochs = self.position, self._config.train.epochs
            done = position.epoch + position.batch / num_batches
            loss = position.loss_sum / max(1, position.confusion.total)
            text = f"epoch {position.epoch + 1}/{epochs}  batch {position.batch}/{num_batches}  train loss {loss:.4f}"
            self._run.progress(done=round(done, 4), total=epochs, text=text)

    def restore_best(self) -> Best:
        """Put the kept weights into the model and return their epoch."""
        best = self.position.best
        if best is None:
            raise ValueError("no epoch is over, so there are no weights to restore")
        self.model.load_state_dict(self.best_weights)
        return best

    def calibration_rows(self) -> tuple[Floats, Floats]:
        """Return log-odds and labels (sample,) of the calibration zone, with dropout off."""
        zone = self._data.calibration
        answers = self._log_odds(zone.slabs)
        return answers, zone.labels[:, 0].double().cpu().numpy()
