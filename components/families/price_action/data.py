"""Examples as the model reads them: z-scored by the training rows alone, gathered by index."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.errors import DataError
from components.core.files import read_json
from components.families.price_action.config import PriceActionConfig
from components.learning.batches import Windows, to_device
from components.learning.examples import Examples
from components.learning.slabs import Slabs
from components.market.columns import TECHNICAL
from components.market.predictions import Predictions

Floats = npt.NDArray[np.float64]
Ends = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scaler:
    """z = (x - mean) / std, each of shape (feature,)."""

    mean: Floats
    std: Floats
    columns: tuple[str, ...]

    @classmethod
    def of(cls, examples: Examples) -> Self:
        """Return the scaler of the training rows.

        Raises:
            DataError: If the features are not the 14 of this family, in its order.
        """
        if examples.columns != TECHNICAL:
            raise DataError(
                f"the features are {', '.join(examples.columns)}",
                file="examples",
                remedy=f"This family reads {', '.join(TECHNICAL)}, in that order",
            )
        return cls(examples.mean, examples.std, examples.columns)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the scaler in a bundle's ``scaler.json``."""
        values = read_json(path)
        return cls(np.array(values["mean"]), np.array(values["std"]), tuple(values["feature_columns"]))

    def document(self) -> dict[str, Any]:
        """Return what ``scaler.json`` holds."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist(), "feature_columns": list(self.columns)}

    def __call__(self, panel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the z-scored panel; cells without a row, which no window touches, become 0."""
        scaled = np.empty_like(panel)
        for rows, values in zip(scaled, panel, strict=True):  # a symbol at a time stays in the cache
            rows[:] = (values - self.mean) / self.std
            np.nan_to_num(rows, copy=False, nan=0.0)
        return scaled


@dataclass(frozen=True)
class Zone:
    """The samples of one zone, by time and then by symbol."""

    slabs: Slabs
    """Where they lie on the panel; one window each in the exact form."""
    labels: Tensor
    """(sample, 1), 0 or 1."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """One z-scored panel on the device, and the samples that index it."""

    windows: Windows
    train: Zone
    validation: Zone
    calibration: Zone
    """The validation zone again, where the recipe has no calibration zone."""


def _rows(examples: Examples, config: PriceActionConfig) -> int:
    """Return how many windows a slab has: no more than the panel is long enough for."""
    return max(1, min(config.train.slab_rows, len(examples.zone) - config.data.window + 1))


def place_windows(examples: Examples, scaler: Scaler, config: PriceActionConfig, device: torch.device) -> Windows:
    """Return the slabs' rows of the z-scored panel, on ``device``: with one row per slab, the windows."""
    panel = to_device(scaler(examples.panel.values), device, pin_memory=config.train.pin_memory)
    return Windows(panel, config.data.window + _rows(examples, config) - 1)


def tile(examples: Examples, ends: Ends, config: PriceActionConfig, device: torch.device) -> Slabs:
    """Return the slabs of the windows at ``ends`` (sample, 2), for ``place_windows`` to gather."""
    return Slabs.of(ends, rows=_rows(examples, config), num_times=len(examples.zone), device=device)


def beside_outcomes(examples: Examples, ends: Ends, probability: Floats, *, threshold: float) -> Predictions:
    """Return what was said of the windows at ``ends`` (sample, 2), with what came."""
    symbol, end = ends[:, 0], ends[:, 1]
    return Predictions(
        symbols=examples.symbols,
        symbol=symbol,
        timestamp=examples.panel.timestamps[end],
        probability=probability,
        label=examples.label[symbol, end],
        forward_return=examples.forward_return[symbol, end],
        threshold=threshold,
    )


def load(examples: Examples, scaler: Scaler, config: PriceActionConfig, device: torch.device) -> Dataset:
    """Return what training reads.

    Raises:
        DataError: If a zone that training needs has no window.
    """

    def zone(name: str) -> Zone:
        ends = examples.windows(name, config.data.window, config.data.horizon)
        labels = examples.label[ends[:, 0], ends[:, 1], None].astype(np.float32)
        return Zone(tile(examples, ends, config, device), to_device(labels, device))

    train, validation, calibration = zone("train"), zone("validation"), zone("calibration")
    for name, samples in (("train", train), ("validation", validation)):
        if not len(samples):
            raise DataError(
                f"zone {name!r} has no window of {config.data.window} bars and the bar after it",
                file="examples",
                remedy=f"Give data.zones.{name} a larger share, use more history, or lower data.window",
            )
    windows = place_windows(examples, scaler, config, device)
    return Dataset(windows, train, validation, calibration if len(calibration) else validation)
