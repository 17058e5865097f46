"""What is not a bundle of ours is refused before anything of it runs."""

import json
import os
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from components.core.bundle import MANIFEST, Bundle
from components.core.errors import ArtifactError
from components.core.files import digest_of, read_json, sha256_of, write_json
from components.serving.graph import check_graph
from components.serving.loader import GRAPH, load

Seal = Callable[..., Bundle]
Graph = Callable[..., onnx.ModelProto]
Floats = np.ndarray[Any, Any]


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mknod, (str(self.path),))


def relisted(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and give it the digest that fits."""
    manifest = read_json(folder / MANIFEST)
    change(manifest)
    names = ("format", "family", "config", "schema", "data", "files")
    write_json(folder / MANIFEST, {**manifest, "digest": digest_of({name: manifest.get(name) for name in names})})


def _pickled_weights(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Bomb(folder.parent / "exploded")))
    seal(folder, graph.SerializeToString())


def _pickled_file(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    (folder / "scaler.pkl").write_bytes(pickle.dumps(Bomb(folder.parent / "exploded")))
    seal(folder, graph.SerializeToString())


def _safetensors(content: bytes) -> Callable[[Path, Seal, onnx.ModelProto], None]:
    def make(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
        (folder / "weights.safetensors").write_bytes(content)
        seal(folder, graph.SerializeToString())

    return make


def _path_outside(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, graph.SerializeToString())
    outside = folder.parent / "outside.json"
    outside.write_text("{}")
    relisted(folder, lambda m: m["files"].update({"../outside.json": sha256_of(outside)}))


def _absolute_path(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, graph.SerializeToString())
    relisted(folder, lambda m: m["files"].update({"/etc/hostname": "0" * 64}))


def _linked_graph(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, graph.SerializeToString())
    (folder / GRAPH).rename(folder.parent / GRAPH)
    (folder / GRAPH).symlink_to(folder.parent / GRAPH)


def _linked_folder(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, graph.SerializeToString())
    (folder / "more").symlink_to(folder.parent)


def _pipe(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, graph.SerializeToString())
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)


def _huge_file(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, graph.SerializeToString())
    with (folder / GRAPH).open("r+b") as file:
        file.truncate(2 << 30)  # a hole: it takes no space


def _many_files(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    for number in range(100):
        (folder / f"{number}.json").write_text("{}")
    seal(folder, graph.SerializeToString())


def _altered(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, graph.SerializeToString())
    (folder / GRAPH).write_bytes(graph.SerializeToString() + b"\0")


def _extra(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, graph.SerializeToString())
    (folder / "more.json").write_text("{}")


def _no_graph(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, None)


def _manifest(text: str) -> Callable[[Path, Seal, onnx.ModelProto], None]:
    def make(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
        seal(folder, graph.SerializeToString())
        (folder / MANIFEST).write_text(text)

    return make


def _listed_as_list(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
    seal(folder, graph.SerializeToString())
    relisted(folder, lambda m: m.update(files=[GRAPH]))


def _graph(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path, Seal, onnx.ModelProto], None]:
    def make(folder: Path, seal: Seal, graph: onnx.ModelProto) -> None:
        change(graph)
        seal(folder, graph.SerializeToString())

    return make


def _outside_data(graph: onnx.ModelProto) -> None:
    tensor = graph.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _outside_attribute(graph: onnx.ModelProto) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], name="t", data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/dev/zero")
    graph.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def _huge_tensor(graph: onnx.ModelProto) -> None:
    graph.graph.initializer[1].dims.extend([1 << 40])


def _empty_huge_tensor(graph: onnx.ModelProto) -> None:
    graph.graph.initializer.add(name="big", data_type=TensorProto.FLOAT, dims=[1 << 40], float_data=[0.0])


def _texts(graph: onnx.ModelProto) -> None:
    graph.graph.initializer.append(helper.make_tensor("texts", TensorProto.STRING, [1], [b"x"]))


def _sparse(graph: onnx.ModelProto) -> None:
    values = helper.make_tensor("values", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("indices", TensorProto.INT64, [1], [0])
    graph.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 40]))


def _foreign_operator(graph: onnx.ModelProto) -> None:
    graph.graph.node.append(helper.make_node("Run", ["mean"], ["more"], domain="evil.ops"))


def _foreign_set(graph: onnx.ModelProto) -> None:
    graph.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _function(graph: onnx.ModelProto) -> None:
    sets = [helper.make_opsetid("", 20)]
    node = helper.make_node("Identity", ["a"], ["b"])
    graph.functions.append(helper.make_function("", "Again", ["a"], ["b"], [node], sets))


def _loop(graph: onnx.ModelProto) -> None:
    flag = helper.make_tensor_value_info("go", TensorProto.BOOL, [])
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"])], "body", [flag], [flag])
    graph.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))


CORPUS: dict[str, tuple[Callable[[Path, Seal, onnx.ModelProto], None], str]] = {
    "a pickle in the place of weights": (_pickled_weights, "no safetensors file"),
    "a pickle beside the weights": (_pickled_file, "holds .json, .onnx, .safetensors only"),
    "weights with a huge header": (_safetensors(struct.pack("<Q", 1 << 62) + b"{}"), "header declares"),
    "weights that declare more": (
        _safetensors(struct.pack("<Q", 37) + b'{"w":{"data_offsets":[0,4611686018]}}'),
        "declares other tensors than it brings",
    ),
    "weights without sense": (_safetensors(struct.pack("<Q", 9) + b'{"w":{}} '), "header does not read"),
    "weights that are empty": (_safetensors(b""), "no safetensors file"),
    "a path that leaves the folder": (_path_outside, "missing, though the manifest lists it"),
    "an absolute path": (_absolute_path, "missing, though the manifest lists it"),
    "a link to the graph": (_linked_graph, "a link or a device"),
    "a link to a folder": (_linked_folder, "a link or a device"),
    "a pipe": (_pipe, "a link or a device"),
    "a file of 2 GiB": (_huge_file, "at most 1,073,741,824 are read"),
    "a hundred files": (_many_files, "more than 64 files"),
    "an altered byte": (_altered, "sha256 differs"),
    "an extra file": (_extra, "not in the manifest"),
    "no graph": (_no_graph, "lists no file 'model.onnx'"),
    "a manifest of brackets": (_manifest("[" * 100_000), "not JSON"),
    "a manifest with NaN": (_manifest('{"format": NaN}'), "not JSON"),
    "a manifest that is empty": (_manifest("{}"), "bundle format None"),
    "a manifest that lists nothing": (_manifest('{"format": 1}'), "'family' is no str"),
    "files as a list": (_listed_as_list, "'files' is no dict"),
    "data in another file": (_graph(_outside_data), "points to data in another file"),
    "an attribute in another file": (_graph(_outside_attribute), "points to data in another file"),
    "a tensor that declares more": (_graph(_huge_tensor), "declares 1099511627776 elements but brings 4 bytes"),
    "numbers that are not there": (_graph(_empty_huge_tensor), "declares 1099511627776 elements"),
    "texts": (_graph(_texts), "tensor of texts"),
    "a sparse tensor": (_graph(_sparse), "sparse tensor"),
    "an operator of another domain": (_graph(_foreign_operator), "domain 'evil.ops'"),
    "another operator set": (_graph(_foreign_set), "domain 'com.microsoft'"),
    "a function": (_graph(_function), "functions"),
    "a loop": (_graph(_loop), "a loop or a branch"),
    "an empty graph": (lambda folder, seal, graph: seal(folder, b""), "0 graphs"),
    "no graph at all": (lambda folder, seal, graph: seal(folder, b"\x80" * 64), "no ONNX model"),
    "a field longer than the file": (lambda folder, seal, graph: seal(folder, b"\x3a\xff\xff\xff\x7f"), "declares"),
}  # fmt: skip


@pytest.mark.parametrize("case", CORPUS.values(), ids=CORPUS.keys())
def test_a_hostile_artifact_is_refused_before_the_runtime_is_even_imported(
    tmp_path: Path, graph_of: Graph, seal: Seal, monkeypatch: pytest.MonkeyPatch, case: tuple[Any, str]
) -> None:
    make, message = case
    folder = tmp_path / "bundle"
    folder.mkdir()
    make(folder, seal, graph_of())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # had the guard let it through, this would be named
    with pytest.raises(ArtifactError, match=message):
        load(folder)
    assert not (tmp_path / "exploded").exists()


def test_no_damage_to_a_graph_gives_anything_but_a_named_error(graph_of: Graph) -> None:
    content = graph_of().SerializeToString()
    check_graph(content, name="whole")
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = rng.integers(256)
        try:
            check_graph(bytes(damaged[: rng.integers(1, len(content) + 1)]), name="damaged")
        except ArtifactError:
            refused += 1
    assert refused > 1000


def test_the_corpus_is_harmful_where_nobody_guards(tmp_path: Path, graph_of: Graph, seal: Seal) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    _pickled_weights(folder, seal, graph_of())
    pickle.loads((folder / "weights.safetensors").read_bytes())  # noqa: S301 - that is the point
    assert (tmp_path / "exploded").exists()
    assert json.loads((folder / MANIFEST).read_text())["files"].keys() == {GRAPH, "weights.safetensors"}
