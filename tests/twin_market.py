"""A small market as twins read it: examples of a few stocks, and a foundation that was hardly trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from components.core import bundle as bundles
from components.core.bundle import Bundle, seal
from components.core.files import sha256_of, write_json
from components.core.run_context import RunContext, Stop
from components.core.workspace import Workspace
from components.families.twin.config import TwinConfig
from components.features.synthetic import create_synthetic_dataset
from components.learning.bundles import origin, write_files
from components.learning.examples import read_examples
from components.learning.foundation import FoundationNetwork, scale_free
from components.learning.tft.config import TftConfig
from components.market.columns import FOUNDATION, OPTIONS
from components.market.examples_manifest import examples_digest
from components.market.moves import MOVE_LABELLER
from components.market.splits import chronological

WINDOW, HORIZON = 12, 3
NORMAL = (-2.0537, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 2.0537)
"""Quantiles of a standard normal move at ``QUANTILE_LEVELS``."""
TICKERS = ("AAA", "BBB", "CCC", "DDD")
ZONES = {"train": 0.6, "validation": 0.15, "test": 0.15, "holdout": 0.1}
SIZES = TftConfig(hidden=8, continuous=4, heads=2, dropout=0.0)


def recipe(**groups: Any) -> TwinConfig:
    """Return a small recipe; keywords replace settings of a group, such as ``train={"lr": 0.1}``."""
    values: dict[str, dict[str, Any]] = {
        "data": {"window": WINDOW, "horizon": HORIZON, "zones": ZONES, "lookback_days": 100, "max_days": None},
        "model": {"adapter": 4, "correction": 8},
        "train": {"batch": 32, "epochs": 6, "lr": 0.005, "device": "cpu", "stopping": {"patience": 3}},
    }
    for name, group in groups.items():
        values[name] = values.get(name, {}) | group if isinstance(group, dict) else group
    return TwinConfig.parse(values, name="test")


def market_frame(tickers: tuple[str, ...], *, start: str = "2021-01-01", seed: int = 7) -> pd.DataFrame:
    """Return symbol, timestamp, ``FOUNDATION`` and a label, after the warm-up, of a planted market."""
    features = create_synthetic_dataset(tickers, start, "2024-12-31", seed=seed).features
    frame = features[["symbol", "timestamp", *FOUNDATION]]
    frame = frame[np.isfinite(frame[list(FOUNDATION)]).all(axis=1)]
    later = frame.groupby("symbol")["return_1d"].shift(-HORIZON)
    return frame.assign(label=later, now=0.01)


def with_options(frame: pd.DataFrame, *, seed: int = 3) -> pd.DataFrame:
    """Return the rows with made-up option features, one in ten of which is unknown."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((len(frame), len(OPTIONS)))
    values[:, OPTIONS.index("max_pain_distance")] *= 0.02
    values[rng.random(values.shape) < 0.1] = np.nan
    return pd.concat([frame, pd.DataFrame(values, columns=list(OPTIONS), index=frame.index)], axis=1)


def write_examples(folder: Path, frame: pd.DataFrame, **facts: object) -> Path:
    """Write the rows as the assemble step does, the holdout apart."""
    times, place = np.unique(frame["timestamp"], return_inverse=True)
    zone = np.empty(len(times), dtype=object)
    for name, rows in chronological(len(times), ZONES).items():
        zone[rows] = name
    frame = frame.assign(zone=zone[place])
    columns = [*FOUNDATION, *(OPTIONS if OPTIONS[0] in frame else ())]
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for name, part in (("examples", frame[frame["zone"] != "holdout"]), ("holdout", frame[frame["zone"] == "holdout"])):
        pq.write_table(pa.Table.from_pandas(part, preserve_index=False), folder / f"{name}.parquet")
        files[f"{name}.parquet"] = sha256_of(folder / f"{name}.parquet")
    manifest: dict[str, Any] = {
        "columns": columns, "optional": columns[len(FOUNDATION) :], "dataset": "made-up", "source": "test",
        "bars_per_year": 252.0, "labeller": MOVE_LABELLER, "label_unit": "log return", "window": WINDOW,
        "horizon": HORIZON, "files": files, **facts,
    }  # fmt: skip
    write_json(folder / "manifest.json", manifest | {"digest": examples_digest(manifest)})
    return folder


def write_foundation(out: Path, examples: Path, *, seed: int = 0, data: Mapping[str, Any] | None = None) -> Bundle:
    """Return a sealed foundation with weights at random, its scaling that of the examples."""
    read = read_examples(examples)
    torch.manual_seed(seed)
    model = FoundationNetwork(SIZES, window=WINDOW, horizon=HORIZON).eval()
    with torch.no_grad():
        model.transformer.head.weight.normal_(std=0.05)
    rows = read.panel.values[read.panel.present][:, : len(FOUNDATION)]  # noqa: PD011 - a panel is no frame
    inputs = scale_free(torch.from_numpy(rows)).double().numpy()
    base = np.tile(np.array(NORMAL), (HORIZON, 1))
    model.prepare(inputs.mean(axis=0), inputs.std(axis=0), base)
    out.mkdir(parents=True)
    write_files(out, model, read, history={}, facts={})
    settings = {
        "model": SIZES.model_dump(mode="json"),
        "data": {"window": WINDOW, "horizon": HORIZON},
    }
    schema = {"columns": list(FOUNDATION)}
    seal(
        out,
        family="foundation",
        config=settings,
        schema=schema,
        data=origin(read) if data is None else data,
        notes={},
    )
    return bundles.load(out)


@dataclass(frozen=True)
class Market:
    """Examples and a foundation below one root."""

    root: Path
    examples: Path
    foundation: Bundle

    def run(self, key: str, stop: Stop | None = None) -> RunContext:
        """Return the context of the train step of one run."""
        workspace = Workspace.at(str(self.root / "workspace"))
        return RunContext("train", key, workspace, stop=Stop() if stop is None else stop)
