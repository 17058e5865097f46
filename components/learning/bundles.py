"""What every bundle of a network holds, written and read the same way: weights, scaler, and where they come from."""

# pyright: reportUnknownMemberType=false
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from components.core.bundle import Bundle
from components.core.config import Config
from components.core.errors import ArtifactError, DataError
from components.core.files import atomic_file, digest_of, read_json, write_json
from components.learning.examples import Examples
from components.learning.export import exported
from components.learning.reproducible import device_name
from components.market.columns import FORECASTS_BY
from components.market.examples_manifest import require_same_forecasts
from components.serving.loader import GRAPH, Signature

WEIGHTS, SCALER, HISTORY, FACTS = "weights.safetensors", "scaler.json", "history.json", "model.json"

SEEN = ("train", "validation", "calibration")
"""Zones whose days decide what a model becomes."""


def require_columns(examples: Examples, wanted: Sequence[str]) -> None:
    """Check that the features are those of the family, in its order.

    Raises:
        DataError: If they are not.
    """
    if examples.columns != tuple(wanted):
        raise DataError(
            f"the features are {', '.join(examples.columns)}",
            file="examples",
            remedy=f"This family reads {', '.join(wanted)}, in that order",
        )


def training_key(family: str, config: Config, data: Examples, *, processes: int = 1) -> str:
    """Return the name under which a training may be resumed: another recipe or other data has another one."""
    facts = {"config": config.digest(), "examples": data.digest, "family": family, "processes": processes}
    return digest_of(facts)[:32]


def write_files(
    folder: Path,
    model: nn.Module,
    data: Examples,
    *,
    history: Mapping[str, list[float]],
    facts: Mapping[str, Any],
) -> None:
    """Write weights, scaler, history and ``model.json``, which holds ``facts`` beside what all networks tell."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_file(folder / WEIGHTS) as file:
        file.write(save(weights))
    (folder / WEIGHTS).chmod(0o640)
    columns = list(data.columns)
    write_json(folder / SCALER, {"mean": data.mean.tolist(), "std": data.std.tolist(), "feature_columns": columns})
    write_json(folder / HISTORY, dict(history))
    shape = {"model_state_dict": WEIGHTS, "feature_columns": columns, "input_dim": len(columns)}
    write_json(folder / FACTS, {**shape, "num_parameters": num_parameters(model), **facts})


def signature_of(columns: Sequence[str], window: int, outputs: Sequence[str]) -> Signature:
    """Return what goes into the network, raw windows [batch, window, column], and the names of what comes out."""
    return Signature(input="windows", window=window, columns=tuple(columns), outputs=tuple(outputs))


def write_graph(folder: Path, model: nn.Module, data: Examples, signature: Signature, *, horizon: int) -> None:
    """Write the ONNX graph of a trained network, compared with it on windows that no weight was fitted on.

    Raises:
        ParityError: If graph and network differ.
    """
    content = exported(model, signature, data, horizon=horizon)
    with atomic_file(folder / GRAPH) as file:
        file.write(content)


def num_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def origin(data: Examples) -> dict[str, Any]:
    """Return what a bundle says of the data it was trained on."""
    known = ("features_digest", "dataset", "service", "labeller", FORECASTS_BY)
    kept = {key: data.manifest[key] for key in known if key in data.manifest}
    return {"examples": data.digest, **kept, "seen_until": seen_until(data)}


def seen_until(data: Examples) -> str:
    """Return the last time, as ISO text in UTC, that decides what a model becomes that is trained on these examples."""
    return _iso(data.panel.timestamps[_deciding(data)].max())


def judged_from(data: Examples) -> str | None:
    """Return the first time, as ``seen_until`` has it, on which what is trained is judged; None if there is no such."""
    later = data.panel.timestamps[(data.zone >= 0) & ~_deciding(data)]
    return _iso(later.min()) if len(later) else None


def _deciding(data: Examples) -> npt.NDArray[np.bool_]:
    return np.isin(data.zone, [code for code, name in enumerate(data.zones) if name in SEEN])


def _iso(time: np.datetime64) -> str:
    return f"{time.astype('datetime64[s]')}+00:00"


def notes(*, threads: int, device: torch.device, started: datetime, finished: datetime) -> dict[str, Any]:
    """Return what a bundle says of the machine and the hour, which does not change its digest."""
    return {
        "torch": torch.__version__,
        "threads": threads,
        "device": str(device),
        "gpu": device_name(device),
        "started": started.isoformat(),
        "finished": finished.isoformat(),
    }


def load_weights(bundle: Bundle, model: nn.Module) -> None:
    """Put the weights of a bundle into ``model``, with dropout off.

    Raises:
        ArtifactError: If they do not fit the sizes that the bundle states.
    """
    path = bundle.path(read_json(bundle.path(FACTS))["model_state_dict"])
    try:
        model.load_state_dict(load(path.read_bytes()))
    except (RuntimeError, SafetensorError) as error:
        raise ArtifactError(f"{path}: the weights do not fit the recipe: {error}. Train it again") from None
    model.eval()


def require_same_columns(bundle: Bundle, data: Examples) -> None:
    """Check that a bundle was trained on the features that ``data`` has, and on forecasts of the same source.

    Raises:
        ArtifactError: If it was not.
    """
    trained_on = tuple(read_json(bundle.path(SCALER))["feature_columns"])
    if data.columns != trained_on:
        raise ArtifactError(f"{bundle.folder}: trained on features {trained_on}, the examples have {data.columns}")
    require_same_forecasts(bundle, data.manifest)
