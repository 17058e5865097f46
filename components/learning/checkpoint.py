"""Checkpoints as data: tensors in safetensors, the rest in JSON, the manifest last.

A process killed at any moment leaves the newest whole checkpoint in place. One that was
damaged afterwards is said aloud and the one before it is used.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from components.core.errors import ArtifactError
from components.core.files import atomic_file, digest_of, read_json, require_writable, write_json

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on with the same bits."""

    tensors: Mapping[str, Tensor]
    """By dotted name, such as ``model.head.0.weight``."""
    values: Mapping[str, Any]
    """Counters and history, as JSON."""

    def group(self, name: str) -> dict[str, Tensor]:
        """Return the tensors whose name starts with ``name.``, without that prefix."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


class CheckpointStore:
    """The newest ``keep`` checkpoints of one run, in one folder that no other process writes.

    One that only ``reads`` leaves the folder as it is; any other raises ``EnvironmentMissingError`` at once if it
    cannot write there.
    """

    def __init__(self, folder: Path, *, log: logging.Logger, keep: int = 3, reads: bool = False) -> None:
        self._folder, self._log, self._keep = folder, log, keep
        if reads:
            return
        require_writable(folder)
        for rest in folder.glob(".*.tmp"):
            rest.unlink()
        listed = {_blob(manifest) for manifest in self._manifests()}
        for blob in set(folder.glob("checkpoint-*.safetensors")) - listed:
            blob.unlink()

    def _manifests(self) -> list[Path]:
        return sorted(self._folder.glob("checkpoint-*.json"))

    def save(self, checkpoint: Checkpoint, *, label: str = "") -> None:
        """Write a checkpoint that becomes the newest, then drop those beyond ``keep``.

        ``label`` is the part of its name that is for people.
        """
        before = self._manifests()
        number = int(before[-1].stem.split("-")[1]) + 1 if before else 0
        manifest = self._folder / f"checkpoint-{number:08d}{label and f'-{label}'}.json"
        content = save({name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()})
        with atomic_file(_blob(manifest)) as file:
            file.write(content)
        values = dict(checkpoint.values)
        write_json(
            manifest,
            {
                "format": FORMAT,
                "sha256": hashlib.sha256(content).hexdigest(),
                "values": values,
                "values_sha256": digest_of(values),
            },
        )
        for old in (*before, manifest)[: -self._keep]:
            old.unlink()
            _blob(old).unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole, or None if there is none."""
        for manifest in reversed(self._manifests()):
            try:
                return _read(manifest)
            except (ArtifactError, OSError, SafetensorError) as error:
                self._log.warning("checkpoint %s is damaged, using the one before it: %s", manifest.name, error)
        return None


def _blob(manifest: Path) -> Path:
    return manifest.with_name(f"{manifest.name.removesuffix('.json')}.safetensors")


def _read(manifest: Path) -> Checkpoint:
    facts = read_json(manifest)
    content = _blob(manifest).read_bytes()
    if facts.get("format") != FORMAT:
        raise ArtifactError(f"format {facts.get('format')!r}, this version reads {FORMAT}")
    if facts.get("sha256") != hashlib.sha256(content).hexdigest():
        raise ArtifactError("the sha256 of the tensors differs from the manifest")
    if facts.get("values_sha256") != digest_of(facts.get("values")):
        raise ArtifactError("the sha256 of the values differs from the manifest")
    return Checkpoint(load(content), facts["values"])


def epoch_label(epoch: int, val_loss: float | None) -> str:
    """Return the label of a checkpoint after ``epoch`` whole epochs, with the last validation loss if there is one."""
    return f"epoch-{epoch:03d}" + ("" if val_loss is None else f"-val_loss-{val_loss:.4f}")


def named(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``tensors`` with ``group.`` before each name."""
    return {f"{group}.{name}": tensor for name, tensor in tensors.items()}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of each parameter, by ``<number of the parameter>.<name of the state>``."""
    state = cast("dict[int, dict[str, Tensor]]", optimizer.state_dict()["state"])
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Set the state that ``optimizer_tensors`` returned; learning rates stay those of ``optimizer``."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
