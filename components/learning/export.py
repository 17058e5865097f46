"""A trained network as an ONNX graph that a machine without torch runs; the same weights give the same bytes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import contextlib
import copy
import logging
import warnings
from collections.abc import Generator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from google.protobuf.message import Message
from torch import Tensor, nn

from components.core.errors import QuantfoundryError
from components.learning.examples import Examples
from components.serving.loader import Served, Signature, Windows

OPSET: Final = 20
PARITY: Final = 1e-4
"""Largest difference between an output of the graph and the same output of torch."""
PARITY_WINDOWS: Final = 256
"""Windows on which the graph is compared with the network."""
SAME_CLASS: Final = 0.99
"""Least share of the windows on which a class or a decision is the same: one on the edge may fall either way."""

_LOGGERS: Final = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


class ParityError(QuantfoundryError):
    """The exported graph says something else than the network it was made of."""


class Standardized(nn.Module):
    """Raw windows (batch, time, feature), z-scored as the training data was, through ``inner``."""

    mean: Tensor
    std: Tensor

    def __init__(self, inner: nn.Module, mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64]) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("std", torch.from_numpy(std))

    def forward(self, windows: Tensor) -> Any:
        """Return what ``inner`` says; the scaling is done in float64, where prices keep their digits."""
        return self.inner(((windows.double() - self.mean) / self.std).float())


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep the exporter's notes on its own workings out of the logs; what goes wrong is raised."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _strip(message: Message) -> None:
    """Remove, all the way down, what says where and how the graph was made: paths, stack traces, notes."""
    for field, value in message.ListFields():
        if field.name in {"doc_string", "metadata_props", "value_info", "producer_name", "producer_version"}:
            message.ClearField(field.name)
        elif field.type == field.TYPE_MESSAGE:
            for item in value if field.is_repeated else (value,):
                _strip(item)


def export_onnx(module: nn.Module, example: Tensor, *, input_name: str, output_names: Sequence[str]) -> bytes:
    """Return ``module`` as an ONNX model that takes any number of windows like those of ``example``.

    ``module`` maps windows (batch, time, feature) to one tensor, or a tuple of them, in the order of
    ``output_names``, each with the batch first; it is exported with dropout off, on the CPU. The
    bytes depend on the weights and the code alone: not on the folder, the process or the clock.
    """
    twin = copy.deepcopy(module).cpu().eval()
    any_batch = ({0: torch.export.Dim("batch", min=1)},)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            twin, (example.cpu(),), dynamo=True, opset_version=OPSET, input_names=[input_name],
            output_names=list(output_names), dynamic_shapes=any_batch, external_data=False, verbose=False,
        )  # fmt: skip
        model = program.model_proto if program is not None else None
    if model is None:
        raise ParityError("torch gave no graph. Train it again")
    _strip(model)
    return model.SerializeToString(deterministic=True)


def check_parity(content: bytes, module: nn.Module, windows: Windows, signature: Signature) -> float:
    """Return the largest difference between the graph and ``module`` on ``windows``.

    Raises:
        ParityError: If a number differs by more than ``PARITY``, or more than one window in a hundred (and
            more than one) has another class.
        ArtifactError: If the graph does not run, or does not fit ``signature``.
    """
    said = Served(content, signature, name="the exported graph").predict(windows)
    with torch.inference_mode():
        answers: Tensor | tuple[Tensor, ...] = copy.deepcopy(module).cpu().eval()(torch.from_numpy(windows))
    largest = 0.0
    for name, answer in zip(said, answers if isinstance(answers, tuple) else (answers,), strict=True):
        theirs, ours = answer.numpy(), said[name]
        if theirs.shape != ours.shape:
            raise ParityError(f"output {name!r} has shape {list(ours.shape)}, torch says {list(theirs.shape)}")
        if np.issubdtype(ours.dtype, np.floating):
            largest = max(largest, float(np.abs(ours.astype(np.float64) - theirs).max(initial=0.0)))
            if not largest <= PARITY:
                raise ParityError(f"output {name!r} differs by {largest:g} from torch's, more than {PARITY:g}")
        elif np.count_nonzero(ours != theirs) > max(1, (1 - SAME_CLASS) * ours.size):
            raise ParityError(f"output {name!r}: {np.count_nonzero(ours != theirs)} of {ours.size} differ from torch's")
    return largest


def exported(module: nn.Module, signature: Signature, data: Examples, *, horizon: int) -> bytes:
    """Return the ONNX graph of a trained network, compared with it on windows that no weight was fitted on.

    Raises:
        ParityError: If graph and network differ.
    """
    window = signature.window
    zones = (data.windows(zone, window, horizon) for zone in ("calibration", "validation"))
    ends = next(found for found in zones if len(found))
    chosen = ends[np.linspace(0, len(ends) - 1, min(PARITY_WINDOWS, len(ends))).astype(int)]
    windows = data.raw_windows(chosen, window)
    example = torch.from_numpy(windows[[0, 0]])
    content = export_onnx(module, example, input_name=signature.input, output_names=signature.outputs)
    check_parity(content, module, windows, signature)
    return content
