"""A made-up market whose volume says which way the next bar goes, as examples of the hybrid family."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import sha256_of, write_json
from components.families.hybrid import INPUTS
from components.families.hybrid.config import HybridConfig
from components.market.actions import ACTION_LABELLER, actions
from components.market.columns import ACTIONS
from components.market.examples_manifest import examples_digest
from components.market.labels import next_open_return
from components.market.splits import chronological

ZONES = {"train": 0.5, "validation": 0.2, "calibration": 0.1, "test": 0.2}
TINY: dict[str, Any] = {
    "data": {"window": 8, "zones": ZONES},
    "model": {
        "cnn": {"hidden_dim": 16, "num_heads": 2},
        "lstm": {"hidden_dim": 8},
        "fusion": {"num_heads": 2, "output_dim": 16},
    },
    "train": {
        "batch": 32, "epochs": 3, "lr": 0.003, "threads": 1, "device": "cpu", "workers": 0,
        "checkpoint_every_batches": 3, "max_windows_per_epoch": 160,
    },
}  # fmt: skip
"""A network that has every part of the published one."""


def tiny(*, seed: int = 0, **groups: dict[str, Any]) -> HybridConfig:
    """Return the tiny recipe; keywords replace settings of a group, such as ``train={"lr": 0.1}``."""
    values = {name: TINY.get(name, {}) | groups.get(name, {}) for name in TINY.keys() | groups.keys()}
    return HybridConfig.parse(values | {"seed": seed}, name="test")


def raw_rows(num_symbols: int, num_times: int, *, seed: int, strength: float = 1.0) -> np.ndarray:
    """Return features [symbol, time, column] in their own units; the volume at t moves the close of t + 1."""
    rng = np.random.default_rng(seed)
    signal, shock = rng.standard_normal((2, num_symbols, num_times))
    moves = 0.01 * shock
    moves[:, 1:] += 0.01 * strength * signal[:, :-1]
    close = 50 * np.exp(np.cumsum(moves, axis=1))
    rows = rng.standard_normal((num_symbols, num_times, len(INPUTS)))
    for name in ("open", "high", "low", "close", "bb_middle", "bb_upper", "bb_lower"):
        rows[..., INPUTS.index(name)] = close * (1 + 0.002 * rng.standard_normal(close.shape) * (name != "close"))
    rows[..., INPUTS.index("volume")] = 1e6 * np.exp(signal)
    return rows


def write(folder: Path, rows: np.ndarray) -> Path:
    """Write the examples folder of ``rows``, labelled one bar ahead, the way the assemble step does."""
    num_symbols, num_times, _ = rows.shape
    close, opening = rows[..., INPUTS.index("close")], rows[..., INPUTS.index("open")]
    label, now, move = actions(close, 1)
    zone = np.empty(num_times, dtype=object)
    times = np.datetime64("2020-01-01", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    zones: dict[str, dict[str, str]] = {}
    for name, span in chronological(num_times, ZONES).items():
        zone[span] = name
        zones[name] = {"first": f"{times[span][0]}+00:00", "last": f"{times[span][-1]}+00:00"}
    labels = {"label": label, "now": now, "move": move, "forward_return": next_open_return(opening)}
    table = pa.table({
        "symbol": np.repeat([f"S{number:03d}" for number in range(num_symbols)], num_times),
        "timestamp": pa.array(np.tile(times, num_symbols), type=pa.timestamp("us", "UTC")),
        **{name: rows[..., place].ravel() for place, name in enumerate(INPUTS)},
        **{name: values.ravel() for name, values in labels.items()},
        "zone": pa.array(np.tile(zone, num_symbols)),
    })  # fmt: skip
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "examples.parquet")
    manifest: dict[str, Any] = {
        "columns": list(INPUTS), "dataset": "made-up", "source": "test", "bars_per_year": 365.25, "horizon": 1,
        "labeller": ACTION_LABELLER, "classes": list(ACTIONS), "zones": zones,
        "files": {"examples.parquet": sha256_of(folder / "examples.parquet")},
    }  # fmt: skip
    write_json(folder / "manifest.json", manifest | {"digest": examples_digest(manifest)})
    return folder
