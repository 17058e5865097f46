"""What a sealed bundle says about each window of a zone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.files import read_json
from components.core.recipe import HOLDOUT
from components.families.price_action.config import ModelConfig, PriceActionConfig
from components.families.price_action.data import Scaler, beside_outcomes, place_windows, tile
from components.families.price_action.dense import DenseTransformer
from components.families.price_action.model import PriceActionTransformer
from components.families.price_action.threshold import Calibration
from components.learning.batches import Windows
from components.learning.examples import read_examples
from components.learning.precision import Precision
from components.learning.reproducible import choose_device, reproducible
from components.learning.settings import PrecisionConfig
from components.learning.slabs import Slabs
from components.market.predictions import Predictions

BATCH = 256
"""Windows per forward pass; the answer to one does not depend on the others."""

_FULL = PrecisionConfig()


def build(config: ModelConfig, *, num_features: int, window: int) -> PriceActionTransformer:
    """Return a new network of the form that the recipe names."""
    form = DenseTransformer if config.form == "dense" else PriceActionTransformer
    return form(config, num_features=num_features, window=window)


def log_odds(
    model: PriceActionTransformer,
    windows: Windows,
    slabs: Slabs,
    *,
    precision: PrecisionConfig = _FULL,
) -> npt.NDArray[np.float64]:
    """Return the log-odds of the samples in ``slabs``, in the order of slabs and rows, with dropout off."""
    model.eval()
    with torch.inference_mode(), Precision(precision, slabs.ends.device).autocast():
        parts = slabs.split(BATCH)
        answers = [model.logits(windows.gather(part.ends))[part.counted].double().cpu() for part in parts]
    return torch.cat(answers).numpy() if answers else np.empty(0)


def load_model(bundle: Bundle, config: PriceActionConfig) -> PriceActionTransformer:
    """Return the network of a bundle, with dropout off.

    Raises:
        ArtifactError: If the weights do not fit the sizes that the bundle states.
    """
    facts = read_json(bundle.path("model.json"))
    model = build(config.model, num_features=facts["input_dim"], window=facts["window_size"])
    path = bundle.path(facts["model_state_dict"])
    try:
        model.load_state_dict(load(path.read_bytes()))
    except RuntimeError as error:
        raise ArtifactError(f"{path}: the weights do not fit the recipe: {error}. Train it again") from None
    return model.eval()


def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> Predictions:
    """Return the calibrated probability of every labelled window of ``zone``, none if there is no such zone.

    ``bundle`` comes from ``components.core.bundle.load``, so every byte of it was checked.

    Raises:
        ArtifactError: If the weights are unusable, the features are others, or a probability is not finite.
        DataError: If the examples cannot be trusted.
    """
    config = PriceActionConfig.parse(bundle.manifest["config"], name=f"{bundle.folder}: config")
    facts, scaler = read_json(bundle.path("model.json")), Scaler.read(bundle.path("scaler.json"))
    data = read_examples(examples, holdout=zone == HOLDOUT)
    if data.columns != scaler.columns:
        raise ArtifactError(f"{examples}: features {data.columns}, the bundle was trained on {scaler.columns}")
    calibration = Calibration(**facts["calibration"])
    ends = data.windows(zone, config.data.window, config.data.horizon)
    with reproducible(seed=config.seed, threads=threads):
        device = choose_device("auto" if config.train.device == "cuda" else config.train.device)
        model = load_model(bundle, config).to(device)
        windows = place_windows(data, scaler, config, device)
        slabs = tile(data, ends, config, device)
        answers = slabs.by_sample(log_odds(model, windows, slabs, precision=config.train.precision))
    if not np.all(np.isfinite(answers)):
        raise ArtifactError(f"{bundle.folder}: a probability in zone {zone!r} is not finite. Train it again")
    return beside_outcomes(data, ends, calibration.probability(answers), threshold=float(facts["threshold"]))
