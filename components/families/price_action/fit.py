"""The epochs of one training: steps, validation, the kept weights, and checkpoints to go on from."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.tensorboard.writer import SummaryWriter

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
from components.families.price_action.model import PriceActionTransformer
from components.families.price_action.predict import log_odds
from components.learning.batches import epoch_order
from components.learning.checkpoint import (
    Checkpoint,
    CheckpointStore,
    named,
    optimizer_tensors,
    restore_optimizer,
)
from components.learning.faults import checked_loss, clip_gradient
from components.learning.reproducible import restore_rng, rng_tensors
from components.trading.confusion import Confusion

Floats = npt.NDArray[np.float64]

_REPORT_EVERY = timedelta(seconds=0.25)


@dataclass
class Position:
    """Where training stands: everything that is no tensor."""

    epoch: int = 0
    """Epochs that are over."""
    batch: int = 0
    """Batches of the running epoch that are over."""
    loss_sum: float = 0.0
    """Sum of the losses of the running epoch's samples."""
    confusion: Confusion = field(default_factory=Confusion)
    """Directions of the running epoch's samples, with dropout on."""
    lowest: float | None = None
    """Lowest validation loss so far."""
    epochs_without_gain: int = 0
    """Epochs since the lowest validation loss."""
    best: Best | None = None
    """The epoch whose weights are kept."""
    history: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return the position that ``dataclasses.asdict`` wrote down."""
        best = values["best"] and Best(**values["best"])
        fields: dict[str, Any] = {**values, "confusion": Confusion(**values["confusion"]), "best": best}
        return cls(**fields)


class Fit:
    """One training, from its start or from its newest checkpoint."""

    def __init__(
        self, config: PriceActionConfig, data: Dataset, device: torch.device, store: CheckpointStore, run: RunContext
    ) -> None:
        num_features = data.windows.num_features
        self.model = PriceActionTransformer(config.model, num_features=num_features, window=config.data.window)
        self.model.to(device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.train.lr, weight_decay=config.train.weight_decay
        )
        self.best_weights: dict[str, Tensor] = {}
        self.position = Position()
        self._config, self._data, self._device, self._store, self._run = config, data, device, store, run
        self._reported = run.clock() - _REPORT_EVERY
        self._resume()

    @property
    def finished(self) -> bool:
        """Whether the last epoch is over or patience has run out."""
        train = self._config.train
        return self.position.epoch >= train.epochs or self.position.epochs_without_gain >= train.patience

    def save(self) -> None:
        """Write a checkpoint of this very moment, between two steps."""
        tensors = {
            **named("model", self.model.state_dict()),
            **named("best", self.best_weights),
            **named("optimizer", optimizer_tensors(self.optimizer)),
            **named("rng", rng_tensors()),
        }
        self._store.save(Checkpoint(tensors, dataclasses.asdict(self.position)))

    def _resume(self) -> None:
        checkpoint = self._store.newest()
        if checkpoint is None:
            return
        self.position = Position.of(dict(checkpoint.values))
        self.model.load_state_dict(checkpoint.group("model"))
        self.best_weights = {name: tensor.to(self._device) for name, tensor in checkpoint.group("best").items()}
        restore_optimizer(self.optimizer, checkpoint.group("optimizer"))
        restore_rng(checkpoint.group("rng"))
        self._run.log.info("resumed after epoch %d, batch %d", self.position.epoch, self.position.batch)

    def heed_stop(self) -> None:
        """Save and leave if the run was asked to stop.

        Raises:
            InterruptedRunError: If it was; the same run key goes on from here.
        """
        if self._run.stop:
            self.save()
            at = f"epoch {self.position.epoch + 1}, batch {self.position.batch}"
            raise InterruptedRunError(f"stopped at {at} and saved. Run again with run key {self._run.run_key} to go on")

    def train_epoch(self) -> Score:
        """Take the steps that the running epoch still lacks and return its score, with dropout on."""
        train, position = self._config.train, self.position
        order = epoch_order(
            len(self._data.train),
            epoch=position.epoch,
            most=train.max_windows_per_epoch,
            shuffle=train.shuffle,
            seed=self._config.seed,
        )
        batches = torch.from_numpy(order).to(self._device).split(train.batch)
        self.model.train()
        while position.batch < len(batches):
            self._step(batches[position.batch])
            position.batch += 1
            self.heed_stop()
            if position.batch % train.checkpoint_every_batches == 0:
                self.save()
            self._report(len(batches))
        return Score(position.loss_sum / len(order), position.confusion)

    def _step(self, samples: Tensor) -> None:
        train, position = self._config.train, self.position
        place = f"epoch {position.epoch + 1}, batch {position.batch + 1}"
        windows = self._data.windows.gather(self._data.train.ends.index_select(0, samples))
        labels = self._data.train.labels.index_select(0, samples)
        self.optimizer.zero_grad()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=train.mixed_precision):
            logits = self.model.logits(windows)
        loss = direction_loss(logits, labels)
        position.loss_sum += checked_loss(loss.item(), place=place, lr=train.lr) * len(samples)
        loss.backward()
        clip_gradient(self.model, train.gradient_clip, place=place, lr=train.lr)
        self.optimizer.step()
        said, was = (logits.detach() > 0).cpu().numpy(), (labels > 0).cpu().numpy()
        position.confusion += Confusion.of(said, was)

    def _log_odds(self, ends: Tensor) -> Floats:
        return log_odds(
            self.model,
            self._data.windows,
            ends,
            mixed_precision=self._config.train.mixed_precision,
            on_batch=self.heed_stop,
        )

    def validate(self) -> Score:
        """Return the score of the validation zone, with dropout off."""
        zone = self._data.validation
        answers = self._log_odds(zone.ends)
        checked_loss(float(answers.sum()), place=f"validation {self.position.epoch + 1}", lr=self._config.train.lr)
        return score(answers, zone.labels[:, 0].double().cpu().numpy())

    def close_epoch(self, train: Score, validation: Score, events: SummaryWriter) -> None:
        """Record the epoch, keep its weights if they win, say so, and save."""
        position, config = self.position, self._config.train
        position.epoch += 1
        for part, zone in (("train", train), ("val", validation)):
            for name, value in zone.metrics().items():
                position.history.setdefault(f"{part}_{name}", []).append(value)
        events.add_scalar("train/loss", train.loss, position.epoch)
        events.add_scalar("eval/loss", validation.loss, position.epoch)
        self._say(epoch_line(position.epoch, config.epochs, train, validation))
        gained = position.lowest is None or validation.loss < position.lowest
        position.epochs_without_gain = 0 if gained else position.epochs_without_gain + 1
        position.lowest = validation.loss if position.lowest is None else min(position.lowest, validation.loss)
        new = candidate(position.epoch, validation, confidence=self._config.threshold.confidence)
        if wins(new, position.best, lowest=position.lowest, tolerance=config.loss_tolerance):
            position.best = new
            self.best_weights = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
            self._say(new_best_line(new, validation.metrics()["precision"]))
        position.batch, position.loss_sum, position.confusion = 0, 0.0, Confusion()
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
        answers = self._log_odds(zone.ends)
        return answers, zone.labels[:, 0].double().cpu().numpy()
