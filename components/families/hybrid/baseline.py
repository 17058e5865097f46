"""What is said without a trained model: each action is as likely, and the price stays where it is."""

from typing import Any

import numpy as np
import numpy.typing as npt

from components.families.hybrid.config import FusionConfig
from components.market.columns import ACTIONS


def predict(windows: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Return the outputs of the family, one entry per raw window [n, time, feature].

    All bars count alike, and the features, of the published width, are 0.
    """
    num, time, _ = windows.shape
    return {
        "classification": np.full((num, len(ACTIONS)), 1 / len(ACTIONS), dtype=np.float32),
        "regression": np.zeros(num, dtype=np.float32),
        "attention_weights": np.full((num, time), 1 / time, dtype=np.float32),
        "features": np.zeros((num, FusionConfig().output_dim), dtype=np.float32),
    }
