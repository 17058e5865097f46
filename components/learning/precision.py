"""Mixed precision: the forward pass in 16 bits where the device gains from it, weights and losses in 32.

Source: Micikevicius et al. (2018), "Mixed Precision Training", for the scaling of float16 losses.
"""

# pyright: reportUnknownMemberType=false, reportPrivateImportUsage=false
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from components.core.errors import EnvironmentMissingError
from components.learning.settings import PrecisionConfig


def computes_bfloat16(device: torch.device) -> bool:
    """Return whether ``device``, which must be of this machine, has units for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def resolved_format(config: PrecisionConfig, device: torch.device, *, has_bfloat16: bool) -> torch.dtype:
    """Return the number format that ``config`` asks for on ``device``.

    ``auto`` is the one in which the device computes fastest without harm: every GPU computes in 16 bits, a CPU
    only where it has units for bfloat16; ``gpu`` leaves every CPU at 32.

    Raises:
        EnvironmentMissingError: If float16 is asked for on a CPU.
    """
    if config.format == "float16" and device.type != "cuda":
        raise EnvironmentMissingError("train.precision.format is float16, which wants a GPU. Use bfloat16 or auto")
    if config.format == "gpu" and device.type == "cpu":
        return torch.float32
    if config.format not in ("auto", "gpu"):
        return getattr(torch, config.format)
    if has_bfloat16:
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else torch.float32


class Precision:
    """One training's number format. float16 has too few exponents for gradients, so its losses are scaled."""

    def __init__(self, config: PrecisionConfig, device: torch.device) -> None:
        """Take the format that ``config`` names, on ``device``.

        Raises:
            EnvironmentMissingError: If float16 is asked for on a CPU.
        """
        self.dtype = resolved_format(config, device, has_bfloat16=computes_bfloat16(device))
        self._device = device
        self._scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)

    @property
    def may_overflow(self) -> bool:
        """Whether a gradient that is not finite is no fault: its step is skipped."""
        return self._scaler.is_enabled()

    def autocast(self) -> torch.autocast:
        """Return the context of a forward pass; with float32 it changes nothing."""
        enabled = self.dtype != torch.float32
        return torch.autocast(self._device.type, self.dtype if enabled else None, enabled=enabled)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of ``loss``, scaled where the format needs it."""
        self._scaler.scale(loss).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring the gradient to its true size, which clipping and its record want."""
        self._scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the step; a scaled gradient that overflowed is skipped and the scale is lowered."""
        self._scaler.step(optimizer)
        self._scaler.update()

    def values(self) -> dict[str, Any]:
        """Return the state of the scaling as JSON, for the checkpoint; empty where nothing is scaled."""
        return self._scaler.state_dict()

    def restore(self, values: Mapping[str, Any]) -> None:
        """Set the state that ``values`` returned."""
        if values:
            self._scaler.load_state_dict(dict(values))
