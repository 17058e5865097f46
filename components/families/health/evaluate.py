"""What an epoch's validation is worth: the numbers that the history records."""

# pyright: reportUnknownArgumentType=false
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.trading.statistics import ranks

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Said:
    """What the network says of the samples of a zone."""

    score: Floats
    error: Floats


def metrics(said: Said, label: Floats, *, score_weight: float) -> dict[str, float]:
    """Return loss, errors and rank correlation; the loss is the training's, without a vae's divergence.

    Where one of the two does not vary the correlation is 0: it says nothing.
    """
    score_error = float(np.mean((said.score - label) ** 2))
    reconstruction = float(np.mean(said.error))
    ours, theirs = ranks(said.score), ranks(label)
    spread = float(np.std(ours) * np.std(theirs))
    together = float(np.mean((ours - ours.mean()) * (theirs - theirs.mean())))
    return {
        "loss": reconstruction + score_weight * score_error,
        "recon_mse": reconstruction,
        "score_mse": score_error,
        "correlation": together / spread if spread > 0 else 0.0,
    }
