"""The panel on the device, the samples of each zone in slabs, and what their prices did next."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.errors import DataError
from components.families.foundation.config import FoundationDataConfig
from components.learning.batches import Windows, to_device
from components.learning.examples import TRAIN, Examples
from components.learning.foundation import scale_free
from components.learning.slabs import Slabs
from components.market.columns import FOUNDATION
from components.market.moves import MOVE_LABELLER, moves

Floats = npt.NDArray[np.float64]

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Zone:
    """The samples of one zone, by time and then by symbol."""

    ends: npt.NDArray[np.int64]
    """(sample, 2): symbol and index of the window's last bar."""
    moved: Floats
    """(sample, step): log return from the last close to that of each step ahead."""
    scale: Floats
    """(sample,): past volatility of one bar."""

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def standard(self) -> Floats:
        """(sample, step): moves by past volatility and the root of the step."""
        steps = np.sqrt(np.arange(1.0, self.moved.shape[1] + 1))
        standard: Floats = self.moved / (self.scale[:, None] * steps)
        return standard


def require_moves(data: Examples) -> None:
    """Check that the labels are moves of the version that this family learns.

    Raises:
        DataError: If they are not.
    """
    if (found := data.manifest.get("labeller")) != MOVE_LABELLER:
        raise DataError(
            f"the labels are {found or 'directions'!r}, wanted {MOVE_LABELLER!r}",
            file="examples",
            column="label",
            remedy="Assemble the examples for the foundation: qf run foundation",
        )


def zone_of(data: Examples, name: str, config: FoundationDataConfig) -> Zone:
    """Return the labelled samples of the zone called ``name``, none if there is no such zone."""
    ends = data.windows(name, config.window, config.horizon)
    returns = data.panel.values[..., FOUNDATION.index("return_1d")].astype(np.float64)
    symbol, end = ends[:, 0], ends[:, 1]
    return Zone(ends, moves(returns, config.horizon)[symbol, end], data.now[symbol, end])


def filled_panel(data: Examples, device: torch.device, *, pin_memory: bool = False) -> Tensor:
    """Return the panel (symbol, time, column) in its own units; where it has no row, the training mean.

    No sample looks at such a cell, but a slab may, and what it gives must be finite to have no gradient.
    """
    values = np.where(np.isnan(data.panel.values), data.mean.astype(np.float32), data.panel.values)
    return to_device(values, device, pin_memory=pin_memory)


def moments(data: Examples) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the scale-free inputs over the training rows; 1 where one never varies."""
    times = data.zone == data.zones.index(TRAIN)
    rows = torch.from_numpy(data.panel.values[:, times][data.panel.present[:, times]])
    scaled = torch.cat([scale_free(part.double()) for part in rows.split(_ROWS_AT_ONCE)])
    std = scaled.std(dim=0, correction=0)
    return scaled.mean(dim=0).numpy(), torch.where(std > 0, std, torch.ones_like(std)).numpy()


@dataclass(frozen=True)
class Feed:
    """The samples of a zone as a network reads them: slabs of the panel, and standard moves by sample."""

    windows: Windows
    slabs: Slabs
    stride: int
    standard: Tensor
    """(sample, step)."""

    @classmethod
    def of(cls, panel: Tensor, zone: Zone, *, window: int, rows: int, stride: int) -> "Feed":
        """Return the feed of a zone that has samples; where time is too short for slabs of ``rows``, shorter ones.

        Raises:
            ValueError: As in ``Slabs.spaced``.
        """
        num_times = panel.shape[1]
        room = (num_times - int(zone.ends[:, 1].min())) // stride
        rows = max(1, min(rows, room))
        slabs = Slabs.spaced(zone.ends, rows=rows, stride=stride, num_times=num_times, device=panel.device)
        standard = torch.from_numpy(zone.standard.astype(np.float32)).to(panel.device)
        return cls(Windows(panel, window + (rows - 1) * stride), slabs, stride, standard)
