"""Who answers now, and why: the champion where it can be trusted, else the baseline; never an error."""

import importlib.util
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from components.core.bundle import Bundle
from components.core.errors import UsageError
from components.core.workspace import Workspace
from components.serving.source import RETRY_AFTER, ModelSource

Seal = Callable[..., Bundle]
Graph = Callable[..., onnx.ModelProto]
Point = Callable[..., None]
Floats = np.ndarray[Any, Any]

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def model(root: Path) -> Path:
    return Workspace.at(str(root)).model("price_action", "toy")


def source(root: Path, **options: Any) -> ModelSource:
    return ModelSource(str(root), "price-action", "toy", **{"clock": lambda: NOON, **options})


@pytest.mark.promise("S1-44", "S1-54")
def test_without_a_model_the_baseline_answers_and_says_so_once(
    tmp_path: Path, windows: Floats, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    asked = source(tmp_path)
    answers = [asked.current() for _ in range(3)]
    assert [(answer.reason, answer.version, answer.digest) for answer in answers] == [("no_model", 0, "")] * 3
    said = answers[0].predict(windows)
    assert said["probability"].tolist() == [0.5, 0.5, 0.5]
    assert said["signal"].tolist() == [False, False, False]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "price_action on toy answers: no_model" in caplog.text
    assert "Run the training" in caplog.text


@pytest.mark.promise("S2-24")
def test_a_model_of_other_forecasts_does_not_answer(
    tmp_path: Path, graph_of: Graph, seal: Seal, point: Point, windows: Floats, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"forecast_source": "Datadog/Toto-Open-Base-1.0@0f0f"}
    point(tmp_path, seal(model(tmp_path) / "v1-toy", graph_of(bias=9).SerializeToString(), data=given), number=1)
    for ours in ("statistical", None):
        answer = source(tmp_path, forecast_source=ours).current()
        assert (answer.reason, answer.version, answer.digest) == ("other_forecasts", 0, "")
        assert answer.predict(windows)["probability"].tolist() == [0.5, 0.5, 0.5]
        assert (
            f"trained on forecasts by {given['forecast_source']!r}, the features have those by {ours!r}" in caplog.text
        )
    assert source(tmp_path, **given).current().reason == "trained"


@pytest.mark.promise("S1-42", "S1-43")
def test_the_model_that_latest_json_names_answers(
    tmp_path: Path, graph_of: Graph, seal: Seal, point: Point, windows: Floats
) -> None:
    bundle = seal(model(tmp_path) / "v1-toy", graph_of(bias=0.5).SerializeToString())
    seal(model(tmp_path) / "v2-never-promoted", graph_of(bias=9).SerializeToString())
    point(tmp_path, bundle, number=1)
    answer = source(tmp_path).current()
    assert (answer.reason, answer.version, answer.digest) == ("trained", 1, bundle.digest)
    expected = 1 / (1 + np.exp(-(np.array([-1.0, 0.0, 1.0]) + 0.5)))
    np.testing.assert_allclose(answer.predict(windows)["probability"], expected, rtol=1e-6)


@pytest.mark.promise("S1-47")
def test_a_new_model_answers_without_a_restart_and_the_change_is_logged_once(
    tmp_path: Path, graph_of: Graph, seal: Seal, point: Point, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = seal(model(tmp_path) / "v1", graph_of(bias=1).SerializeToString())
    second = seal(model(tmp_path) / "v2", graph_of(bias=2).SerializeToString())
    asked = source(tmp_path)
    seen: list[tuple[str, int]] = []
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: point(tmp_path, first, number=1),
        lambda: None,
        lambda: point(tmp_path, second, number=2),
        lambda: point(tmp_path, first, number=1),  # a rollback
    ]
    for step in steps:
        step()
        answer = asked.current()
        seen.append((answer.reason, answer.version))
    assert seen == [("no_model", 0), ("trained", 1), ("trained", 1), ("trained", 2), ("trained", 1)]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO", "INFO"]


def test_a_model_is_loaded_once_while_the_pointer_stays(
    tmp_path: Path, graph_of: Graph, seal: Seal, point: Point
) -> None:
    bundle = seal(model(tmp_path) / "v1", graph_of().SerializeToString())
    point(tmp_path, bundle)
    asked = source(tmp_path)
    assert asked.current().served is asked.current().served is not None


@pytest.mark.promise("S1-46")
def test_a_damaged_model_falls_back_and_is_used_again_when_it_is_whole(
    tmp_path: Path, graph_of: Graph, seal: Seal, point: Point, windows: Floats, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = seal(model(tmp_path) / "v1", graph_of().SerializeToString())
    point(tmp_path, bundle)
    path = bundle.path("model.onnx")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    hand = Hand()
    asked = source(tmp_path, clock=hand)
    answer = asked.current()
    assert (answer.reason, answer.version) == ("load_failed", 0)
    assert answer.predict(windows)["signal"].tolist() == [False] * 3
    assert "model.onnx: sha256 differs from the manifest" in caplog.text
    path.write_bytes(whole)
    assert asked.current().reason == "load_failed", "a model that failed is left alone for a while"
    hand.now += RETRY_AFTER
    assert asked.current().reason == "trained"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"folder": "../../../elsewhere"}, "leaves toy"),
        ({"folder": "/etc"}, "leaves toy"),
        ({"folder": "v7"}, "no such folder"),
        ({"bundle": "0" * 64}, "expected 0000"),
        ({"folder": None}, "names no folder, bundle and number"),
        ({"number": "1"}, "names no folder, bundle and number"),
        ({"timestamp": "yesterday"}, "'yesterday' is none"),
        ({"timestamp": "2026-01-05T12:00:00"}, "no time zone"),
    ],
)
def test_a_pointer_to_nonsense_is_a_reason_and_no_error(
    tmp_path: Path, graph_of: Graph, seal: Seal, point: Point, changed: dict[str, Any], words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    point(tmp_path, seal(model(tmp_path) / "v1", graph_of().SerializeToString()), **changed)
    assert source(tmp_path, max_age=timedelta(days=1)).current().reason == "load_failed"
    assert words in caplog.text


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000, "\x00"])
def test_a_pointer_that_does_not_read_is_a_reason_and_no_error(tmp_path: Path, text: str) -> None:
    model(tmp_path).mkdir(parents=True)
    (model(tmp_path) / "latest.json").write_text(text)
    assert source(tmp_path).current().reason == "load_failed"


def test_a_model_of_other_features_or_outputs_is_not_asked(
    tmp_path: Path, graph_of: Graph, seal: Seal, point: Point, caplog: pytest.LogCaptureFixture
) -> None:
    graph = graph_of().SerializeToString()
    schema = seal(model(tmp_path) / "v1", graph).manifest["schema"]
    turned = {**schema, "columns": schema["columns"][::-1]}
    point(tmp_path, seal(model(tmp_path) / "v1", graph, schema=turned))
    assert source(tmp_path).current().reason == "load_failed"
    assert "its columns are ('bb_percent'" in caplog.text


def test_a_model_past_its_age_is_not_asked(tmp_path: Path, graph_of: Graph, seal: Seal, point: Point) -> None:
    point(tmp_path, seal(model(tmp_path) / "v1", graph_of().SerializeToString()))
    hand = Hand()
    asked = source(tmp_path, clock=hand, max_age=timedelta(days=45))
    hand.now = NOON + timedelta(days=45)
    assert asked.current().reason == "trained"
    hand.now += timedelta(seconds=1)
    assert asked.current().reason == "too_old"
    assert source(tmp_path, clock=hand).current().reason == "trained", "without a limit any age will do"


def test_without_the_runtime_the_baseline_answers(
    tmp_path: Path, graph_of: Graph, seal: Seal, point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    point(tmp_path, seal(model(tmp_path) / "v1", graph_of().SerializeToString()))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert source(tmp_path).current().reason == "runtime_missing"


@pytest.mark.promise("S1-45", "S1-51")
def test_a_bundle_of_before_the_graphs_needs_torch_and_says_torch_missing_where_there_is_none(
    tmp_path: Path, seal: Seal, point: Point, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = model(tmp_path) / "v1"
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    point(tmp_path, seal(folder, None))
    assert source(tmp_path).current().reason == "load_failed"
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    answer = source(tmp_path).current()
    assert answer.reason == "torch_missing"
    assert answer.predict(np.zeros((1, 4, 14), np.float32))["probability"].tolist() == [0.5]
    assert "lists no file 'model.onnx'. Train it again" in caplog.text


def test_a_baseline_of_the_callers_own_is_asked_instead_of_the_familys(tmp_path: Path, windows: Floats) -> None:
    asked = source(tmp_path, baseline=lambda found: {"probability": np.full(len(found), 0.25)})
    assert asked.current().predict(windows)["probability"].tolist() == [0.25] * 3


def test_a_family_that_does_not_exist_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="price-axion"):
        ModelSource(str(tmp_path), "price-axion", "toy")
