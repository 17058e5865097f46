"""From the examples to markets that an agent can trade in: one for each zone, observed through the same reader."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.errors import DataError
from components.families.agents.config import AgentsConfig
from components.families.agents.model import Reader, evenly
from components.learning.batches import Windows, to_device
from components.learning.examples import Examples
from components.learning.zones import raw_windows
from components.trading.market_environment import Market

Ends = npt.NDArray[np.int64]

NUM_SCALED = 2048
"""Training windows at most, evenly spread, that the scaling is taken from."""
BATCH = 4096
"""Windows that are read at once."""


@dataclass(frozen=True)
class Dataset:
    """What training reads."""

    reader: Reader
    train: Market
    validation: Market


def stretches(ends: Ends, known: npt.NDArray[np.bool_]) -> tuple[Ends, Ends]:
    """Return the samples ``ends`` (sample, 2) by symbol and then by time, and the last of each one's stretch.

    Samples belong together while one follows the other in the next bar and the return of the earlier is ``known``
    [symbol, time].
    """
    ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    symbol, end = ends.T
    goes_on = (symbol[1:] == symbol[:-1]) & (end[1:] == end[:-1] + 1) & known[symbol[:-1], end[:-1]]
    last = np.flatnonzero(np.append(~goes_on, True))
    return ends, last[np.searchsorted(last, np.arange(len(ends)))]


def observed(reader: Reader, windows: Windows, ends: Tensor) -> Tensor:
    """Return the observations (cell, feature) of the windows at ``ends`` (cell, 2)."""
    with torch.no_grad():
        return torch.cat([reader(windows.gather(part)) for part in ends.split(BATCH)])


def market_of(
    examples: Examples, zone: str, config: AgentsConfig, windows: Windows, reader: Reader, *, scale: float
) -> Market:
    """Return the market of a zone, to be traded at ``scale``.

    Raises:
        DataError: If no symbol of the zone has two decisions in a row.
    """
    data, device = config.data, reader.mean.device
    known = np.isfinite(examples.forward_return)
    ends, last = stretches(examples.windows(zone, data.window, data.horizon), known)
    if not np.any(last > np.arange(len(ends))):
        raise DataError(
            f"zone {zone!r} has no two decision times in a row with a window of {data.window} bars and a known return",
            file="examples",
            remedy=f"Give data.zones.{zone} a larger share, use more history, or lower data.window",
        )
    returns = np.nan_to_num(examples.forward_return[ends[:, 0], ends[:, 1]], nan=0.0)
    observations = observed(reader, windows, to_device(ends, device))
    return Market(observations, to_device(returns, device), to_device(last, device), scale)


def load(examples: Examples, config: AgentsConfig, device: torch.device) -> Dataset:
    """Return the training and the validation market, scaled by the training zone alone.

    Raises:
        DataError: If a zone that training needs has no two decisions in a row, or nothing ever moves.
    """
    windows = raw_windows(examples, config.data.window, device, pin_memory=config.train.pin_memory)
    ends = examples.windows("train", config.data.window, config.data.horizon)
    reader = Reader(len(examples.columns), config.network.bars).to(device)
    if len(ends):
        reader.prepare(windows.gather(to_device(ends, device)[evenly(len(ends), NUM_SCALED).to(device)]))
    earned = examples.forward_return[ends[:, 0], ends[:, 1]]
    scale = float(np.nanstd(earned)) if np.isfinite(earned).any() else 0.0
    train, validation = (
        market_of(examples, zone, config, windows, reader, scale=scale) for zone in ("train", "validation")
    )
    if not scale > 0:
        raise DataError("no return of the training zone moves", file="examples", remedy="Give bars whose prices move")
    return Dataset(reader, train, validation)
