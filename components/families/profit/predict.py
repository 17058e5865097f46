"""What a sealed bundle, or the average of several, holds of each symbol of a zone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.recipe import HOLDOUT
from components.families.profit.config import ProfitConfig
from components.families.profit.loss import allocate
from components.families.profit.model import ProfitNetwork
from components.learning.batches import Windows, to_device
from components.learning.bundles import load_weights, require_same_columns
from components.learning.examples import Examples, read_examples
from components.learning.parallel import ALONE, World
from components.learning.prices import close_returns
from components.learning.reproducible import choose_device, reproducible
from components.learning.zones import raw_windows
from components.market.predictions import AllocationPredictions

BATCH = 256
"""Windows per forward pass; the answer to one does not depend on the others."""

Floats = npt.NDArray[np.float64]
Ends = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Said:
    """What the network says of some windows, one entry each."""

    score: Floats
    """In [-1, 1]."""
    expected_return: Floats
    """A fraction."""


def _go_on() -> None:
    return None


def say(
    model: ProfitNetwork,
    windows: Windows,
    ends: Tensor,
    *,
    on_batch: Callable[[], None] = _go_on,
    world: World = ALONE,
) -> Said:
    """Return what is said of the windows at ``ends``, with dropout off; several processes share them.

    ``on_batch`` may raise to stop.
    """
    model.eval()
    parts = [np.empty((2, 0))]
    with torch.inference_mode():
        for part in ends[world.turn(len(ends), ends.device)].split(BATCH):
            parts.append(torch.stack(model(windows.gather(part))).double().cpu().numpy())
            on_batch()
    return Said(*world.in_turn(np.concatenate(parts, axis=1).T, len(ends)).T)


def shares(score: Floats, ends: Ends, num_symbols: int, *, head: str) -> Floats:
    """Return the share of the capital of each row (symbol, time) in ``ends``, given the rows of its time."""
    _, row = np.unique(ends[:, 1], return_inverse=True)
    scores, there = np.zeros((2, row.max(initial=-1) + 1, num_symbols))
    scores[row, ends[:, 0]], there[row, ends[:, 0]] = score, 1.0
    weights = allocate(torch.from_numpy(scores), torch.from_numpy(there), head=head).numpy()
    held: Floats = weights[row, ends[:, 0]]
    return held


def beside_outcomes(examples: Examples, ends: Ends, said: Said, *, head: str) -> AllocationPredictions:
    """Return what is held of the rows (symbol, time) in ``ends``, with what came."""
    symbol, end = ends[:, 0], ends[:, 1]
    return AllocationPredictions(
        symbols=examples.symbols,
        symbol=symbol,
        timestamp=examples.panel.timestamps[end],
        score=said.score,
        weight=shares(said.score, ends, len(examples.symbols), head=head),
        expected_return=said.expected_return,
        label=close_returns(examples)[symbol, end],
        forward_return=examples.forward_return[symbol, end],
    )


def load_model(bundle: Bundle) -> tuple[ProfitConfig, ProfitNetwork]:
    """Return the recipe and the network of a bundle: raw windows in, ``OUTPUTS`` out.

    Raises:
        ArtifactError: If the weights do not fit the sizes that the bundle states.
    """
    config = ProfitConfig.parse(bundle.manifest["config"], name=f"{bundle.folder}: config")
    num_features = len(bundle.manifest["schema"]["columns"])
    model = ProfitNetwork(config.model, num_features=num_features, window=config.data.window)
    load_weights(bundle, model)
    return config, model


def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> AllocationPredictions:
    """Return what is held at every labelled decision of ``zone``, none if there is no such zone.

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
        ends = data.windows(zone, config.data.window, config.data.horizon)
        said = say(model.to(device), raw_windows(data, config.data.window, device), to_device(ends, device))
    if not (np.all(np.isfinite(said.score)) and np.all(np.isfinite(said.expected_return))):
        raise ArtifactError(f"{bundle.folder}: an answer in zone {zone!r} is not finite. Train it again")
    return beside_outcomes(data, ends, said, head=config.model.head)


def predict_ensemble(bundles: Sequence[Bundle], examples: Path, *, zone: str, threads: int) -> AllocationPredictions:
    """Return the mean of what several bundles say and hold of the same decisions.

    Raises:
        ArtifactError: As in ``predict``, or if a bundle answers other rows, such as one with another window.
        ValueError: If there is no bundle.
    """
    if not bundles:
        raise ValueError("an ensemble wants at least one bundle")
    tables = [predict(bundle, examples, zone=zone, threads=threads) for bundle in bundles]
    first = tables[0]
    for bundle, table in zip(bundles, tables, strict=True):
        same = [np.array_equal(getattr(table, name), getattr(first, name)) for name in ("symbol", "timestamp")]
        if not all(same):
            raise ArtifactError(f"{bundle.folder}: answers other rows than {bundles[0].folder}. Use equal windows")
    averaged = ("score", "weight", "expected_return")
    return replace(first, **{name: np.mean([getattr(table, name) for table in tables], axis=0) for name in averaged})
