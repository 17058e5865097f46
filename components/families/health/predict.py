"""What a sealed bundle says about each window of a zone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.recipe import HOLDOUT
from components.families.health.config import HealthConfig
from components.families.health.evaluate import Said
from components.families.health.model import HealthNetwork
from components.learning.batches import Windows
from components.learning.bundles import load_weights, require_same_columns
from components.learning.examples import read_examples
from components.learning.reproducible import choose_device, reproducible
from components.learning.zones import raw_windows, zone_of
from components.market.predictions import ScorePredictions

BATCH = 1024
"""Windows per forward pass; the answer to one does not depend on the others."""


def _go_on() -> None:
    return None


def say(model: HealthNetwork, windows: Windows, ends: Tensor, *, on_batch: Callable[[], None] = _go_on) -> Said:
    """Return scores and errors of the windows at ``ends``, with no random draw; ``on_batch`` may raise to stop."""
    model.eval()
    parts = [np.empty((2, 0))]
    with torch.inference_mode():
        for part in ends.split(BATCH):
            answer = model.answer(windows.gather(part))
            parts.append(torch.stack([answer.score, answer.error]).double().cpu().numpy())
            on_batch()
    score, error = np.concatenate(parts, axis=1)
    return Said(score, error)


def load_model(bundle: Bundle) -> tuple[HealthConfig, HealthNetwork]:
    """Return the recipe and the network of a bundle: raw windows in, ``OUTPUTS`` out.

    Raises:
        ArtifactError: If the weights do not fit the sizes that the bundle states.
    """
    config = HealthConfig.parse(bundle.manifest["config"], name=f"{bundle.folder}: config")
    num_features = len(bundle.manifest["schema"]["columns"])
    model = HealthNetwork(config.model, num_features=num_features, window=config.data.window)
    load_weights(bundle, model)
    return config, model


def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> ScorePredictions:
    """Return the score and the error of every labelled window of ``zone``, none if there is no such zone.

    ``bundle`` comes from ``components.core.bundle.load``, so every byte of it was checked.

    Raises:
        ArtifactError: If the weights are unusable, the features are others, or a number is not finite.
        DataError: If the examples cannot be trusted.
    """
    config, model = load_model(bundle)
    data = read_examples(examples, holdout=zone == HOLDOUT)
    require_same_columns(bundle, data)
    with reproducible(seed=config.seed, threads=threads):
        device = choose_device("auto" if config.train.device == "cuda" else config.train.device)
        samples = zone_of(data, zone, config.data, device)
        said = say(model.to(device), raw_windows(data, config.data.window, device), samples.ends)
    if not (np.all(np.isfinite(said.score)) and np.all(np.isfinite(said.error))):
        raise ArtifactError(f"{bundle.folder}: a score in zone {zone!r} is not finite. Train it again")
    ends = samples.ends.cpu().numpy()
    return ScorePredictions(
        symbols=data.symbols,
        symbol=ends[:, 0],
        timestamp=data.panel.timestamps[ends[:, 1]],
        score=said.score,
        label=samples.label.cpu().numpy(),
        now=samples.now.cpu().numpy(),
        error=said.error,
        horizon=config.data.horizon,
    )
