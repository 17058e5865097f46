"""Small bundles whose graph is written by hand, and the pointer to them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.files import write_json
from components.core.workspace import Workspace
from components.market.columns import TECHNICAL
from components.serving.loader import GRAPH, Signature

WINDOW = 4
SIGNATURE = Signature(input="windows", window=WINDOW, columns=TECHNICAL, outputs=("probability", "signal"))
PROMOTED = datetime(2026, 1, 5, 12, tzinfo=UTC)


def made_graph(bias: float = 0.0) -> onnx.ModelProto:
    """Return probability = sigmoid(mean of the window + bias), signal = probability >= 0.5."""
    nodes = [
        helper.make_node("ReduceMean", ["windows", "axes"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "bias"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["probability"]),
        helper.make_node("GreaterOrEqual", ["probability", "half"], ["signal"]),
    ]
    constants = {"axes": np.array([1, 2]), "bias": np.float32(bias), "half": np.float32(0.5)}
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", WINDOW, len(TECHNICAL)])],
        [
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch"]),
            helper.make_tensor_value_info("signal", TensorProto.BOOL, ["batch"]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def sealed(
    folder: Path, graph: bytes | None, *, schema: dict[str, Any] | None = None, data: dict[str, Any] | None = None
) -> Bundle:
    """Seal a bundle around ``graph``; files that lie in the folder already become part of it."""
    folder.mkdir(parents=True, exist_ok=True)
    if graph is not None:
        (folder / GRAPH).write_bytes(graph)
    document = SIGNATURE.document() if schema is None else schema
    return bundles.seal(folder, family="price_action", config={}, schema=document, data=data or {}, notes={})


@pytest.fixture(scope="session")
def graph_of() -> Callable[..., onnx.ModelProto]:
    return made_graph


@pytest.fixture(scope="session")
def seal() -> Callable[..., Bundle]:
    return sealed


@pytest.fixture(scope="session")
def point() -> Callable[..., None]:
    """Write ``latest.json`` the way the promote step does."""

    def write(root: Path, bundle: Bundle, /, *, number: int = 1, **changed: object) -> None:
        pointer = {
            "version": "20260105-" + bundle.digest[:12], "timestamp": PROMOTED.isoformat(), "model": "price_action",
            "dataset": "toy", "number": number, "folder": bundle.folder.name, "bundle": bundle.digest, **changed,
        }  # fmt: skip
        write_json(Workspace.at(str(root)).model("price_action", "toy") / "latest.json", pointer)

    return write


@pytest.fixture(scope="session")
def windows() -> np.ndarray[Any, Any]:
    """Three windows whose means are -1, 0 and 1."""
    return np.stack([np.full((WINDOW, len(TECHNICAL)), mean, dtype=np.float32) for mean in (-1.0, 0.0, 1.0)])
