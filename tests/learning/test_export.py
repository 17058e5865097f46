"""The exported graph: named, of any batch, the same bytes everywhere, and it says what torch says."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from components.learning.export import OPSET, ParityError, Standardized, check_parity, export_onnx
from components.serving.graph import check_graph
from components.serving.loader import Served, Signature

SIGNATURE = Signature(input="bars", window=6, columns=("a", "b", "c"), outputs=("chance", "code", "rise"))
MEAN, STD = np.array([100.1, 1e9 + 1 / 3, 0.0]), np.array([2.3, 1e5 + 1 / 7, 1.0])


class Net(nn.Module):
    """Three kinds of output: a vector of chances, the code of the likeliest, a decision."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.LSTM(3, 8, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 4))

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden, _ = self.memory(windows)
        chances = torch.softmax(self.head(hidden[:, -1]), dim=-1)
        return chances, chances.argmax(dim=-1), chances[:, 0] >= 0.25


def made() -> tuple[nn.Module, np.ndarray[Any, Any]]:
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    windows = (MEAN + STD * rng.standard_normal((300, 6, 3))).astype(np.float32)
    return Standardized(Net(), MEAN, STD), windows


def exported(module: nn.Module, windows: np.ndarray[Any, Any]) -> bytes:
    example = torch.from_numpy(windows[:2])
    return export_onnx(module, example, input_name=SIGNATURE.input, output_names=SIGNATURE.outputs)


@pytest.mark.promise("S4-104")
def test_names_shapes_and_numbers_are_those_of_the_network() -> None:
    module, windows = made()
    content = exported(module, windows)
    assert check_parity(content, module, windows, SIGNATURE) < 1e-6
    graph = onnx.load_from_string(content).graph
    assert [item.name for item in graph.input] == ["bars"]
    assert [item.name for item in graph.output] == ["chance", "code", "rise"]
    for item in (*graph.input, *graph.output):
        assert item.type.tensor_type.shape.dim[0].dim_param == "batch"
    served = Served(content, SIGNATURE, name="graph")
    module.eval()
    for number in (1, 2, 300):
        chances, codes, rises = module(torch.from_numpy(windows[:number]))
        found = served.predict(windows[:number])
        np.testing.assert_allclose(found["chance"], chances.detach().numpy(), atol=1e-6)
        assert found["code"].tolist() == codes.tolist()
        assert found["rise"].tolist() == rises.tolist()


def test_the_scaling_in_the_graph_keeps_the_digits_of_large_numbers() -> None:
    class Last(nn.Module):
        def forward(self, windows: Tensor) -> Tensor:
            return windows[:, -1] * 1.0

    module, windows = Standardized(Last(), MEAN, STD), made()[1]
    signature = Signature(input="bars", window=6, columns=("a", "b", "c"), outputs=("z",))
    content = export_onnx(module, torch.from_numpy(windows[:2]), input_name="bars", output_names=["z"])
    expected = ((windows[:, -1].astype(np.float64) - MEAN) / STD).astype(np.float32)
    np.testing.assert_array_equal(Served(content, signature, name="graph").predict(windows)["z"], expected)


def test_the_model_is_of_this_opset_in_one_file_and_says_nothing_of_its_making(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    module, windows = made()
    content = exported(module, windows)
    said = capfd.readouterr()
    assert (said.out, said.err, [str(item.message) for item in recwarn]) == ("", "", [])
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", OPSET)]
    check_graph(content, name="graph")
    assert (model.producer_name, model.producer_version, model.doc_string) == ("", "", "")
    for word in (b"/components/", b"torch", b".py", b"site-packages", b"test_export"):
        assert word not in content, word


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.learning.test_export import exported, made
sys.stdout.buffer.write(exported(*made()))
"""


@pytest.mark.slow
def test_two_processes_in_two_folders_write_the_same_bytes(top: Path, tmp_path: Path) -> None:
    found: list[bytes] = []
    for name, hash_seed, threads in (("here", "0", "1"), ("somewhere/else", "77", "2")):
        folder = tmp_path / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(top / "components", folder / "components", ignore=ignored)
        shutil.copytree(top / "tests" / "learning", folder / "tests" / "learning", ignore=ignored)
        environment = {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": threads, "PATH": "", "HOME": str(folder)}
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM, str(folder)],
            cwd=folder, capture_output=True, check=True, timeout=300, env=environment,
        )  # fmt: skip
        assert done.stderr == b""
        found.append(done.stdout)
    assert len(found[0]) > 1000
    assert found[0] == found[1]


def test_a_graph_that_says_something_else_is_refused() -> None:
    module, windows = made()
    content = exported(module, windows)
    other = Standardized(Net(), MEAN, STD)
    with pytest.raises(ParityError, match=r"output 'chance' differs by 0\.\d+ from torch's, more than 0.0001"):
        check_parity(content, other, windows, SIGNATURE)


def test_a_decision_on_the_edge_may_fall_either_way_but_not_many() -> None:
    class Edge(nn.Module):
        def __init__(self, edge: float) -> None:
            super().__init__()
            self.edge = edge

        def forward(self, windows: Tensor) -> Tensor:
            return windows[:, -1, 0] >= self.edge

    signature = Signature(input="bars", window=1, columns=("a",), outputs=("rise",))
    windows = np.arange(200, dtype=np.float32).reshape(200, 1, 1)
    content = export_onnx(Edge(100.0), torch.from_numpy(windows[:2]), input_name="bars", output_names=["rise"])
    assert check_parity(content, Edge(101.5), windows, signature) == 0.0
    with pytest.raises(ParityError, match="output 'rise': 3 of 200 differ"):
        check_parity(content, Edge(102.5), windows, signature)
