"""Windows gathered from one panel by index, the order in which an epoch visits them, batches of many networks."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class Windows:
    """All windows of a panel, overlapping in memory: nothing is copied before it is asked for."""

    def __init__(self, panel: Tensor, window: int) -> None:
        self.num_times, self.num_features, self.window = panel.shape[1], panel.shape[2], window
        rows = panel.contiguous().view(-1, self.num_features)
        num_starts = max(0, len(rows) - window + 1)
        self._view = rows.as_strided((num_starts, window * self.num_features), (self.num_features, 1))

    def gather(self, ends: Tensor) -> Tensor:
        """Return (batch, window, feature) for (symbol, index of the last bar) pairs (batch, 2)."""
        symbol, end = ends.unbind(1)
        starts = torch.add(end, symbol, alpha=self.num_times).sub_(self.window - 1)
        return self._view.index_select(0, starts).view(-1, self.window, self.num_features)


class StackedBatches:
    """The samples of several networks in batches; what one lacks to the longest is filled and weighs nothing."""

    def __init__(self, orders: Sequence[npt.NDArray[np.int64]], batch: int, device: torch.device) -> None:
        self.steps_of = np.array([-(-len(order) // batch) for order in orders])
        self.num_steps = int(self.steps_of.max())
        rows = np.empty((len(orders), self.num_steps * batch), dtype=np.int64)
        weight = np.zeros(rows.shape, dtype=np.float32)
        for place, order in enumerate(orders):
            size = len(order)
            rows[place, :size], rows[place, size:] = order, order[0]
            weight[place, :size] = 1 / batch
            if size % batch:
                weight[place, size - size % batch : size] = 1 / (size % batch)
        shape = (len(orders), self.num_steps, batch)
        self._rows, self._weight = (to_device(item.reshape(shape), device) for item in (rows, weight))

    def at(self, step: int, places: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return rows and weights [network, batch] of one step; the weights of a network's samples sum to 1."""
        if len(places) == len(self._rows):
            return self._rows[:, step], self._weight[:, step]
        return self._rows[places, step], self._weight[places, step]


def epoch_order(num_windows: int, *, epoch: int, most: int | None, shuffle: bool, seed: int) -> npt.NDArray[np.int64]:
    """Return the positions of the windows that ``epoch`` visits, in their order.

    With more than ``most`` windows, evenly spaced ones are taken and the offset moves on by
    epoch, so that every window has been seen after ceil(num_windows / most) epochs. The order
    depends on the arguments alone: a resumed run needs no state for it.
    """
    order = np.arange(num_windows, dtype=np.int64)
    if most is not None and most < num_windows:
        num_offsets = -(-num_windows // most)
        order = (np.arange(most, dtype=np.int64) * num_offsets + epoch % num_offsets) * num_windows
        order //= most * num_offsets
    if shuffle:
        np.random.default_rng([seed, epoch]).shuffle(order)
    return order


def to_device(values: npt.NDArray[np.generic], device: torch.device, *, pin_memory: bool = False) -> Tensor:
    """Return the array as a tensor on ``device``; for a GPU the copy may start from page-locked memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))  # pyright: ignore[reportUnknownMemberType]
    if device.type == "cpu":
        return tensor
    return (tensor.pin_memory() if pin_memory else tensor).to(device, non_blocking=pin_memory)
