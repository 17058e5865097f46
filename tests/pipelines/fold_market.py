"""Examples of the hybrid family that are enough to be cut into folds; nothing is learned from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import sha256_of, write_json
from components.families.hybrid import INPUTS
from components.market.examples_manifest import examples_digest
from components.market.splits import chronological

ZONES = {"train": 0.5, "validation": 0.15, "calibration": 0.1, "test": 0.25}


def examples_of(folder: Path, *, num_symbols: int = 2, num_times: int = 240) -> Path:
    """Write an examples folder of random features and random actions."""
    rng = np.random.default_rng(0)
    zone = np.empty(num_times, dtype=object)
    for name, span in chronological(num_times, ZONES).items():
        zone[span] = name
    times = np.datetime64("2020-01-01", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    num = num_symbols * num_times
    table = pa.table({
        "symbol": np.repeat([f"S{number}" for number in range(num_symbols)], num_times),
        "timestamp": pa.array(np.tile(times, num_symbols), type=pa.timestamp("us", "UTC")),
        **{name: rng.uniform(1, 2, num) for name in INPUTS},
        "label": rng.integers(0, 3, num).astype(float), "now": rng.integers(0, 3, num).astype(float),
        "zone": pa.array(np.tile(zone, num_symbols)),
    })  # fmt: skip
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "examples.parquet")
    manifest: dict[str, Any] = {
        "columns": list(INPUTS), "labeller": "action_v1", "classes": ["buy", "hold", "sell"], "horizon": 1,
        "files": {"examples.parquet": sha256_of(folder / "examples.parquet")},
    }  # fmt: skip
    write_json(folder / "manifest.json", manifest | {"digest": examples_digest(manifest)})
    return folder
