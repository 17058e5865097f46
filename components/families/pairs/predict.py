"""How a sealed bundle splits the capital at the start of each horizon of a zone."""

# pyright: reportUnknownMemberType=false
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.recipe import HOLDOUT
from components.families.pairs.config import PairsConfig
from components.families.pairs.data import PairStockDataset, starts_of
from components.families.pairs.model import Allocator
from components.learning.bundles import load_weights, require_same_columns
from components.learning.examples import read_examples
from components.learning.reproducible import reproducible
from components.market.predictions import PortfolioPredictions

Floats = npt.NDArray[np.float64]


def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> PortfolioPredictions:
    """Return the split at the start of each horizon of ``zone``.

    ``bundle`` comes from ``components.core.bundle.load``, so every byte of it was checked.

    Raises:
        ArtifactError: If the weights are unusable, the features are others, or a share is not finite.
        DataError: If the examples cannot be trusted, or the zone holds no horizon.
    """
    config = PairsConfig.parse(bundle.manifest["config"], name=f"{bundle.folder}: config")
    symbols = tuple(bundle.manifest["schema"]["symbols"])
    data = read_examples(examples, holdout=zone == HOLDOUT)
    require_same_columns(bundle, data)
    model = Allocator(config.model.hidden)
    load_weights(bundle, model)
    starts, seen = starts_of(data, symbols, zone, config), PairStockDataset.of(data, symbols, zone, config)
    with reproducible(seed=config.seed, threads=threads), torch.inference_mode():
        weights: Floats = model(seen.features).double().numpy()
    if not np.all(np.isfinite(weights)):
        raise ArtifactError(f"{bundle.folder}: a share in zone {zone!r} is not finite. Train it again")
    weight: Floats = (weights / weights.sum(axis=1, keepdims=True)).ravel()
    grown: Floats = seen.growth.double().numpy().ravel() - 1
    return PortfolioPredictions(
        symbols=symbols,
        symbol=np.tile(np.arange(len(symbols)), len(starts)),
        timestamp=np.repeat(data.panel.timestamps[starts[:, 0]], len(symbols)),
        score=weight,
        weight=weight,
        expected_return=np.zeros(weight.size),
        label=grown,
        forward_return=grown,
        hold_bars=config.objective.horizon_bars,
    )
