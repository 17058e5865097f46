"""What a sealed agent holds of each symbol of a zone, and episodes of a zone for people to look at."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.files import read_json
from components.core.recipe import HOLDOUT
from components.families.agents.choice import DISCRETE, make_policy
from components.families.agents.config import AgentsConfig
from components.families.agents.data import market_of
from components.families.agents.evaluate import metrics, play
from components.families.agents.model import AgentNetwork, Reader
from components.learning.batches import Windows, to_device
from components.learning.bundles import FACTS, load_weights, require_same_columns
from components.learning.examples import read_examples
from components.learning.prices import close_returns
from components.learning.reproducible import choose_device, reproducible
from components.learning.zones import raw_windows
from components.market.predictions import AllocationPredictions

BATCH = 4096
"""Windows per forward pass; the answer to one does not depend on the others."""

Floats = npt.NDArray[np.float64]
Ends = npt.NDArray[np.int64]


def positions_of(model: AgentNetwork, windows: Windows, ends: Tensor) -> Floats:
    """Return the position (sample,) after each window at ``ends`` (sample, 2)."""
    with torch.inference_mode():
        parts = [model(windows.gather(part)).double().cpu().numpy() for part in ends.split(BATCH)]
    return np.concatenate([np.empty(0), *parts])


def load_model(bundle: Bundle) -> tuple[AgentsConfig, AgentNetwork]:
    """Return the recipe and the network of a bundle: raw windows in, positions out.

    Raises:
        ArtifactError: If the weights do not fit the sizes that the bundle states.
    """
    config = AgentsConfig.parse(bundle.manifest["config"], name=f"{bundle.folder}: config")
    reader = Reader(len(bundle.manifest["schema"]["columns"]), config.network.bars)
    discrete = config.agent in DISCRETE
    model = AgentNetwork(reader, make_policy(config, num_features=len(reader.mean)), discrete=discrete)
    load_weights(bundle, model)
    return config, model


def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> AllocationPredictions:
    """Return what is held at every labelled decision of ``zone``, none if there is no such zone.

    Each symbol has an equal part of the capital, of which its position is held; an agent expects no return, so 0 is
    said. ``bundle`` comes from ``components.core.bundle.load``, so every byte of it was checked.

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
        windows = raw_windows(data, config.data.window, device)
        position = positions_of(model.to(device), windows, to_device(ends, device))
    if not np.all(np.isfinite(position)):
        raise ArtifactError(f"{bundle.folder}: a position in zone {zone!r} is not finite. Train it again")
    symbol, end = ends[:, 0], ends[:, 1]
    _, row, num_symbols = np.unique(end, return_inverse=True, return_counts=True)
    return AllocationPredictions(
        symbols=data.symbols,
        symbol=symbol,
        timestamp=data.panel.timestamps[end],
        score=position,
        weight=position / num_symbols[row],
        expected_return=np.zeros(len(ends)),
        label=close_returns(data)[symbol, end],
        forward_return=data.forward_return[symbol, end],
    )


def play_zone(
    bundle: Bundle, examples: Path, *, zone: str, threads: int, num_episodes: int | None = None
) -> dict[str, float]:
    """Return the figures of ``evaluate.metrics`` over episodes of a zone: ``train.test_episodes`` or as many as said.

    They show what the agent does in single accounts; what may be promoted is for the judge to say, from ``predict``.

    Raises:
        ArtifactError, DataError: As in ``predict``, or if the zone has no two decisions in a row.
    """
    config, model = load_model(bundle)
    data = read_examples(examples, holdout=zone == HOLDOUT)
    require_same_columns(bundle, data)
    with reproducible(seed=config.seed, threads=threads), torch.inference_mode():
        windows = raw_windows(data, config.data.window, torch.device("cpu"))
        scale = float(read_json(bundle.path(FACTS))["return_scale"])
        market = market_of(data, zone, config, windows, model.reader, scale=scale)
        played = play(
            market, config.environment, model.policy,
            num_episodes=num_episodes or config.train.test_episodes, discrete=model.discrete,
        )  # fmt: skip
    return metrics(played, bars_per_year=float(data.manifest["bars_per_year"]))
