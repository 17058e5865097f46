"""The test zone as the judge sees it: rows grouped by decision time, checked before anything is computed."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.market.predictions import Predictions
from components.trading.statistics import Array

Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Zone:
    """Predictions, with the place of each row among the distinct decision times."""

    predictions: Predictions

    @cached_property
    def times(self) -> npt.NDArray[np.datetime64]:
        """Distinct decision times, ascending."""
        return np.unique(self.predictions.timestamp)

    @cached_property
    def time(self) -> Index:
        """Of each row, its place in ``times``."""
        return np.searchsorted(self.times, self.predictions.timestamp)

    @cached_property
    def signal(self) -> npt.NDArray[np.bool_]:
        """Of each row, whether the model says to go long."""
        return self.predictions.probability >= self.predictions.threshold

    @property
    def num_rows(self) -> int:
        """Rows: one per symbol and decision time."""
        return self.predictions.symbol.size

    @property
    def num_times(self) -> int:
        """Distinct decision times."""
        return self.times.size

    @property
    def num_signals(self) -> int:
        """Rows on which the model says to go long."""
        return int(np.count_nonzero(self.signal))

    def per_time(self, rows: npt.ArrayLike) -> Array:
        """Return the sums over the rows of each decision time."""
        return np.bincount(self.time, np.asarray(rows, dtype=np.float64), self.num_times).astype(np.float64)

    def defect(self) -> str:
        """Return what makes the predictions unusable, in words; empty if nothing does."""
        table = self.predictions
        inside = (table.probability >= 0) & (table.probability <= 1)  # a NaN is not inside
        labelled = (table.label == 0) | (table.label == 1)
        impossible = np.isinf(table.forward_return) | (table.forward_return <= -1)
        found = [
            (np.count_nonzero(~inside), "probabilities are not numbers in [0, 1]"),
            (np.count_nonzero(~labelled), "labels are neither 0 nor 1"),
            (np.count_nonzero(impossible), "forward returns are infinite or lose more than everything"),
            (int(not math.isfinite(table.threshold)), "threshold is not a finite number"),
        ]
        return "; ".join(f"{count} {words}" for count, words in found if count)

    def rows(self, places: Index) -> "Zone":
        """Return the zone of these rows only, in their order."""
        table = self.predictions
        return Zone(
            Predictions(
                symbols=table.symbols,
                symbol=table.symbol[places],
                timestamp=table.timestamp[places],
                probability=table.probability[places],
                label=table.label[places],
                forward_return=table.forward_return[places],
                threshold=table.threshold,
            )
        )

    def in_common(self, other: "Zone") -> tuple["Zone", "Zone"]:
        """Return both zones cut to the symbols and times that both hold, row by row the same."""
        keys, others = self._keys(), other._keys()
        shared = sorted(keys.keys() & others.keys())
        mine, theirs = ([table[key] for key in shared] for table in (keys, others))
        return self.rows(np.array(mine, dtype=np.intp)), other.rows(np.array(theirs, dtype=np.intp))

    def _keys(self) -> dict[tuple[int, str], int]:
        table = self.predictions
        stamps = table.timestamp.astype("datetime64[us]").astype(np.int64)
        pairs = zip(stamps, table.symbol, strict=True)
        return {(int(stamp), table.symbols[int(code)]): place for place, (stamp, code) in enumerate(pairs)}
