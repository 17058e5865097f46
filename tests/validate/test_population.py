"""The features of the test zone beside those of the training zone: what moved is named, what did not is not."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.files import sha256_of, write_json
from components.market.examples_manifest import examples_digest
from components.trading.drift import population_stability
from components.validate.population import drift_section, population_drift

COLUMNS = ("steady", "shifted")


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """[time, feature]: 400 days of training and 300 of test; in the test the second feature lies a deviation higher."""
    values = np.random.default_rng(3).standard_normal((700, 2))
    values[400:, 1] += 1.0
    return values


@pytest.fixture(scope="module")
def examples(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    times = np.datetime64("2022-01-01", "us") + np.arange(len(rows)) * np.timedelta64(1, "D")
    table = pa.table({
        "symbol": ["AAA"] * len(rows), "timestamp": pa.array(times, type=pa.timestamp("us", "UTC")),
        **dict(zip(COLUMNS, rows.T, strict=True)), "label": np.arange(len(rows)) % 2.0,
        "forward_return": np.zeros(len(rows)), "zone": np.where(np.arange(len(rows)) < 400, "train", "test"),
    })  # fmt: skip
    pq.write_table(table, folder / "examples.parquet")
    manifest = {"columns": list(COLUMNS), "files": {"examples.parquet": sha256_of(folder / "examples.parquet")}}
    write_json(folder / "manifest.json", {**manifest, "digest": examples_digest(manifest)})
    return folder


def test_a_feature_that_moved_by_a_deviation_is_another_population(examples: Path, rows: np.ndarray) -> None:
    found = {name: item.value for name, item in population_drift(examples, zone="test", seed=0).items()}
    before, here = (part.astype(np.float32).astype(np.float64) for part in (rows[:400], rows[400:]))
    assert found["drift.shifted.psi"] == pytest.approx(population_stability(before[:, 1], here[:, 1]), abs=1e-12)
    assert found["drift.shifted.psi"] > 0.25
    assert found["drift.steady.psi"] < 0.1
    # The distribution functions of N(0, 1) and N(1, 1) are furthest apart in the middle: 2 Phi(1/2) - 1 = 0.383.
    assert found["drift.shifted.ks"] == pytest.approx(0.383, abs=0.05)
    assert found["drift.shifted.mean_here"] == pytest.approx(here[:, 1].mean(), abs=1e-9)
    assert found["drift.mmd"] > 0.02


def test_every_number_carries_its_zone_and_a_zone_that_is_not_there_has_none(examples: Path) -> None:
    assert {item.zone for item in population_drift(examples, zone="test", seed=0).values()} == {"test"}
    nothing = population_drift(examples, zone="calibration", seed=0)
    assert {name for name, item in nothing.items() if item.value is not None} == {
        "drift.steady.mean_before", "drift.shifted.mean_before"
    }  # fmt: skip


def test_the_report_names_what_moved_first_and_nothing_where_nothing_was_compared(examples: Path) -> None:
    page = drift_section(population_drift(examples, zone="test", seed=0), COLUMNS)
    assert re.findall(r'<th scope="row">(\w+)</th>', page) == ["shifted", "steady"]
    assert page.index(">another population</td>") < page.index(">steady</td>")
    assert drift_section({}, COLUMNS) == ""
