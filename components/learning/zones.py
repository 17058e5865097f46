"""The samples of each zone as a trainer reads them: windows by index, what came, and what was at the decision."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from components.core.errors import DataError
from components.core.recipe import DataConfig
from components.learning.batches import Windows, to_device
from components.learning.examples import Examples


@dataclass(frozen=True)
class Zone:
    """The samples of one zone, by time and then by symbol."""

    ends: Tensor
    """(sample, 2): symbol and index of the window's last bar."""
    label: Tensor
    """(sample,), float64: what came; a class as its code."""
    now: Tensor
    """(sample,), float64: what was at the decision."""

    def __len__(self) -> int:
        return len(self.ends)


@dataclass(frozen=True)
class Zones:
    """One panel of raw features on the device, and the samples that index it."""

    windows: Windows
    train: Zone
    validation: Zone
    calibration: Zone
    """The validation zone again, where the recipe has no calibration zone or it holds no window."""


def raw_windows(examples: Examples, window: int, device: torch.device, *, pin_memory: bool = False) -> Windows:
    """Return the windows of the panel in its own units, on ``device``; where it has no row, which none touches, 0."""
    panel = np.nan_to_num(examples.panel.values, nan=0.0)
    return Windows(to_device(panel, device, pin_memory=pin_memory), window)


def zone_of(examples: Examples, name: str, data: DataConfig, device: torch.device) -> Zone:
    """Return the labelled samples of the zone called ``name``, none if there is no such zone."""
    ends = examples.windows(name, data.window, data.horizon)
    symbol, end = ends[:, 0], ends[:, 1]
    return Zone(*(to_device(item, device) for item in (ends, examples.label[symbol, end], examples.now[symbol, end])))


def load_zones(examples: Examples, data: DataConfig, device: torch.device, *, pin_memory: bool) -> Zones:
    """Return what training reads.

    Raises:
        DataError: If a zone that training needs has no window.
    """
    train, validation, calibration = (
        zone_of(examples, name, data, device) for name in ("train", "validation", "calibration")
    )
    for name, samples in (("train", train), ("validation", validation)):
        if not len(samples):
            raise DataError(
                f"zone {name!r} has no window of {data.window} bars and the {data.horizon} after it",
                file="examples",
                remedy=f"Give data.zones.{name} a larger share, use more history, or lower data.window",
            )
    windows = raw_windows(examples, data.window, device, pin_memory=pin_memory)
    return Zones(windows, train, validation, calibration if len(calibration) else validation)
