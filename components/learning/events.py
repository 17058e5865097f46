"""TensorBoard events under the published tag names, each step once, however often the run was interrupted."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from torch.utils.tensorboard.writer import SummaryWriter

TRAIN_LOSS, EVAL_LOSS = "train/loss", "eval/loss"
GRADIENT_NORM, LEARNING_RATE = "train/gradient_norm", "train/learning_rate"


class Events:
    """A writer of scalars, in one file.

    What an interrupted run wrote before ``first_step`` is carried into it and the rest dropped. The reader's
    own way, to hide it, goes by the names of the files and fails for two of one second or with skewed clocks.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        earlier = sorted(folder.glob("events.out.tfevents.*"))
        points = _points(earlier)
        self._writer = SummaryWriter(str(folder), purge_step=0)  # pyright: ignore[reportNoUntypedCall]
        for (step, tag), (wall_time, value) in points.items():
            if step < first_step:
                self._writer.add_scalar(tag, value, step, wall_time)
        self._writer.flush()
        for path in earlier:
            path.unlink()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Record ``values`` by tag at ``step``, in the file when this returns.

        Called before the checkpoint of that step is saved, it leaves no step out either.
        """
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def _points(files: Sequence[Path]) -> dict[tuple[int, str], tuple[float, float]]:
    """Return wall time and value of each scalar, by step and tag."""
    return {
        (event.step, value.tag): (event.wall_time, value.simple_value)
        for path in files
        for event in LegacyEventFileLoader(str(path)).Load()
        for value in event.summary.value
    }


def profit_values(
    *,
    total_return: float,
    sharpe_ratio: float,
    win_rate: float,
    max_drawdown: float,
    num_trades: int,
    profit_and_loss: float,
) -> dict[str, float]:
    """Return the profit of one evaluation by tag, without the numbers that are undefined.

    Returns, win rate and drawdown, zero or negative, are fractions. ``profit_and_loss``, the money earned in the
    zone that was asked, evaluation by evaluation makes the curve.
    """
    values = {
        "profit/total_return": total_return,
        "profit/sharpe_ratio": sharpe_ratio,
        "profit/win_rate": win_rate,
        "profit/max_drawdown": max_drawdown,
        "profit/num_trades": num_trades,
        "profit/pnl": profit_and_loss,
    }
    return {tag: value for tag, value in values.items() if math.isfinite(value)}
