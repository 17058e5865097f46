"""A bundle predicts without torch; what does not fit its schema is one named error."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from components.core.bundle import Bundle
from components.core.errors import ArtifactError, DataError, EnvironmentMissingError
from components.serving.loader import load

Seal = Callable[..., Bundle]
Graph = Callable[..., onnx.ModelProto]
Floats = np.ndarray[Any, Any]


@pytest.mark.promise("S4-104")
def test_a_bundle_says_what_its_graph_says_for_any_number_of_windows(
    tmp_path: Path, graph_of: Graph, seal: Seal, windows: Floats
) -> None:
    bundle = seal(tmp_path, graph_of(bias=0.5).SerializeToString())
    served = load(tmp_path, expect=bundle.digest)
    expected = 1 / (1 + np.exp(-(np.array([-1.0, 0.0, 1.0]) + 0.5)))
    for number in (0, 1, 3):
        found = served.predict(windows[:number])
        np.testing.assert_allclose(found["probability"], expected[:number], rtol=1e-6)
        assert found["signal"].tolist() == [False, True, True][:number]
    many = served.predict(np.repeat(windows, 300, axis=0))
    np.testing.assert_allclose(many["probability"], np.repeat(expected, 300), rtol=1e-6)


def test_windows_of_another_shape_or_type_or_with_a_hole_are_refused(
    tmp_path: Path, graph_of: Graph, seal: Seal, windows: Floats
) -> None:
    seal(tmp_path, graph_of().SerializeToString())
    served = load(tmp_path)
    for wrong in (windows[:, :3], windows[..., :13], windows[0], windows.astype(np.float64)):
        with pytest.raises(DataError, match=r"reads float32 \[n, 4, 14\]"):
            served.predict(wrong)
    for hole in (np.nan, np.inf):
        holed = windows.copy()
        holed[1, 2, 3] = hole
        with pytest.raises(DataError, match="not a finite number"):
            served.predict(holed)


def test_an_answer_that_is_not_finite_is_refused(tmp_path: Path, graph_of: Graph, seal: Seal, windows: Floats) -> None:
    seal(tmp_path, graph_of(bias=float("nan")).SerializeToString())
    with pytest.raises(ArtifactError, match="'probability' is not a finite number"):
        load(tmp_path).predict(windows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 5}, r"schema says 'windows', float \[any, \*\[5, 14\]\]"),
        ({"columns": ["close"]}, r"schema says 'windows', float \[any, \*\[4, 1\]\]"),
        ({"input": "bars"}, "schema says 'bars'"),
        ({"outputs": ["signal", "probability"]}, "its outputs are"),
        ({"outputs": "probability"}, "names no input, window, columns and outputs"),
        ({"window": None}, "names no input"),
    ],
)
def test_a_graph_that_does_not_fit_its_schema_is_refused(
    tmp_path: Path, graph_of: Graph, seal: Seal, change: dict[str, Any], message: str
) -> None:
    schema = seal(tmp_path, graph_of().SerializeToString()).manifest["schema"]
    seal(tmp_path, graph_of().SerializeToString(), schema={**schema, **change})
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path)


def test_without_the_runtime_the_remedy_is_named(
    tmp_path: Path, graph_of: Graph, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(tmp_path, graph_of().SerializeToString())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EnvironmentMissingError, match=r"Install quantfoundry\[serve\]"):
        load(tmp_path)


def test_another_bundle_than_the_one_expected_is_refused(tmp_path: Path, graph_of: Graph, seal: Seal) -> None:
    seal(tmp_path, graph_of().SerializeToString())
    with pytest.raises(ArtifactError, match="expected 0000"):
        load(tmp_path, expect="0" * 64)


def test_a_flat_graph_that_the_runtime_cannot_run_is_one_named_error(
    tmp_path: Path, graph_of: Graph, seal: Seal
) -> None:
    graph = graph_of()
    graph.graph.node[2].op_type = "NoSuchOperator"
    seal(tmp_path, graph.SerializeToString())
    with pytest.raises(ArtifactError, match="onnxruntime refuses it"):
        load(tmp_path)
