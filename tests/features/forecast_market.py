"""A snapshot of a few bars, and a forecaster that anybody can compute by hand."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.market.readers import read_bars
from components.market.snapshot import write_snapshot

ASOF = datetime(2030, 1, 1, tzinfo=UTC)
SOURCE = "synthetic://planted?symbols=2&days=90"


def write_bars(folder: Path, source: str = SOURCE) -> dict[str, Any]:
    """Write a snapshot of a synthetic market; return its manifest."""
    folder.mkdir(parents=True)
    return write_snapshot(folder, read_bars(source, asof=ASOF), source=source, dataset="toy", asof=ASOF)


def run_in(root: Path) -> RunContext:
    """Return the context of a forecast step."""
    return RunContext("forecast", "k", Workspace.at(str(root)), clock=lambda: ASOF)


@dataclass
class Momentum:
    """Mean: step times the last bar's return. Deviation: step times the first close of the window."""

    source: str = "momentum@1"
    identity: str = "momentum"
    horizon: int = 7
    num_samples: int = 2
    asked: int = 0

    def moments(self, window: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        self.asked += 1
        steps = np.arange(1.0, self.horizon + 1)
        return np.concatenate([steps * (window[-1] / window[-2] - 1), steps * window[0]])
