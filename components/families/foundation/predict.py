"""What a trained foundation says of a zone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.recipe import HOLDOUT
from components.families.foundation.config import FoundationConfig
from components.families.foundation.data import Feed, Floats, Zone, filled_panel, require_moves, zone_of
from components.learning.bundles import require_same_columns
from components.learning.examples import read_examples
from components.learning.foundation import FoundationNetwork, network_of
from components.learning.parallel import ALONE, World
from components.learning.reproducible import choose_device, reproducible
from components.market.columns import QUANTILE_LEVELS
from components.market.predictions import QuantilePredictions

WINDOWS, ROWS = 1024, 32
"""Windows per forward pass, and those of one stock that share the work on their bars."""


def _go_on() -> None:
    return None


def say(
    model: FoundationNetwork,
    panel: Tensor,
    zone: Zone,
    *,
    on_batch: Callable[[], None] = _go_on,
    world: World = ALONE,
) -> Floats:
    """Return the quantiles (sample, step, level) of standard moves, ascending; several processes share the samples.

    ``on_batch`` may raise to stop.
    """
    model.eval()
    if not len(zone):
        return np.empty((0, model.horizon, len(QUANTILE_LEVELS)))
    feed = Feed.of(panel, zone, window=model.window, rows=ROWS, stride=1)
    slabs = feed.slabs.take(world.turn(len(feed.slabs), panel.device))
    found: list[tuple[npt.NDArray[np.int64], Floats]] = []
    with torch.inference_mode():
        for part in slabs.split(WINDOWS):
            answer = model.standard(feed.windows.gather(part.ends)).sort(dim=-1).values
            counted = part.counted.flatten()
            samples = part.samples.flatten()[counted]
            found.append((samples.cpu().numpy(), answer[counted].double().cpu().numpy()))
            on_batch()
    said = np.empty((len(zone), model.horizon, len(QUANTILE_LEVELS)))
    for samples, answers in itertools.chain.from_iterable(world.gathered(found)):
        said[samples] = answers
    return said


def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> QuantilePredictions:
    """Return the quantiles of every labelled window of ``zone``, none if there is no such zone.

    ``bundle`` comes from ``components.core.bundle.load``, so every byte of it was checked.

    Raises:
        ArtifactError: If the weights are unusable, the features are others, or a number is not finite.
        DataError: If the examples cannot be trusted.
    """
    config = FoundationConfig.parse(bundle.manifest["config"], name=f"{bundle.folder}: config")
    model, data = network_of(bundle), read_examples(examples, holdout=zone == HOLDOUT)
    require_same_columns(bundle, data)
    require_moves(data)
    with reproducible(seed=config.seed, threads=threads):
        device = choose_device("auto" if config.train.device == "cuda" else config.train.device)
        samples = zone_of(data, zone, config.data)
        said = say(model.to(device), filled_panel(data, device), samples)
    if not np.all(np.isfinite(said)):
        raise ArtifactError(f"{bundle.folder}: a quantile in zone {zone!r} is not finite. Train it again")
    units = samples.scale[:, None] * np.sqrt(np.arange(1, config.data.horizon + 1))
    return QuantilePredictions(
        symbols=data.symbols,
        symbol=samples.ends[:, 0],
        timestamp=data.panel.timestamps[samples.ends[:, 1]],
        levels=QUANTILE_LEVELS,
        quantile=said * units[..., None],
        label=samples.moved,
        scale=samples.scale,
    )
