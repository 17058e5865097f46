"""Paths: the same few symbols over consecutive decision times, so that what is traded between them is known."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.errors import DataError
from components.families.profit.config import ProfitConfig
from components.learning.batches import Windows, to_device
from components.learning.examples import Examples
from components.learning.prices import close_returns
from components.learning.zones import raw_windows

Floats = npt.NDArray[np.float64]
Ends = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Outcomes:
    """What came of each decision, [symbol, time], on the device; 0 where ``known`` is 0."""

    traded: Tensor
    """Next open to the open after it, a fraction."""
    close: Tensor
    """This close to the next, a fraction."""
    known: Tensor
    """1 where the decision is a sample and both returns are known."""


@dataclass(frozen=True)
class Paths:
    """Groups of symbols over stretches of decision times; neighbouring stretches share one of these."""

    symbol: Tensor
    """(path, asset)."""
    first: Tensor
    """(path,): index of the first decision time."""
    num_times: int

    @classmethod
    def of(cls, ends: Ends, *, num_times: int, num_assets: int, seed: int, device: torch.device) -> Self:
        """Return paths over the samples ``ends`` (sample, 2).

        Stretches are tiles of the zone; in each, the symbols that have a sample are grouped at random, and those that
        are left over are left out. So every symbol is left out of as many stretches, by and by.
        """
        symbol, end = ends[:, 0], ends[:, 1]
        rng, groups, firsts = np.random.default_rng(seed), list[Ends](), list[int]()
        for first in range(int(end.min()), max(int(end.max()) - num_times + 2, int(end.min()) + 1), num_times - 1):
            inside = (end >= first) & (end < first + num_times)
            there = rng.permutation(np.unique(symbol[inside]))
            for start in range(0, len(there) - num_assets + 1, num_assets):
                groups.append(there[start : start + num_assets])
                firsts.append(first)
        stacked = np.stack(groups) if groups else np.empty((0, num_assets), dtype=np.int64)
        return cls(to_device(stacked, device), to_device(np.array(firsts, dtype=np.int64), device), num_times)

    def __len__(self) -> int:
        return len(self.first)

    def cells(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return symbol and time index, each (path, time, asset), of the paths with these numbers."""
        symbol = self.symbol.index_select(0, numbers)[:, None, :]
        steps = torch.arange(self.num_times, device=self.first.device)
        time = self.first.index_select(0, numbers)[:, None, None] + steps[:, None]
        shape = (len(numbers), self.num_times, symbol.shape[-1])
        return symbol.expand(shape), time.expand(shape)


@dataclass(frozen=True)
class Dataset:
    """What training reads."""

    windows: Windows
    outcomes: Outcomes
    paths: Paths
    paths_per_step: int
    train: Ends
    """(sample, 2): symbol and index of the window's last bar."""
    validation: Ends
    scale: float
    """Standard deviation of the returns of the training zone, a fraction."""


def load(examples: Examples, config: ProfitConfig, device: torch.device) -> Dataset:
    """Return what training reads.

    Raises:
        DataError: If a zone that training needs has too few windows, or nothing ever moves.
    """
    data, train = config.data, config.train
    zones = {name: examples.windows(name, data.window, data.horizon) for name in ("train", "validation")}
    for name, ends in zones.items():
        if np.unique(ends[:, 1]).size <= 1:
            raise DataError(
                f"zone {name!r} has no two decision times with a window of {data.window} bars and the bar after it",
                file="examples",
                remedy=f"Give data.zones.{name} a larger share, use more history, or lower data.window",
            )
    ends = zones["train"]
    num_times = min(train.path_bars, train.batch, int(np.ptp(ends[:, 1])) + 1)
    num_assets = min(train.batch // num_times, np.unique(ends[:, 0]).size)
    paths = Paths.of(ends, num_times=num_times, num_assets=num_assets, seed=config.seed, device=device)
    close, known = close_returns(examples), np.zeros(examples.panel.present.shape, dtype=np.bool_)
    for part in zones.values():
        known[part[:, 0], part[:, 1]] = True
    known &= np.isfinite(close) & np.isfinite(examples.forward_return)
    scale = float(examples.forward_return[ends[:, 0], ends[:, 1]][known[ends[:, 0], ends[:, 1]]].std())
    if not (scale > 0 and len(paths)):
        raise DataError("no return of the training zone moves", file="examples", remedy="Give bars whose prices move")
    outcomes = Outcomes(
        *(
            to_device(np.where(known, values, 0.0).astype(np.float32), device)
            for values in (examples.forward_return, close, known)
        )
    )
    windows = raw_windows(examples, data.window, device, pin_memory=train.pin_memory)
    per_step = max(1, train.batch // (num_times * num_assets))
    return Dataset(windows, outcomes, paths, per_step, zones["train"], zones["validation"], scale)
