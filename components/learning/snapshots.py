"""Weights of some epochs, kept for people beside the checkpoints that a run resumes from."""

from pathlib import Path

from safetensors.torch import save

from components.core.files import atomic_file
from components.learning.checkpoint import epoch_label
from components.learning.loop import Loop
from components.learning.settings import SnapshotConfig
from components.learning.stopping import copied_weights


def keep_snapshot(loop: Loop, config: SnapshotConfig, folder: Path) -> Path | None:
    """Write the weights that ``config`` wants after the epoch that is over; return their file, None if it wants none.

    The name has the epoch that the weights are of and its validation loss.
    """
    position = loop.position
    if not config.every_epochs or position.epoch % config.every_epochs:
        return None
    epoch = position.best_epoch if config.best_only else position.epoch
    weights = loop.best_weights if config.best_only else copied_weights(loop.model)
    path = folder / f"{epoch_label(epoch, position.history['val_loss'][epoch - 1])}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            file.write(save({name: tensor.cpu().contiguous() for name, tensor in weights.items()}))
    return path
