"""How training went, for eyes: one picture at its end."""

# pyright: reportUnknownMemberType=false
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def draw_training_curve(path: Path, history: Mapping[str, list[float]], *, best_epoch: int) -> None:
    """Write a PNG of training and validation loss by epoch, with the kept epoch marked."""
    epochs = range(1, len(history["train_loss"]) + 1)
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.plot(epochs, history["train_loss"], marker="o", markersize=3, label="train")
    axes.plot(epochs, history["val_loss"], marker="o", markersize=3, label="validation")
    axes.axvline(best_epoch, color="0.6", linestyle="--", linewidth=1, label=f"kept: epoch {best_epoch}")
    axes.set(title="Training curve", xlabel="epoch", ylabel="binary cross-entropy, nats")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
