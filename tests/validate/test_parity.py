"""Is what is served what was judged? Graphs written by hand, beside predictions worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper

from components.core.bundle import Bundle, seal
from components.core.errors import ArtifactError, DataError
from components.core.family import Output
from components.core.files import sha256_of, write_json
from components.core.judge import GateConfig, JudgeConfig
from components.core.verdict import Verdict
from components.learning.examples import Examples, from_table
from components.market.examples_manifest import examples_digest
from components.market.predictions import ClassPredictions, Predictions, ScorePredictions
from components.serving.loader import GRAPH, Served, Signature
from components.validate import parity
from components.validate.gates import evaluate
from components.validate.judge import judge
from components.validate.measures import Measured

NUM_TIMES, SYMBOLS, WINDOW = 40, ("AAA", "BBB"), 2
TIMES = np.datetime64("2024-01-01", "us") + np.arange(NUM_TIMES) * np.timedelta64(1, "D")
SIGNATURE = Signature(input="windows", window=WINDOW, columns=("x", "y"), outputs=("probability", "signal"))
GATES = JudgeConfig(gates=(GateConfig(metric="export_parity", bound=1e-4, side="below"),), min_timestamps=10)


def graph_of(*outputs: str) -> bytes:
    """Return a graph that says the sigmoid of the mean of the window, both for two classes, and if it reaches 0.5."""
    nodes = [
        helper.make_node("ReduceMean", ["windows", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sigmoid", ["mean"], ["probability"]),
        helper.make_node("GreaterOrEqual", ["probability", "half"], ["signal"]),
        helper.make_node("Sub", ["one", "probability"], ["other"]),
        helper.make_node("Unsqueeze", ["probability", "last"], ["up"]),
        helper.make_node("Unsqueeze", ["other", "last"], ["down"]),
        helper.make_node("Concat", ["down", "up"], ["shares"], axis=1),
    ]
    constants = {"axes": np.array([1, 2]), "half": np.float32(0.5), "one": np.float32(1.0), "last": np.array([1])}
    kinds = {
        "probability": (TensorProto.FLOAT, []),
        "signal": (TensorProto.BOOL, []),
        "shares": (TensorProto.FLOAT, [2]),
    }
    graph = helper.make_graph(
        nodes, "made", [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", WINDOW, 2])],
        [helper.make_tensor_value_info(name, kinds[name][0], ["batch", *kinds[name][1]]) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return model.SerializeToString()


def served(*, outputs: tuple[str, ...] = SIGNATURE.outputs, columns: tuple[str, ...] = SIGNATURE.columns) -> Served:
    return Served(graph_of(*outputs), replace(SIGNATURE, columns=columns, outputs=outputs), name="made")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng, size = np.random.default_rng(0), NUM_TIMES * len(SYMBOLS)
    zone = np.where(np.arange(NUM_TIMES) < 10, "train", "test")
    columns = {
        "x": rng.standard_normal(size).astype(np.float32),
        "y": rng.standard_normal(size).astype(np.float32),
        "symbol": np.tile(SYMBOLS, NUM_TIMES),
        "timestamp": pa.array(np.repeat(TIMES, 2), pa.timestamp("us", "UTC")),
        "label": rng.integers(0, 2, size).astype(np.float64),
        "forward_return": rng.standard_normal(size) * 0.01,
        "zone": np.repeat(zone, 2),
    }
    return pa.table(columns)


@pytest.fixture(scope="module")
def data(table: pa.Table) -> Examples:
    return from_table(table, {"digest": "d" * 64, "columns": ["x", "y"]}, name="made")


@pytest.fixture
def judged(data: Examples) -> Predictions:
    """What the graph says, in float64 and in numpy, of the windows that end at the times 11 to 38."""
    ends = np.array([[symbol, end] for end in range(11, 39) for symbol in (0, 1)])
    mean = np.array([data.panel.values[symbol, end - 1 : end + 1].astype(np.float64).mean() for symbol, end in ends])
    return Predictions(
        data.symbols, ends[:, 0], TIMES[ends[:, 1]], 1 / (1 + np.exp(-mean)), data.label[ends[:, 0], ends[:, 1]],
        data.forward_return[ends[:, 0], ends[:, 1]], threshold=0.5,
    )  # fmt: skip


def outcome(judged: Predictions, found: Measured) -> str:
    [answer] = evaluate(judged, GATES, bars_per_year=252.0, parity=found)
    return answer.outcome


def test_the_graph_that_was_judged_passes(data: Examples, judged: Predictions) -> None:
    found = parity.compare(served(), data, judged)
    assert found.value < 1e-6
    assert found.note == "probability of 56 windows, 0 decisions differ"
    assert outcome(judged, found) == "pass"


def test_one_probability_that_is_off_by_a_thousandth_fails(data: Examples, judged: Predictions) -> None:
    judged.probability[17] += 0.001
    found = parity.compare(served(), data, judged)
    assert found.value == pytest.approx(0.001, abs=1e-6)
    assert outcome(judged, found) == "fail"


def test_another_threshold_in_the_graph_is_a_difference_of_one(data: Examples, judged: Predictions) -> None:
    num_between = np.count_nonzero((judged.probability >= 0.5) & (judged.probability < 0.55))
    found = parity.compare(served(), data, replace(judged, threshold=0.55))
    assert found.value == 1.0
    assert f"{num_between} decisions differ" in found.note


def test_a_probability_on_the_edge_may_fall_on_either_side() -> None:
    probability = np.array([0.50004, 0.6, 0.4, 0.50021])
    signal = np.array([True, False, False, True])
    assert parity.other_decisions(signal, probability, 0.5001) == 1  # the second; the first is 0.00006 below the edge


def test_windows_of_another_bar_are_found_out(data: Examples, judged: Predictions) -> None:
    found = parity.compare(served(), data, replace(judged, timestamp=judged.timestamp + np.timedelta64(1, "D")))
    assert found.value > 0.1


def test_classes_and_scores_are_compared_by_their_first_output(data: Examples, judged: Predictions) -> None:
    up, codes = judged.probability, np.zeros(judged.label.size, dtype=np.int64)
    shares = np.stack([1 - up, up], axis=1)
    said = ClassPredictions(
        judged.symbols, judged.symbol, judged.timestamp, ("a", "b"), shares, codes, codes, horizon=1
    )
    assert parity.compare(served(outputs=("shares",)), data, said).value < 1e-6
    assert parity.compare(served(outputs=("shares",)), data, replace(said, probability=shares[:, ::-1])).value > 0.1
    score = ScorePredictions(judged.symbols, judged.symbol, judged.timestamp, up, up, up, up, horizon=1)
    assert parity.compare(served(outputs=("probability",)), data, score).value < 1e-6
    with pytest.raises(ArtifactError, match="shares has shape"):
        parity.compare(served(outputs=("shares",)), data, score)


def test_rows_that_are_not_in_the_examples_and_other_columns_are_refused(data: Examples, judged: Predictions) -> None:
    for lost in ({"timestamp": judged.timestamp + np.timedelta64(1, "h")}, {"symbols": ("AAA", "CCC")}):
        with pytest.raises(DataError, match="rows that were judged have no window in the examples"):
            parity.compare(served(), data, replace(judged, **lost))
    with pytest.raises(ArtifactError, match="the examples have"):
        parity.compare(served(columns=("y", "x")), data, judged)


def test_at_most_512_windows_are_compared_and_both_ends_are_among_them(data: Examples, judged: Predictions) -> None:
    many = np.tile(np.arange(judged.label.size), 20)
    columns = ("symbol", "timestamp", "probability", "label", "forward_return")
    longer = replace(judged, **{name: getattr(judged, name)[many] for name in columns})
    assert "probability of 512 windows" in parity.compare(served(), data, longer).note
    longer.probability[-1] += 0.5
    assert parity.compare(served(), data, longer).value >= 0.5


@pytest.fixture
def folder(table: pa.Table, bench) -> Path:
    """The examples as a folder that the assemble step could have written."""
    made = bench.folder / "examples"
    made.mkdir()
    pq.write_table(table, made / "examples.parquet")
    zones = {name: {"rows": 60, "timestamps": 30, "first": "2024-01-01", "last": "2024-02-09"} for name in ("test",)}
    manifest = {
        "columns": ["x", "y"], "files": {"examples.parquet": sha256_of(made / "examples.parquet")}, "zones": zones,
        "bars_per_year": 252.0, "symbols": list(SYMBOLS), "source": "made", "dataset": "planted", "window": 3,
        "horizon": 1, "features_digest": "f" * 64, "snapshot_digest": "a" * 64, "snapshot_seal": "b" * 64,
    }  # fmt: skip
    write_json(made / "manifest.json", {**manifest, "digest": examples_digest(manifest)})
    return made


def bundle_with(folder: Path, graph: bytes | None) -> Bundle:
    folder.mkdir()
    write_json(folder / "model.json", {})
    if graph is not None:
        (folder / GRAPH).write_bytes(graph)
    return seal(folder, family="stored", config={}, schema=SIGNATURE.document(), data={}, notes={})


def run_judge(bench, folder: Path, judged: Predictions, bundle: Bundle, *outputs: Output) -> Verdict:
    family = replace(bench.family({bundle.digest: judged}), outputs=outputs)
    return judge(bundle, folder, bench.folder / "out", bench.run, config=GATES, family=family, champion=None)


def test_the_judge_compares_the_bundle_that_it_judges(bench, folder: Path, judged: Predictions) -> None:
    output = Output(name="probability", unit="fraction")
    whole = bundle_with(bench.folder / "whole", graph_of("probability", "signal"))
    verdict = run_judge(bench, folder, judged, whole, output)
    assert (verdict.verdict, verdict.gates[0].metric) == ("pass", "export_parity")
    bare = bundle_with(bench.folder / "bare", None)
    verdict = run_judge(bench, folder, judged, bare, output)
    assert verdict.verdict == "fail"
    assert "the manifest lists no file 'model.onnx'" in verdict.reason
    nothing_served = run_judge(bench, folder, judged, bare)
    assert nothing_served.gates == ()
    assert nothing_served.verdict == "insufficient evidence"


def test_a_graph_that_gives_up_fails_closed(bench, folder: Path, judged: Predictions) -> None:
    broken = bundle_with(bench.folder / "broken", graph_of("probability", "signal")[:-40])
    verdict = run_judge(bench, folder, judged, broken, Output(name="probability", unit="fraction"))
    assert verdict.verdict == "fail"
    assert "Fails closed" in verdict.reason
