"""What the metrics of a training say of it: no number yet, a loss that does not fall, an overfit, or early days."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from components.core.errors import ArtifactError
from components.learning.events import EVAL_LOSS, TRAIN_LOSS
from components.learning.spool import SPOOL, Line, read_lines

TREND: Final = 0.5
"""Deviations of a step's loss that it must fall by, from the first quarter of the steps to the last."""
MIN_STEPS: Final = 40
"""Steps whose losses say anything about a trend."""
RISES: Final = 3
"""Evaluations without a new lowest loss that count as rising."""

_STEP_LOSS, _RETURN = "step/loss", "profit/total_return"


def diagnose(folder: Path) -> list[str]:
    """Return what is wrong with the training in a run's folder, each with its remedy; nothing if nothing is seen.

    Raises:
        ArtifactError: If a line of the metrics is damaged, or the run has no folder.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such run. Its key stands in the first line of qf run")
    path = folder / SPOOL
    if not path.is_file():
        return [f"no metrics: {path} is not there. Training has not begun, or logs below another --root"]
    lines = read_lines(path)
    evaluated = [line for line in lines if EVAL_LOSS in line.values or TRAIN_LOSS in line.values]
    if not evaluated:
        step = max((line.step for line in lines), default=0)
        return [
            f"no metrics yet at step {step}: the first are logged with the first evaluation, at step 100 unless "
            "train.evaluate_every_steps or train.epochs says otherwise. Wait for it"
        ]
    rising = _rising([line.values[EVAL_LOSS] for line in evaluated if EVAL_LOSS in line.values])
    return [*_not_falling(_series(lines, _STEP_LOSS)), *rising, *_losing(_series(lines, _RETURN), overfit=bool(rising))]


def _series(lines: Sequence[Line], name: str) -> list[float]:
    return [line.values[name] for line in lines if name in line.values]


def _not_falling(losses: Sequence[float]) -> list[str]:
    """Compare the first quarter of the steps with the last."""
    if len(losses) < MIN_STEPS:
        return []
    quarter = len(losses) // 4
    first, last = np.array(losses[:quarter]), np.array(losses[-quarter:])
    if first.mean() - last.mean() > TREND * max(first.std(), last.std()):
        return []
    return [
        f"the loss does not fall: {first.mean():.4g} in the first {quarter} steps, {last.mean():.4g} in the last. "
        "Change train.lr by a factor of 3, either way; shorten train.schedule.warmup, over which steps are small; look "
        "at scaler.json of the bundle for a feature whose deviation is far from those of its like"
    ]


def _rising(losses: Sequence[float]) -> list[str]:
    """Look for evaluations in a row that stay above the lowest loss."""
    since = len(losses) - 1 - int(np.argmin(losses))
    if since < RISES:
        return []
    return [
        f"overfit: the evaluation's loss was lowest {since} evaluations ago, {min(losses):.4g}, and is "
        f"{losses[-1]:.4g}. The weights of then are kept; use more dropout, more train.weight_decay, a smaller network "
        "or more history"
    ]


def _losing(returns: Sequence[float], *, overfit: bool) -> list[str]:
    if not returns or returns[-1] >= 0:
        return []
    if overfit:
        why = "the training overfits, see above"
    elif len(returns) <= RISES:
        why = f"only {len(returns)} evaluations are over, so it is early: wait"
    else:
        why = "the validation zone may hold nothing that pays after costs, which the gates will say"
    return [f"the profit is negative, {returns[-1]:+.2%} on the validation zone: {why}"]
