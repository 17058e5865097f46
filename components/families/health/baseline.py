"""What is said without a trained model: the health of now, by the rules that the labels are made with."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.families.health import LATENT
from components.market.health import behaviors, known_scores, vol_buckets

UNKNOWN_SCORE: Final = 0.5


def predict(windows: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Return the outputs of the family, one entry per raw window [n, time, feature].

    Where a feature is missing the score is 1/2 and bucket and behavior are -1. Nothing is reconstructed: the
    error is that of drawing nothing, NaN, so that nobody takes it for a good one.
    """
    last = windows[:, -1].astype(np.float64)
    score = known_scores(last)
    return {
        "health_score": np.where(np.isnan(score), UNKNOWN_SCORE, score).astype(np.float32),
        "vol_bucket": vol_buckets(last),
        "behavior": behaviors(last),
        "health_latent": np.zeros((len(last), LATENT), dtype=np.float32),
        "reconstruction_error": np.full(len(last), np.nan, dtype=np.float32),
    }
