"""The horizons of a portfolio in a zone, and of many portfolios as one table."""

# pyright: reportUnknownMemberType=false
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.errors import DataError
from components.families.pairs import FEATURES
from components.families.pairs.config import PairsConfig
from components.learning.examples import Examples

Starts = npt.NDArray[np.int64]


def starts_of(examples: Examples, symbols: Sequence[str], zone: str, config: PairsConfig) -> Starts:
    """Return the bars [period, bar of the horizon] of ``zone`` in the order of time; what fills no horizon is left out.

    Raises:
        DataError: If a symbol has no examples, there is no whole horizon, or a bar is missing between two others.
    """
    if missing := [name for name in symbols if name not in examples.symbols]:
        raise DataError(
            f"no example of {missing[0]}", file="examples", column="symbol",
            remedy=f"There is {', '.join(examples.symbols[:8])}",
        )  # fmt: skip
    rows = [examples.symbols.index(name) for name in symbols]
    known, horizon = np.zeros(examples.forward_return.shape, dtype=np.bool_), config.objective.horizon_bars
    ends = examples.windows(zone, config.data.window, config.data.horizon)
    known[ends[:, 0], ends[:, 1]] = True
    times = np.flatnonzero((known & np.isfinite(examples.forward_return))[rows].all(axis=0))
    if times.size < horizon:
        raise DataError(
            f"zone {zone!r} has no {horizon} bars that all of {', '.join(symbols)} have",
            file="examples", remedy="Use more history, or a lower objective.horizon_bars",
        )  # fmt: skip
    if np.any(np.diff(times) > 1):
        gap = examples.panel.timestamps[times[np.argmax(np.diff(times) > 1)] + 1]
        raise DataError(
            f"one of {', '.join(symbols)} has no bar of {str(gap)[:10]}",
            file="examples", remedy="Choose symbols that trade on the same days",
        )  # fmt: skip
    return times[: times.size - times.size % horizon].reshape(-1, horizon)


@dataclass(frozen=True)
class PairStockDataset:
    """The horizons of one zone, for the symbols of a portfolio."""

    features: Tensor
    """(period, asset, feature): ``FEATURES`` of the last bar before each start, z-scored by the training rows."""
    growth: Tensor
    """(period, asset): value at the end of a horizon by that at its start, next open to next open."""

    @classmethod
    def of(cls, examples: Examples, symbols: Sequence[str], zone: str, config: PairsConfig) -> Self:
        """Return the horizons of ``zone`` in the order of time.

        Raises:
            DataError: As in ``starts_of``.
        """
        starts = starts_of(examples, symbols, zone, config)
        rows, places = ([names.index(name) for name in wanted] for names, wanted in (
            (examples.symbols, symbols), (examples.columns, FEATURES),
        ))  # fmt: skip
        raw = examples.panel.values[rows][:, starts[:, 0]][..., places].astype(np.float64)
        scaled = (raw - examples.mean[places]) / examples.std[places]
        growth = np.prod(1 + examples.forward_return[rows][:, starts], axis=-1)
        return cls(torch.from_numpy(scaled.swapaxes(0, 1)).float(), torch.from_numpy(growth.T).float())


@dataclass(frozen=True)
class Histories:
    """Zones of many portfolios, one after another; what one lacks to the longest and widest is filled."""

    features: Tensor
    """(zone, period, asset, feature)"""
    growth: Tensor
    """(zone, period, asset); 1 where it is filled."""
    held: Tensor
    """(zone, asset): whether it is one of the portfolio's."""
    known: Tensor
    """(zone, period): whether there was such a period."""

    @classmethod
    def of(cls, zones: Sequence[PairStockDataset], device: torch.device) -> Self:
        """Return the table of ``zones`` on ``device``."""
        periods, assets = (max(zone.growth.shape[axis] for zone in zones) for axis in (0, 1))
        features = torch.zeros(len(zones), periods, assets, len(FEATURES))
        growth = torch.ones(len(zones), periods, assets)
        held, known = (
            torch.zeros(len(zones), assets, dtype=torch.bool),
            torch.zeros(len(zones), periods, dtype=torch.bool),
        )
        for place, zone in enumerate(zones):
            num_periods, num_assets = zone.growth.shape
            features[place, :num_periods, :num_assets] = zone.features
            growth[place, :num_periods, :num_assets] = zone.growth
            held[place, :num_assets], known[place, :num_periods] = True, True
        return cls(*(part.to(device) for part in (features, growth, held, known)))

    def at(self, places: Tensor) -> "Histories":
        """Return the zones at ``places`` (portfolio,)."""
        return Histories(*(part[places] for part in (self.features, self.growth, self.held, self.known)))
