"""A sealed bundle as something that predicts: numpy and onnxruntime, no torch.

Every byte is checked before the runtime sees it, and the session is built from the very bytes that were checked.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from components.core import bundle as bundles
from components.core.errors import ArtifactError, DataError, EnvironmentMissingError
from components.serving.folder import check_folder
from components.serving.graph import check_graph

GRAPH: Final = "model.onnx"
BATCH: Final = 32
"""Windows per call of the runtime: few enough that what lies between two layers stays in the core's cache. Measured on
the price-action network, windows per CPU second: 1,780 with 32, 1,300 with 128, 1,000 with 512."""

Array = npt.NDArray[Any]
Windows = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What goes into a graph and what comes out, as its bundle's schema says."""

    input: str
    """Name of the input: raw windows, float32 [batch, window, column]."""
    window: int
    columns: tuple[str, ...]
    """Names of the features, in the order of the input's last axis."""
    outputs: tuple[str, ...]
    """Names of the outputs, in order; each has one entry per window."""

    @classmethod
    def of(cls, schema: Mapping[str, Any], *, name: str) -> Self:
        """Return the signature that a schema states; ``name`` is the file that messages name.

        Raises:
            ArtifactError: If it states none: the bundle was made without a graph.
        """
        lists = [schema.get(key) for key in ("columns", "outputs")]
        texts = all(isinstance(items, list) and all(isinstance(item, str) for item in items) for items in lists)
        if not texts or not isinstance(schema.get("input"), str) or not isinstance(schema.get("window"), int):
            raise ArtifactError(f"{name}: the schema names no input, window, columns and outputs. Train it again")
        columns, outputs = (tuple(items or ()) for items in lists)
        return cls(input=schema["input"], window=schema["window"], columns=columns, outputs=outputs)

    def document(self) -> dict[str, Any]:
        """Return what the schema of a bundle holds."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def runtime() -> ModuleType:
    """Return onnxruntime.

    Raises:
        EnvironmentMissingError: If it is not installed.
    """
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise EnvironmentMissingError(f"onnxruntime: {error}. Install quantfoundry[serve]") from None


class Served:
    """A graph that was checked and is ready to predict."""

    def __init__(
        self,
        content: bytes,
        signature: Signature,
        *,
        name: str,
        digest: str = "",
        forecast_source: str | None = None,
        threads: int = 1,
    ) -> None:
        """Build the session; ``name`` is the file that messages name, ``forecast_source`` made what it was trained on.

        Raises:
            ArtifactError: If the graph is not one that may be run, does not run, or does not fit ``signature``.
            EnvironmentMissingError: If onnxruntime is not installed.
        """
        check_graph(content, name=name)
        ort = runtime()
        state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
        own = [item for item in vars(state).values() if isinstance(item, type) and issubclass(item, Exception)]
        self._errors: tuple[type[Exception], ...] = (RuntimeError, *own)  # its classes share no root
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 4  # its errors are raised; said on stderr too they would be said twice
        try:
            self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except self._errors as error:
            raise ArtifactError(f"{name}: onnxruntime refuses it: {error}. Train it again") from None
        self.signature, self.digest, self.forecast_source, self._name = signature, digest, forecast_source, name
        self._check_signature()

    def _check_signature(self) -> None:
        inputs, wanted = self._session.get_inputs(), self.signature
        shape = [wanted.window, len(wanted.columns)]
        found = [(item.name, item.type, item.shape[1:]) for item in inputs]
        if found != [(wanted.input, "tensor(float)", shape)] or isinstance(inputs[0].shape[0], int):
            said = [(item.name, item.type, item.shape) for item in inputs]
            raise ArtifactError(
                f"{self._name}: its inputs are {said}, the schema says {wanted.input!r}, float [any, *{shape}]. "
                "Train it again"
            )
        outputs = tuple(item.name for item in self._session.get_outputs())
        if outputs != wanted.outputs:
            raise ArtifactError(f"{self._name}: its outputs are {outputs}, the schema says {wanted.outputs}")

    def predict(self, windows: Windows) -> dict[str, Array]:
        """Return each output by name, one entry per window of raw features [n, time, feature].

        Raises:
            DataError: If the windows have another shape or type, or hold a number that is not finite.
            ArtifactError: If an output is not finite, or the runtime gives up.
        """
        wanted = self.signature
        if windows.dtype != np.float32 or windows.shape[1:] != (wanted.window, len(wanted.columns)):
            raise DataError(
                f"{windows.dtype} {list(windows.shape)}",
                file="windows",
                remedy=f"The model reads float32 [n, {wanted.window}, {len(wanted.columns)}]: {wanted.columns}",
            )
        parts = [self._run(windows[start : start + BATCH]) for start in range(0, max(len(windows), 1), BATCH)]
        return {
            name: np.concatenate(values) for name, values in zip(wanted.outputs, zip(*parts, strict=True), strict=True)
        }

    def _run(self, windows: Windows) -> list[Array]:
        if not np.isfinite(windows).all():
            raise DataError("a feature is not a finite number", file="windows", remedy="Leave out warm-up rows")
        try:
            found: list[Array] = self._session.run(None, {self.signature.input: np.ascontiguousarray(windows)})
        except self._errors as error:
            raise ArtifactError(f"{self._name}: onnxruntime gives up: {error}. Train it again") from None
        for name, values in zip(self.signature.outputs, found, strict=True):
            if len(values) != len(windows) or not np.isfinite(values).all():
                raise ArtifactError(f"{self._name}: output {name!r} is not a finite number per window. Train it again")
        return found


def load(folder: Path, *, expect: str | None = None, threads: int = 1) -> Served:
    """Return the model of the bundle in ``folder``, after checking every file of it.

    Raises:
        ArtifactError: If a file is missing, added, altered, a link or of another kind, if the bundle's
            digest is not ``expect``, or if its graph is not one that may be run.
        EnvironmentMissingError: If onnxruntime is not installed.
    """
    check_folder(folder)
    bundle = bundles.load(folder, expect=expect)
    signature = Signature.of(bundle.manifest["schema"], name=str(folder))
    path = bundle.path(GRAPH)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != bundle.manifest["files"][GRAPH]:
        raise ArtifactError(f"{path}: changed while it was read. Load it again")
    source = bundle.manifest["data"].get("forecast_source")
    return Served(content, signature, name=str(path), digest=bundle.digest, forecast_source=source, threads=threads)
