"""Graphs written by hand, whose features are worth what they are worth."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper

from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.files import sha256_of, write_json
from components.learning.examples import read_examples
from components.market.examples_manifest import examples_digest
from components.serving.loader import GRAPH, Signature, load
from components.validate.attribution import attribute, donors
from components.validate.shapley import NUM_DRAWS, explain

COLUMNS, WINDOW = ("trend", "noise", "fade"), 3
WEIGHTS = np.array([0.3, 0.0, -0.1], dtype=np.float32)
SIGNATURE = Signature(input="windows", window=WINDOW, columns=COLUMNS, outputs=("score",))


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle that says 0.5 + the weighted sum of the last bar."""
    folder = tmp_path_factory.mktemp("bundle")
    nodes = [
        helper.make_node("Gather", ["windows", "last"], ["bar"], axis=1),
        helper.make_node("MatMul", ["bar", "weights"], ["sum"]),
        helper.make_node("Add", ["sum", "half"], ["score"]),
    ]
    constants = {"last": np.int64(WINDOW - 1), "weights": WEIGHTS, "half": np.float32(0.5)}
    graph = helper.make_graph(
        nodes, "linear",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", WINDOW, len(COLUMNS)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (folder / GRAPH).write_bytes(model.SerializeToString())
    return bundles.seal(folder, family="made", config={}, schema=SIGNATURE.document(), data={}, notes={})


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two symbols of independent uniform features; the label is what the graph says."""
    folder, rng, num = tmp_path_factory.mktemp("examples"), np.random.default_rng(1), 300
    rows = rng.random((2 * num, len(COLUMNS)), dtype=np.float32)
    times = np.datetime64("2024-01-01", "us") + np.tile(np.arange(num), 2) * np.timedelta64(1, "D")
    zone = np.where(np.tile(np.arange(num), 2) < 100, "train", "test")
    label = 0.5 + rows.astype(np.float64) @ WEIGHTS.astype(np.float64)
    table = pa.table({
        "symbol": np.repeat(["AAA", "BBB"], num), "timestamp": pa.array(times, type=pa.timestamp("us", "UTC")),
        **dict(zip(COLUMNS, rows.astype(np.float64).T, strict=True)), "label": label, "now": label, "zone": zone,
    })  # fmt: skip
    pq.write_table(table, folder / "examples.parquet")
    manifest = {
        "columns": list(COLUMNS), "labeller": "made_v1", "horizon": 1, "window": WINDOW, "zones": {"test": {}},
        "files": {"examples.parquet": sha256_of(folder / "examples.parquet")},
    }  # fmt: skip
    write_json(folder / "manifest.json", {**manifest, "digest": examples_digest(manifest)})
    return folder


@pytest.mark.promise("S4-102")
def test_a_feature_is_worth_twice_its_variance_times_its_weight_squared(linear: Bundle, examples: Path) -> None:
    found = attribute(linear, examples, zone="test", seed=0, threads=1)
    assert found is not None
    assert (found.features, found.unit) == (COLUMNS, "squared error")
    assert found.loss == pytest.approx(0.0, abs=1e-12)  # the label is what it says
    expected = 2 * WEIGHTS.astype(np.float64) ** 2 / 12  # of two independent uniform numbers
    np.testing.assert_allclose(found.worth, expected, rtol=0.2, atol=1e-12)
    assert found.worth[1] == found.lower[1] == found.upper[1] == 0.0
    assert np.all(found.lower[[0, 2]] > 0)
    assert np.all(found.lower <= found.worth)
    assert np.all(found.worth <= found.upper)


def test_the_same_seed_gives_the_same_numbers_and_metrics_name_their_zone(linear: Bundle, examples: Path) -> None:
    one, two = (attribute(linear, examples, zone="test", seed=3, threads=1) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.measurements("test") == two.measurements("test")
    named = one.measurements("test")
    assert set(named) == {f"importance.{name}{end}" for name in COLUMNS for end in ("", ".lower", ".upper")}
    assert named["importance.trend"].value == one.worth[0]
    assert {item.zone for item in named.values()} == {"test"}


def test_without_a_graph_or_without_a_zone_nothing_is_measured(linear: Bundle, examples: Path, tmp_path: Path) -> None:
    bare = bundles.seal(tmp_path, family="made", config={}, schema={}, data={}, notes={})
    assert attribute(bare, examples, zone="test", seed=0, threads=1) is None
    assert attribute(linear, examples, zone="holdout", seed=0, threads=1) is None


def test_a_graph_of_other_features_is_refused(examples: Path, linear: Bundle, tmp_path: Path) -> None:
    (tmp_path / GRAPH).write_bytes(linear.path(GRAPH).read_bytes())
    schema = {**SIGNATURE.document(), "columns": ["trend", "fade", "noise"]}
    other = bundles.seal(tmp_path, family="made", config={}, schema=schema, data={}, notes={})
    with pytest.raises(ArtifactError, match="the examples hold"):
        attribute(other, examples, zone="test", seed=0, threads=1)


def test_donors_are_of_the_same_symbol_and_far_away() -> None:
    ends = np.array([[symbol, time] for time in range(40) for symbol in range(3) if (time, symbol) != (7, 1)])
    found = donors(ends, np.random.default_rng(0))
    own, other = ends, ends[found]
    np.testing.assert_array_equal(own[:, 0], other[:, 0])
    away = np.abs(own[:, 1] - other[:, 1])
    assert away.min() >= 9  # a quarter of 40, one of 39 is missing
    assert len(np.unique(found)) > 60


@pytest.mark.promise("S4-100")
def test_credits_of_a_linear_model_are_its_weights_times_the_difference(linear: Bundle, examples: Path) -> None:
    served, data = load(linear.folder), read_examples(examples)
    ends = data.windows("test", WINDOW, 1)
    bars = ends[:, 1, None] - np.arange(WINDOW)[::-1]
    windows = data.panel.values[ends[:, 0, None], bars]
    others, own = windows[100 : 100 + NUM_DRAWS], windows[7]
    found = explain(served, data, ends[7], own, others=others, rng=np.random.default_rng(0))
    expected = WEIGHTS * (own[-1] - others[:, -1].mean(axis=0))
    np.testing.assert_allclose(found.added, expected, atol=1e-6)
    assert found.added.sum() == pytest.approx(found.value - found.usual, abs=1e-12)
    assert (found.symbol, found.day, found.said) == ("BBB", str(data.panel.timestamps[ends[7, 1]])[:10], "score")
    assert found.value == pytest.approx(0.5 + float(own[-1] @ WEIGHTS), abs=1e-6)
    assert found.error[1] == 0.0


def test_a_decision_is_explained_newest_and_surest(linear: Bundle, examples: Path) -> None:
    found = attribute(linear, examples, zone="test", seed=0, threads=1)
    assert found is not None
    newest, surest = found.decisions
    assert newest.day == "2024-10-25"  # the last of 300 days has no label in the zone
    assert surest.value > 0.7
