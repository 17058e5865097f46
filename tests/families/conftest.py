"""Small examples folders with a known truth, and run contexts to train in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_bars import FACTS, labels_of

from components.core.bundle import Bundle
from components.core.files import sha256_of, write_json
from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.train import train
from components.market.columns import CONTEXT, FOUNDATION, REGIMES, RETURNS, TECHNICAL
from components.market.examples_manifest import examples_digest
from components.market.health import HEALTH_LABELLER, health_scores
from components.market.labels import ahead
from components.market.regimes import LABELLER, regime_labels
from components.market.splits import chronological

Floats = npt.NDArray[np.float64]

TINY = {
    "data": {"window": 8, "zones": {"train": 0.5, "validation": 0.2, "calibration": 0.1, "test": 0.2}},
    "model": {"d_model": 16, "heads": 2, "layers": 1, "feed_forward": 32},
    "train": {"batch": 16, "epochs": 4, "lr": 0.003, "threads": 1, "device": "cpu", "checkpoint_every_batches": 7},
}
"""A network of 2,600 parameters that still has every part of the published one."""


def seal_examples(folder: Path, table: pa.Table, **facts: object) -> Path:
    """Write an examples folder the way the assemble step does."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "examples.parquet")
    manifest: dict[str, Any] = {
        "columns": list(TECHNICAL),
        "dataset": "made-up",
        "source": "test",
        "bars_per_year": 365.25,
        "files": {"examples.parquet": sha256_of(folder / "examples.parquet")},
        **facts,
    }
    write_json(folder / "manifest.json", manifest | {"digest": examples_digest(manifest)})
    return folder


def examples_table(
    features: Floats,
    label: Floats,
    beside: Floats,
    zones: dict[str, float],
    *,
    names: tuple[str, ...] = TECHNICAL,
    kind: str = "forward_return",
) -> pa.Table:
    """Return the long table of a full panel [symbol, time, feature], cut in time by ``zones``."""
    num_symbols, num_times, _ = features.shape
    zone = np.empty(num_times, dtype=object)
    for name, rows in chronological(num_times, zones).items():
        zone[rows] = name
    times = np.datetime64("2020-01-01", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    columns = {name: features[..., place].ravel() for place, name in enumerate(names)}
    return pa.table(
        {
            "symbol": np.repeat([f"S{number:03d}" for number in range(num_symbols)], num_times),
            "timestamp": pa.array(np.tile(times, num_symbols), type=pa.timestamp("us", "UTC")),
            **columns,
            "label": label.ravel(),
            kind: beside.ravel(),
            "zone": pa.array(np.tile(zone, num_symbols)),
        }
    )


@pytest.fixture(scope="session")
def tiny_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six symbols, 160 days; a slow first feature says fairly well whether the next bar closes higher."""
    rng = np.random.default_rng(5)
    features = rng.standard_normal((6, 160, len(TECHNICAL)))
    for day in range(1, 160):
        features[:, day, 0] = 0.8 * features[:, day - 1, 0] + np.sqrt(1 - 0.8**2) * features[:, day, 0]
    label = (features[..., 0] + 0.4 * rng.standard_normal((6, 160)) > 0).astype(np.float64)
    label[:, -1] = np.nan
    forward = np.where(label > 0, 0.01, -0.01)
    table = examples_table(features, label, forward, TINY["data"]["zones"])
    return seal_examples(tmp_path_factory.mktemp("examples"), table)


def context_like(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return made-up rows of ``CONTEXT`` in which every regime occurs, each slow to change."""
    rows = 0.05 * slow(rng, (*shape, len(CONTEXT)))
    rows[..., CONTEXT.index("spy_vol_21d")] = 0.15 * np.exp(0.5 * slow(rng, shape))
    return rows


def returns_like(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return made-up rows of ``RETURNS``, slow to change, with volatilities above 0 and drawdowns below."""
    rows = 0.1 * slow(rng, (*shape, len(RETURNS)))
    rows[..., 4:6] = 0.25 * np.exp(0.4 * slow(rng, (*shape, 2)))
    rows[..., 6:8] = -np.abs(rows[..., 6:8])
    return rows


def slow(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return AR(1) series of unit variance along the second axis, with a memory of 0.9."""
    values = rng.standard_normal(shape)
    for step in range(1, shape[1]):
        values[:, step] = 0.9 * values[:, step - 1] + np.sqrt(1 - 0.9**2) * values[:, step]
    return values


def seal_labelled(folder: Path, family: str, features: Floats, *, horizon: int) -> Path:
    """Write the examples folder of a family whose labels are made of ``features`` [symbol, time, feature]."""
    now = regime_labels(features).astype(np.float64) if family == "regime" else health_scores(features)
    names = {"regime": CONTEXT, "health": RETURNS}[family]
    zones = TINY["data"]["zones"]
    table = examples_table(features, ahead(now, horizon), now, zones, names=names, kind="now")
    facts = {"regime": {"labeller": LABELLER, "classes": list(REGIMES)}, "health": {"labeller": HEALTH_LABELLER}}
    return seal_examples(folder, table, columns=list(names), **facts[family])


@pytest.fixture(scope="session")
def write_foundation() -> Callable[..., Path]:
    """Write the examples folder of the foundation from raw rows; keywords replace what its manifest says."""

    def write(folder: Path, rows: Floats, zones: dict[str, float], **facts: object) -> Path:
        label, now = labels_of(rows)
        table = examples_table(rows, label, now, zones, names=FOUNDATION, kind="now")
        return seal_examples(folder, table, **(FACTS | facts))

    return write


@pytest.fixture(scope="session")
def write_labelled() -> Callable[..., Path]:
    """Give ``seal_labelled`` to tests."""
    return seal_labelled


@pytest.fixture(scope="session")
def labelled_examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By family: one market over 420 sessions, and four symbols over 160 days; labels are of three bars later."""
    rng = np.random.default_rng(2)
    features = {"regime": context_like(rng, (1, 420)), "health": returns_like(rng, (4, 160))}
    folder = tmp_path_factory.mktemp("labelled")
    return {name: seal_labelled(folder / name, name, rows, horizon=3) for name, rows in features.items()}


@pytest.fixture(scope="session")
def run_in() -> Callable[[Path, str], RunContext]:
    """Make the context of the train step of one run below a folder."""
    return lambda root, key: RunContext(step="train", run_key=key, workspace=Workspace.at(str(root)))


@pytest.fixture(scope="session")
def write_examples() -> Callable[..., Path]:
    """Give ``seal_examples`` to tests, which cannot import from here."""
    return seal_examples


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., PriceActionConfig]:
    """Make the tiny recipe; keywords replace settings of a group, such as ``train={"lr": 0.1}``."""

    def make(*, seed: int = 0, **groups: dict[str, Any]) -> PriceActionConfig:
        values = {name: TINY.get(name, {}) | groups.get(name, {}) for name in TINY.keys() | groups.keys()}
        return PriceActionConfig.parse(values | {"seed": seed}, name="test")

    return make


@dataclass(frozen=True)
class Trained:
    """A bundle of the tiny recipe, and the run that made it."""

    bundle: Bundle
    run: RunContext


@pytest.fixture(scope="session")
def trained(
    tiny_config: Callable[..., PriceActionConfig], tiny_examples: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """One whole training, shared by the tests that only read it."""
    root = tmp_path_factory.mktemp("trained")
    run = RunContext(step="train", run_key="whole", workspace=Workspace.at(str(root)))
    return Trained(train(tiny_config(), tiny_examples, root / "bundle", run), run)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[[str], RunContext]:
    """Make the context of the train step of one run."""
    return lambda key: RunContext(step="train", run_key=key, workspace=Workspace.at(str(tmp_path)))
