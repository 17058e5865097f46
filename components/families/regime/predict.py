"""What a sealed bundle says about each window of a zone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.recipe import HOLDOUT
from components.families.regime.config import RegimeConfig
from components.families.regime.model import RegimeNetwork
from components.learning.batches import Windows
from components.learning.bundles import load_weights, require_same_columns
from components.learning.examples import read_examples
from components.learning.reproducible import choose_device, reproducible
from components.learning.zones import raw_windows, zone_of
from components.market.columns import REGIMES
from components.market.predictions import ClassPredictions

BATCH = 256
"""Windows per forward pass; the answer to one does not depend on the others."""


def _go_on() -> None:
    return None


def scores_of(
    model: RegimeNetwork, windows: Windows, ends: Tensor, *, on_batch: Callable[[], None] = _go_on
) -> npt.NDArray[np.float64]:
    """Return the uncalibrated log-odds [sample, 5] with dropout off; ``on_batch`` may raise to stop."""
    model.eval()
    answers = [np.empty((0, len(REGIMES)))]
    with torch.inference_mode():
        for part in ends.split(BATCH):
            answers.append(model.scores(windows.gather(part))[0].double().cpu().numpy())
            on_batch()
    return np.concatenate(answers)


def load_model(bundle: Bundle) -> tuple[RegimeConfig, RegimeNetwork]:
    """Return the recipe and the network of a bundle, with dropout off: raw windows in, ``OUTPUTS`` out.

    Raises:
        ArtifactError: If the weights do not fit the sizes that the bundle states.
    """
    config = RegimeConfig.parse(bundle.manifest["config"], name=f"{bundle.folder}: config")
    num_features = len(bundle.manifest["schema"]["columns"])
    model = RegimeNetwork(config.model, num_features=num_features, window=config.data.window)
    load_weights(bundle, model)
    return config, model


def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> ClassPredictions:
    """Return the calibrated probabilities of every labelled window of ``zone``, none if there is no such zone.

    ``bundle`` comes from ``components.core.bundle.load``, so every byte of it was checked.

    Raises:
        ArtifactError: If the weights are unusable, the features are others, or a probability is not finite.
        DataError: If the examples cannot be trusted.
    """
    config, model = load_model(bundle)
    data = read_examples(examples, holdout=zone == HOLDOUT)
    require_same_columns(bundle, data)
    with reproducible(seed=config.seed, threads=threads):
        device = choose_device("auto" if config.train.device == "cuda" else config.train.device)
        samples = zone_of(data, zone, config.data, device)
        windows = raw_windows(data, config.data.window, device)
        scores = scores_of(model.to(device), windows, samples.ends) / float(model.temperature)
    if not np.all(np.isfinite(scores)):
        raise ArtifactError(f"{bundle.folder}: a probability in zone {zone!r} is not finite. Train it again")
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    ends = samples.ends.cpu().numpy()
    return ClassPredictions(
        symbols=data.symbols,
        symbol=ends[:, 0],
        timestamp=data.panel.timestamps[ends[:, 1]],
        classes=REGIMES,
        probability=odds / odds.sum(axis=1, keepdims=True),
        label=samples.label.cpu().numpy().astype(np.int64),
        now=samples.now.cpu().numpy().astype(np.int64),
        horizon=config.data.horizon,
    )
