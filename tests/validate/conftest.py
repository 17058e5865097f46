"""Test zones with a known truth: a skilful model, one that guesses, and one that says nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.bundle import Bundle, seal
from components.core.config import Config
from components.core.family import Family, Resources
from components.core.files import atomic_file, write_json
from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.market.predictions import ClassPredictions, Predictions, ScorePredictions
from components.validate.kinds import Table

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

MakeZone = Callable[..., Predictions]
MakeClasses = Callable[..., ClassPredictions]
MakeScores = Callable[..., ScorePredictions]

REGIMES = ("calm_uptrend", "risk_on_trend", "risk_off_trend", "choppy", "high_vol_panic")
HORIZON = 5


def _make_zone(
    *, skill: float, num_times: int = 250, num_symbols: int = 8, seed: int = 0, threshold: float = 0.5
) -> Predictions:
    """Return a zone whose slow, predicted signal moves each return by ``skill`` standard deviations."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((num_times, num_symbols))
    for t in range(1, num_times):
        signal[t] = 0.95 * signal[t - 1] + np.sqrt(1 - 0.95**2) * signal[t]
    market = 0.5 * rng.standard_normal((num_times, 1))
    move = skill * signal + market + np.sqrt(0.75) * rng.standard_normal((num_times, num_symbols))
    probability = 1 / (1 + np.exp(-1.7 * max(skill, 0.1) * signal))
    times = np.datetime64("2024-01-01", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    return Predictions(
        symbols=tuple(f"SYM{code}" for code in range(num_symbols)),
        symbol=np.tile(np.arange(num_symbols), num_times),
        timestamp=np.repeat(times, num_symbols),
        probability=probability.ravel(),
        label=(move > 0).astype(np.float64).ravel(),
        forward_return=0.012 * move.ravel(),
        threshold=threshold,
    )


@pytest.fixture(scope="session")
def make_zone() -> MakeZone:
    return _make_zone


def _slow(rng: np.random.Generator, shape: tuple[int, ...], persistence: float) -> np.ndarray:
    """Return standard normal series along the first axis, each remembering ``persistence`` of the step before."""
    series = rng.standard_normal(shape)
    for t in range(1, shape[0]):
        series[t] = persistence * series[t - 1] + np.sqrt(1 - persistence**2) * series[t]
    return series


def _panel_of(num_times: int, num_symbols: int) -> dict:
    times = np.datetime64("2024-01-01", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    return {
        "symbols": tuple(f"SYM{code}" for code in range(num_symbols)),
        "symbol": np.tile(np.arange(num_symbols), num_times),
        "timestamp": np.repeat(times, num_symbols),
        "horizon": HORIZON,
    }


def _make_classes(
    *, num_times: int = 400, num_symbols: int = 1, seed: int = 0, sureness: float = 2.5
) -> ClassPredictions:
    """Return a zone whose classes are drawn from slow probabilities, which the model knows; the labels overlap."""
    rng = np.random.default_rng(seed)
    shape = (num_times + HORIZON, num_symbols)
    odds = np.exp(sureness * _slow(rng, (*shape, len(REGIMES)), 0.95))
    probability = odds / odds.sum(axis=-1, keepdims=True)
    luck = np.vectorize(NormalDist().cdf)(_slow(rng, shape, 0.8))
    drawn = (luck[..., None] > probability.cumsum(axis=-1)[..., :-1]).sum(axis=-1)
    return ClassPredictions(
        **_panel_of(num_times, num_symbols),
        classes=REGIMES,
        probability=probability[HORIZON:].reshape(-1, len(REGIMES)),
        label=drawn[HORIZON:].ravel(),
        now=drawn[:-HORIZON].ravel(),
    )


def _make_scores(*, num_times: int = 300, num_symbols: int = 4, seed: int = 0, noise: float = 0.1) -> ScorePredictions:
    """Return a zone whose scores wander slowly; the model knows them up to ``noise``."""
    rng = np.random.default_rng(seed)
    slow = _slow(rng, (num_times + HORIZON, num_symbols), 0.9)
    score = 1 / (1 + np.exp(-slow))
    label = score[HORIZON:].ravel()
    return ScorePredictions(
        **_panel_of(num_times, num_symbols),
        score=np.clip(label + noise * rng.standard_normal(label.size), 0, 1),
        label=label,
        now=score[:-HORIZON].ravel(),
        error=0.4 * rng.chisquare(4, label.size) / 4,
    )


@pytest.fixture(scope="session")
def make_classes() -> MakeClasses:
    return _make_classes


@pytest.fixture(scope="session")
def make_scores() -> MakeScores:
    return _make_scores


def after(table: Table) -> Table:
    """Return the same answers on the days that follow."""
    return replace(table, timestamp=table.timestamp + np.ptp(table.timestamp) + np.timedelta64(1, "D"))


def zone_facts(table: Table) -> dict:
    first, last = (str(day)[:10] for day in table.timestamp[[0, -1]])
    times = np.unique(table.timestamp).size
    return {"rows": table.label.size, "timestamps": times, "first": first, "last": last}


@dataclass(frozen=True, kw_only=True)
class StoredFamily(Family):
    """A family whose bundles hold their answers, by zone: the judge needs nothing but ``predict``.

    Where none are given for the holdout, they are those of the test zone, on the days after it.
    """

    answers: dict[str, Table | dict[str, Table]]
    killed_at: str = ""
    """Zone whose prediction the judge does not survive."""

    def module(self, name: str) -> ModuleType:
        module = ModuleType(name)

        def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> Table:
            assert (examples / "manifest.json").exists()
            assert threads == 1
            if zone == self.killed_at:
                raise KeyboardInterrupt
            answer = self.answers[bundle.digest]
            zones = answer if isinstance(answer, dict) else {"test": answer}
            return {"holdout": after(zones["test"]), **zones}[zone]

        module.predict = predict  # type: ignore[attr-defined]
        return module


@dataclass(frozen=True)
class Bench:
    """Everything that one judgement needs, below one folder."""

    folder: Path

    @property
    def run(self) -> RunContext:
        workspace = Workspace.at(str(self.folder / "root"))
        return RunContext(step="validate", run_key="r1", workspace=workspace, clock=lambda: NOON)

    def examples(self, predictions: Table | None, *, digest: str = "e" * 64, holdout: bool = True) -> Path:
        folder = self.folder / f"examples-{digest[:4]}"
        zones = {"train": {"rows": 3000, "timestamps": 600, "first": "2021-01-01", "last": "2022-12-31"}}
        if predictions is not None:
            zones["test"] = zone_facts(predictions)
            if holdout:
                zones["holdout"] = zone_facts(after(predictions))
        columns = dict.fromkeys(("open", "close", "rsi_14", "label"), np.ones(9))
        days = np.arange(9).astype("datetime64[D]").astype("datetime64[us]")
        folder.mkdir(exist_ok=True)
        with atomic_file(folder / "examples.parquet") as file:  # several judges may ask at once
            pq.write_table(pa.table({"timestamp": days, **columns, "zone": ["test"] * 9}), file)
        manifest = {
            "files": {},
            "lookahead": {"views": [], "checked": "nothing", "findings": []},
            "digest": digest,
            "features_digest": "f" * 64,
            "snapshot_digest": "a" * 64,
            "snapshot_seal": "b" * 64,
            "columns": ["open", "close", "rsi_14"],
            "bars_per_year": 252.0,
            "window": 64,
            "horizon": 1,
            "zones": zones,
            "symbols": ["AAA", "BBB"],
            "dataset": "planted",
            "source": "synthetic://planted?symbols=8",
        }
        write_json(folder / "manifest.json", manifest)
        return folder

    def bundle(self, name: str = "bundle", *, examples: str = "e" * 64, seed: int = 7, **data: str) -> Bundle:
        folder = self.folder / name
        write_json(folder / "history.json", {"train_loss": [0.693, 0.671, 0.66], "val_loss": [0.69, 0.68, 0.684]})
        write_json(folder / "model.json", {"name": name})
        return seal(
            folder,
            family="stored",
            config={"seed": seed},
            schema={},
            data={"examples": examples, **data},
            notes={"torch": "2.13.0"},
        )

    def family(self, answers: dict[str, Table | dict[str, Table]], *, killed_at: str = "") -> StoredFamily:
        return StoredFamily(
            name="stored",
            title="Stored answers: a family of tests",
            config=Config,
            feature_service="none",
            resources=Resources(cpu="1", memory="1Gi"),
            columns={},
            answers=answers,
            killed_at=killed_at,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
