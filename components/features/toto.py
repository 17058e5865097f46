"""Datadog's Toto: what a price may do next, as paths sampled from a foundation model for time series.

Source: Cohen et al. (2025), "This Time is Different: An Observability Perspective on Time Series Foundation Models".
The package is ``toto-ts``; it is imported when weights are loaded, in the image that holds it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import importlib
import warnings
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError

from components.core.errors import ArtifactError, EnvironmentMissingError, ForecasterDeviceError
from components.core.files import digest_of, sha256_of
from components.learning.faults import out_of_memory
from components.learning.reproducible import device_name

Floats = npt.NDArray[np.float64]

WEIGHTS: Final = ("model.safetensors", "config.json")
"""The files of a model: weights, and the sizes that they belong to."""
SEED: Final = 0
_DAY_S: Final = 86_400


@dataclass(frozen=True)
class Toto:
    """Loaded weights, and how they are asked."""

    source: str
    """The model's name and the digest of its files."""
    model: Any
    """The package's ``TotoForecaster``."""
    series: type[Any]
    """The package's ``MaskedTimeseries``."""
    device: torch.device
    horizon: int
    num_samples: int

    @property
    def identity(self) -> str:
        """A digest of all that its answers depend on besides the window."""
        versions = {name: metadata.version(name) for name in ("toto-ts", "torch")}
        place = device_name(self.device)
        return digest_of([self.source, self.horizon, self.num_samples, SEED, place, versions])

    def moments(self, window: npt.NDArray[np.float32]) -> Floats:
        """Return mean, then standard deviation, of the simple return over the next 1 ... ``horizon`` bars.

        ``window`` (bar,) holds closes as a share of the last one. All paths are one batch, and every window is given
        the same random numbers: what is said of it depends on it alone.

        Raises:
            OutOfMemoryError: If the paths do not fit into memory; the message names the setting to lower.
        """
        closes = torch.from_numpy(window)[None].to(self.device)
        inputs = self.series(
            series=closes,
            padding_mask=torch.ones_like(closes, dtype=torch.bool),
            id_mask=torch.zeros_like(closes),
            timestamp_seconds=torch.zeros_like(closes),  # asked for by the package, read by none of its layers
            time_interval_seconds=torch.full((1,), _DAY_S, device=self.device),
        )
        fewer = max(2, self.num_samples // 2)
        with out_of_memory(
            f"{self.num_samples} paths of Toto do not fit into memory. Lower data.toto_num_samples, such as to {fewer}"
        ):
            torch.manual_seed(SEED)
            found = self.model.forecast(
                inputs, prediction_length=self.horizon, num_samples=self.num_samples, samples_per_batch=self.num_samples
            )
            returns = found.samples[0, 0].double().cpu().numpy() - 1
        return np.concatenate([returns.mean(axis=-1), returns.std(axis=-1)])


def load(folder: Path, *, name: str, device: str, horizon: int, num_samples: int, allow_cpu: bool = False) -> Toto:
    """Return the model whose ``WEIGHTS`` lie in ``folder``, on its device; ``allow_cpu`` is for tests alone.

    Raises:
        ForecasterDeviceError: If the device is no GPU.
        EnvironmentMissingError: If there is no such GPU, no package or no weights.
        ArtifactError: If the weights do not fit the sizes beside them.
    """
    place = _device(device, allow_cpu=allow_cpu)
    if missing := [file for file in WEIGHTS if not (folder / file).is_file()]:
        raise EnvironmentMissingError(f"{folder}: has no {' and no '.join(missing)}. Put the files of {name} there")
    source = f"{name}@{digest_of({file: sha256_of(folder / file) for file in WEIGHTS})}"
    with warnings.catch_warnings():  # of optional parts that its packages would like
        warnings.simplefilter("ignore")
        try:
            package, forecaster, dataset = (
                importlib.import_module(f"toto.{module}")
                for module in ("model.toto", "inference.forecaster", "data.util.dataset")
            )
        except ImportError as error:
            raise EnvironmentMissingError(f"toto-ts: {error}. The image python-toto has it") from None
        try:
            loaded = package.Toto.load_from_checkpoint(str(folder), map_location=str(place), strict=True)
        except (RuntimeError, SafetensorError, TypeError, KeyError, ValueError) as error:
            raise ArtifactError(f"{folder}: the weights do not fit config.json: {error}. Fetch them again") from None
    model = forecaster.TotoForecaster(loaded.model)
    return Toto(source, model, dataset.MaskedTimeseries, place, horizon, num_samples)


def _device(name: str, *, allow_cpu: bool) -> torch.device:
    device = torch.device(name)
    if device.type == "cpu" and allow_cpu:
        return device
    if device.type != "cuda":
        raise ForecasterDeviceError(
            f"Toto refuses {name!r}: it forecasts on a GPU alone. Use data.toto_device=cuda, or "
            "data.use_toto_forecasts=false for the statistical approximation"
        )
    if (device.index or 0) >= torch.cuda.device_count():
        raise EnvironmentMissingError(f"torch sees {torch.cuda.device_count()} GPUs, Toto wants {name}")
    return device
