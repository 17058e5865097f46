"""A small market for the profit family: one slow column says how the next bar moves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import sha256_of, write_json
from components.families.profit import COLUMNS
from components.families.profit.config import ProfitConfig
from components.market.examples_manifest import examples_digest
from components.market.splits import chronological

ZONES = {"train": 0.5, "validation": 0.25, "test": 0.25}
TINY: dict[str, Any] = {
    "data": {"window": 6, "zones": ZONES},
    "model": {"hidden": 8, "layers": 1, "heads": 2, "dropout": 0.1},
    "train": {
        "batch": 32, "path_bars": 8, "max_steps": 20, "evaluate_every_steps": 5, "lr": 0.003,
        "schedule": {"type": "constant", "warmup": 2, "unit": "step"}, "checkpoint_every_batches": 3,
        "precision": {"format": "float32"}, "device": "cpu",
    },
}  # fmt: skip
"""A network of 1,500 parameters that still has every part of the published one."""


def config(*, seed: int = 0, **groups: Any) -> ProfitConfig:
    """Return the tiny recipe; keywords replace settings of a group."""
    values: dict[str, Any] = {
        name: TINY.get(name, {}) | groups[name] if name in groups else TINY[name] for name in TINY | groups
    }
    return ProfitConfig.parse(values | {"seed": seed}, name="test")


def columns(num_symbols: int, num_times: int, seed: int) -> dict[str, npt.NDArray[np.float64]]:
    """Return the features, label and forward return by name, each [symbol, time]."""
    rng = np.random.default_rng(seed)
    shape = (num_symbols, num_times)
    found = {name: 0.1 * rng.standard_normal(shape) for name in COLUMNS}
    known = np.zeros(shape)
    for time in range(1, num_times):
        known[:, time] = 0.9 * known[:, time - 1] + np.sqrt(1 - 0.9**2) * rng.standard_normal(num_symbols)
    move = 0.01 * (0.8 * known + 0.6 * rng.standard_normal(shape))  # of the bar after
    close = 100 * np.cumprod(1 + np.hstack([np.zeros((num_symbols, 1)), move[:, :-1]]), axis=1)
    close *= np.array([0.2, 1.0, 37.0, 5.0, 900.0, 12.0])[:num_symbols, None]
    for name, away in (("open", 0.999), ("high", 1.004), ("low", 0.995), ("close", 1.0)):
        found[name] = away * close
    found |= {"volume": 1e6 * np.exp(0.3 * rng.standard_normal(shape)), "rsi_14": 50 + 15 * known}
    label, forward = (move > 0).astype(np.float64), move + 0.001 * rng.standard_normal(shape)
    label[:, -1] = forward[:, -2:] = np.nan
    return found | {"label": label, "forward_return": forward}


def write(
    folder: Path,
    *,
    num_symbols: int = 5,
    num_times: int = 160,
    seed: int = 3,
    forecast_source: str = "statistical",
    inputs: Sequence[str] = COLUMNS,
) -> Path:
    """Write an examples folder the way the assemble step does; ``inputs`` are the features of a family."""
    zone = np.empty(num_times, dtype=object)
    for name, rows in chronological(num_times, ZONES).items():
        zone[rows] = name
    times = np.datetime64("2020-01-01", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    values = columns(num_symbols, num_times, seed)
    table = pa.table(
        {
            "symbol": np.repeat([f"S{number}" for number in range(num_symbols)], num_times),
            "timestamp": pa.array(np.tile(times, num_symbols), type=pa.timestamp("us", "UTC")),
            **{name: values[name].ravel() for name in (*inputs, "label", "forward_return")},
            "zone": pa.array(np.tile(zone, num_symbols)),
        }
    )
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "examples.parquet")
    zones = {name: {"first": f"{times[zone == name][0]}+00:00", "rows": 1} for name in ZONES}
    manifest: dict[str, Any] = {
        "columns": list(inputs), "symbols": [f"S{number}" for number in range(num_symbols)], "dataset": "made-up",
        "source": "test", "bars_per_year": 252.0, "zones": zones, "horizon": 1,
        "forecast_source": forecast_source,
        "files": {"examples.parquet": sha256_of(folder / "examples.parquet")},
    }  # fmt: skip
    write_json(folder / "manifest.json", manifest | {"digest": examples_digest(manifest)})
    return folder
