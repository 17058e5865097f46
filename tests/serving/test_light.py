"""Serving stays small: it runs where there is numpy, onnxruntime and nothing heavier."""

import importlib.metadata
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from packaging.requirements import Requirement

from components.core.bundle import Bundle
from components.core.workspace import Workspace

HEAVY = ("torch", "pandas", "pyarrow", "mlflow", "feast", "scipy", "onnx", "kfp", "polars", "matplotlib")
PROGRAM = f"""
import sys
for name in {HEAVY}:
    sys.modules[name] = None  # any import of it raises
import numpy as np
from components.serving.source import ModelSource
answer = ModelSource(sys.argv[1], "price_action", "toy").current()
found = answer.predict(np.zeros((2, 4, 14), dtype=np.float32))
print(answer.reason, answer.version, found["probability"].tolist(), found["signal"].tolist())
print(*sorted(name for name, module in sys.modules.items() if module is not None and "." not in name))
"""


def output(root: Path, top: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root)], cwd=top, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr.count("\n") <= 1, done.stderr  # the reason for a baseline, by logging's last resort
    return done.stdout.splitlines()


@pytest.mark.promise("S1-45", "S1-51", "S1-55")
def test_a_champion_answers_where_torch_and_all_that_is_heavy_is_missing(
    tmp_path: Path,
    top: Path,
    graph_of: Callable[..., onnx.ModelProto],
    seal: Callable[..., Bundle],
    point: Callable[..., None],
) -> None:
    folder = Workspace.at(str(tmp_path)).model("price_action", "toy") / "v1"
    point(tmp_path, seal(folder, graph_of().SerializeToString()))
    said, loaded = output(tmp_path, top)
    assert said == "trained 1 [0.5, 0.5] [True, True]"
    assert not set(HEAVY) & set(loaded.split())
    assert {"numpy", "onnxruntime"} <= set(loaded.split())


@pytest.mark.promise("S1-45")
def test_the_baseline_answers_there_too(tmp_path: Path, top: Path) -> None:
    said, loaded = output(tmp_path, top)
    assert said == "no_model 0 [0.5, 0.5] [False, False]"
    assert "onnxruntime" not in loaded.split()


def needed(requirements: list[str]) -> set[str]:
    """Return the distributions that ``requirements`` bring along, theirs included."""
    found: set[str] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.name in found or (wanted.marker and not wanted.marker.evaluate({"extra": extra})):
            continue
        found.add(wanted.name)
        inner = importlib.metadata.requires(wanted.name) or []
        waiting += [(Requirement(text), extra) for text in inner for extra in (*wanted.extras, "")]
    return found


@pytest.mark.promise("S1-55")
def test_the_extra_serve_brings_nothing_heavy_and_stays_below_200_mib(top: Path) -> None:
    project = tomllib.loads((top / "pyproject.toml").read_text())["project"]
    found = needed([*project["dependencies"], *project["optional-dependencies"]["serve"]])
    assert {"numpy", "onnxruntime"} <= found
    assert not set(HEAVY) & found
    sizes = {name: sum(file.size or 0 for file in importlib.metadata.files(name) or []) for name in found}
    assert sum(sizes.values()) < 200 * 2**20, sizes
