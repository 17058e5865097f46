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
from components.families.hybrid.config import HybridConfig
from components.families.hybrid.evaluate import Said
from components.families.hybrid.model import HybridNetwork
from components.learning.batches import Windows
from components.learning.bundles import load_weights, require_same_columns
from components.learning.examples import read_examples
from components.learning.parallel import ALONE, World
from components.learning.reproducible import choose_device, reproducible
from components.learning.zones import raw_windows, zone_of
from components.market.columns import ACTIONS
from components.market.predictions import ClassPredictions

BATCH = 256
"""Windows per forward pass; the answer to one does not depend on the others."""


def _go_on() -> None:
    return None


def said_of(
    model: HybridNetwork,
    windows: Windows,
    ends: Tensor,
    *,
    on_batch: Callable[[], None] = _go_on,
    world: World = ALONE,
) -> Said:
    """Return what the network says of the windows at ``ends``, with dropout off; several processes share them.

    ``on_batch`` may raise to stop.
    """
    model.eval()
    chances, moves = [np.empty((0, len(ACTIONS)))], [np.empty(0)]
    with torch.inference_mode():
        for part in ends[world.turn(len(ends), ends.device)].split(BATCH):
            scores, move = model.scores(model.relative(windows.gather(part)))
            chances.append(torch.softmax(scores.double(), dim=-1).cpu().numpy())
            moves.append(move.double().cpu().numpy())
            on_batch()
    return Said(*(world.in_turn(np.concatenate(answers), len(ends)) for answers in (chances, moves)))


def load_model(bundle: Bundle) -> tuple[HybridConfig, HybridNetwork]:
    """Return the recipe and the network of a bundle, with dropout off: raw windows in, ``OUTPUTS`` out.

    Raises:
        ArtifactError: If the weights do not fit the sizes that the bundle states.
    """
    config = HybridConfig.parse(bundle.manifest["config"], name=f"{bundle.folder}: config")
    model = HybridNetwork(config.model, columns=bundle.manifest["schema"]["columns"])
    load_weights(bundle, model)
    return config, model


def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> ClassPredictions:
    """Return the chances of every labelled window of ``zone``, none if there is no such zone.

    ``bundle`` comes from ``components.core.bundle.load``, so every byte of it was checked.

    Raises:
        ArtifactError: If the weights are unusable, the features are others, or a chance is not finite.
        DataError: If the examples cannot be trusted.
    """
    config, model = load_model(bundle)
    data = read_examples(examples, holdout=zone == HOLDOUT)
    require_same_columns(bundle, data)
    with reproducible(seed=config.seed, threads=threads):
        device = choose_device("auto" if config.train.device == "cuda" else config.train.device)
        samples = zone_of(data, zone, config.data, device)
        said = said_of(model.to(device), raw_windows(data, config.data.window, device), samples.ends)
    if not np.all(np.isfinite(said.chance)):
        raise ArtifactError(f"{bundle.folder}: a chance in zone {zone!r} is not finite. Train it again")
    ends = samples.ends.cpu().numpy()
    return ClassPredictions(
        symbols=data.symbols,
        symbol=ends[:, 0],
        timestamp=data.panel.timestamps[ends[:, 1]],
        classes=ACTIONS,
        probability=said.chance,
        label=samples.label.cpu().numpy().astype(np.int64),
        now=samples.now.cpu().numpy().astype(np.int64),
        horizon=config.data.horizon,
    )
