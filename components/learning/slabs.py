"""Samples tiled into slabs of consecutive bars, so that a causal network computes each bar once for many of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.learning.batches import to_device

NONE = -1
"""Number of the sample of a bar that ends none."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Slabs:
    """Slabs of one symbol and so many consecutive bars, by time and then by symbol.

    With one bar per slab, slab n is sample n.
    """

    ends: Tensor
    """(slab, 2): symbol and index of the slab's last bar."""
    samples: Tensor
    """(slab, row): number of the sample whose window ends at this bar, ``NONE`` where there is none to count."""

    @classmethod
    def of(cls, ends: npt.NDArray[np.int64], *, rows: int, num_times: int, device: torch.device) -> Self:
        """Return slabs of ``rows`` bars that hold each of the samples ``ends`` (sample, 2) once.

        Tiles start at the first sample's bar and are the same for all symbols. The last one is moved back to where
        the panel of ``num_times`` ends; bars that the tile before it holds are not counted again.

        Raises:
            ValueError: If a slab is longer than the panel.
        """
        if not 1 <= rows <= num_times:
            raise ValueError(f"want 1 to {num_times} rows in a slab, was {rows}")
        symbol, end = ends[:, 0], ends[:, 1]
        origin = end.min(initial=num_times)
        tile = (end - origin) // rows
        num_symbols = symbol.max(initial=0) + 1
        keys, slab = np.unique(tile * num_symbols + symbol, return_inverse=True)
        first = np.minimum(origin + keys // num_symbols * rows, num_times - rows)
        samples = np.full((len(keys), rows), NONE, dtype=np.int64)
        samples[slab, end - first[slab]] = np.arange(len(ends))
        last = np.stack([keys % num_symbols, first + rows - 1], axis=1)
        return cls(to_device(last, device), to_device(samples, device))

    @classmethod
    def spaced(
        cls, ends: npt.NDArray[np.int64], *, rows: int, stride: int, num_times: int, device: torch.device
    ) -> Self:
        """Return slabs like ``of`` whose ``rows`` bars lie ``stride`` apart: less alike, so each teaches more.

        Raises:
            ValueError: If a slab is longer than the panel, or a sample ends among its last ``stride - 1`` bars.
        """
        first = ends[:, 1].min(initial=num_times)
        place, phase = np.divmod(ends[:, 1] - first, stride)
        num_places = (num_times - first) // stride
        if place.max(initial=-1) >= num_places:
            raise ValueError(f"with a stride of {stride} no sample may end among the last {stride - 1} bars")
        apart = np.stack([ends[:, 0] * stride + phase, place], axis=1)
        tiled = cls.of(apart, rows=rows, num_times=int(num_places), device=device)
        code, last = tiled.ends.unbind(1)
        return cls(torch.stack([code // stride, last * stride + code % stride + int(first)], dim=1), tiled.samples)

    def __len__(self) -> int:
        return len(self.ends)

    def take(self, numbers: Tensor) -> Self:
        """Return the slabs with these numbers (slab,)."""
        return type(self)(self.ends.index_select(0, numbers), self.samples.index_select(0, numbers))

    def split(self, windows: int) -> Iterator[Self]:
        """Yield all slabs, in order, in groups of at most ``windows`` bars, of one slab at least."""
        group = max(1, windows // self.samples.shape[1])
        for first in range(0, len(self), group):
            yield type(self)(self.ends[first : first + group], self.samples[first : first + group])

    def num_samples(self, numbers: Tensor) -> int:
        """Return how many samples lie in the slabs with these numbers."""
        return int((self.samples.index_select(0, numbers) != NONE).sum())

    @property
    def counted(self) -> Tensor:
        """(slab, row): whether a sample ends at this bar."""
        return self.samples != NONE

    def by_sample(self, values: Floats) -> Floats:
        """Return ``values``, one per counted bar in the order of slabs and bars, in the order of the samples."""
        ordered = np.empty_like(values)
        ordered[self.samples[self.counted].cpu().numpy()] = values
        return ordered
