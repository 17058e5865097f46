"""The published system's YAML, all 41 of its keys, and its switches, as a recipe of this family.

Importing this loads no torch.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from components.core.errors import RecipeError
from components.families.hybrid import INPUTS
from components.families.hybrid.config import METRICS

SAME: Final[Mapping[str, str]] = {
    "model.type": "model.type",
    "model.cnn.input_channels": "model.cnn.input_channels",
    "model.cnn.hidden_dim": "model.cnn.hidden_dim",
    "model.cnn.filter_sizes": "model.cnn.filter_sizes",
    "model.cnn.num_heads": "model.cnn.num_heads",
    "model.cnn.dropout": "model.cnn.dropout",
    "model.lstm.hidden_dim": "model.lstm.hidden_dim",
    "model.lstm.num_layers": "model.lstm.num_layers",
    "model.lstm.bidirectional": "model.lstm.bidirectional",
    "model.lstm.dropout": "model.lstm.dropout",
    "model.fusion.output_dim": "model.fusion.output_dim",
    "model.fusion.num_heads": "model.fusion.num_heads",
    "training.batch_size": "train.batch",
    "training.learning_rate": "train.lr",
    "training.num_epochs": "train.epochs",
    "training.early_stopping_patience": "train.stopping.patience",
    "training.gradient_clip_norm": "train.gradient.clip_norm",
    "training.loss_weights.classification": "train.loss_weights.classification",
    "training.loss_weights.regression": "train.loss_weights.regression",
    "training.optimizer.type": "train.optimizer",
    "training.optimizer.weight_decay": "train.weight_decay",
    "training.optimizer.betas": "train.betas",
    "training.scheduler.type": "train.schedule.type",
    "training.scheduler.T_max": "train.schedule.t_max",
    "training.scheduler.eta_min": "train.schedule.eta_min",
    "data.sequence_length": "data.window",
    "data.prediction_horizon": "data.horizon",
    "data.train_split": "data.zones.train",
    "data.val_split": "data.zones.validation",
    "data.test_split": "data.zones.test",
    "data.augmentation.noise_std": "train.augmentation.noise_std",
    "data.augmentation.time_shift_max": "train.augmentation.time_shift_max",
    "data.augmentation.magnitude_warp": "train.augmentation.magnitude_warp",
    "validation.cv_folds": "folds.num_folds",
    "hardware.device": "train.device",
    "hardware.num_workers": "train.workers",
    "hardware.pin_memory": "train.pin_memory",
}
"""Keys that are settings here, under another name."""

SWITCHES: Final = ("experiment_name", "use_distributed", "num_gpus", "use_wandb")
"""Keys beside the groups, about how a run is carried out."""

FEATURES: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "rsi": ("rsi_14",),
    "macd": ("macd", "macd_signal", "macd_hist"),
    "bollinger_bands": ("bb_middle", "bb_upper", "bb_lower", "bb_width", "bb_percent"),
    "atr": ("atr_14",),
}
"""Published names, and the columns of the feature view behind each."""


def recipe_of(values: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return the recipe that a published YAML means, to be validated as every recipe is.

    The network reads the columns of the feature view, which are those of all ``FEATURES``, so ``data.features`` and
    ``validation.metrics`` must be of what there is and change nothing; all metrics are recorded.

    Raises:
        RecipeError: If a key is unknown, or asks for what is refused; the key is named.
    """
    recipe = _switched(values, name)
    for key, value in leaves({key: value for key, value in values.items() if key not in SWITCHES}):
        match key:
            case "data.features":
                _known(name, key, value, FEATURES)
            case "validation.metrics":
                _known(name, key, value, METRICS)
            case "validation.time_series_split":
                if value is not True:
                    reason = "random folds train on labels that overlap the test"
                    raise RecipeError(f"{name}: {key} must be true, was {value!r:.40}: {reason}")
                _put(recipe, "folds.method", "walk_forward")
            case "hardware.mixed_precision":
                if not isinstance(value, bool):
                    raise RecipeError(f"{name}: {key} must be true or false, was {value!r:.40}")
                _put(recipe, "train.precision.format", "gpu" if value else "float32")
            case _ if key in SAME:
                _put(recipe, SAME[key], value)
            case _:
                raise RecipeError(f"{name}: {key}: unknown key; remove it or fix its spelling")
    channels = recipe.get("model", {}).get("cnn", {}).get("input_channels")
    if channels not in (None, len(INPUTS)):
        raise RecipeError(
            f"{name}: model.cnn.input_channels is {channels!r:.40}, the feature view has {len(INPUTS)} columns. Leave "
            "it out, and it is taken from them"
        )
    return recipe


def _switched(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what the switches of a run set in the recipe.

    Raises:
        RecipeError: If one asks for what is refused.
    """
    if (third := values.get("use_wandb", False)) is not False:
        reason = "MLflow is the record, and every run keeps TensorBoard's files; no third tracker is written"
        raise RecipeError(f"{name}: use_wandb must be false, was {third!r:.40}: {reason}")
    processes = {"processes": _processes(values, name)} if "use_distributed" in values else {}
    return processes | ({"experiment": values["experiment_name"]} if "experiment_name" in values else {})


def _processes(values: Mapping[str, Any], name: str) -> int:
    """Return how many processes shall train together, one for each GPU.

    Raises:
        RecipeError: If a switch holds what it cannot.
    """
    distributed, num_gpus = values.get("use_distributed", False), values.get("num_gpus", 1)
    if not isinstance(distributed, bool):
        raise RecipeError(f"{name}: use_distributed must be true or false, was {distributed!r:.40}")
    if not isinstance(num_gpus, int) or isinstance(num_gpus, bool) or num_gpus < 1:
        raise RecipeError(f"{name}: num_gpus must be a whole number from 1 on, was {num_gpus!r:.40}")
    return num_gpus if distributed else 1


def leaves(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return every key that holds no group, dotted, with its value, in the order of the file."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        inside = isinstance(value, dict)
        found += leaves(cast("dict[str, Any]", value), f"{prefix}{key}.") if inside else [(f"{prefix}{key}", value)]
    return found


def _known(name: str, key: str, value: Any, known: Mapping[str, Any] | tuple[str, ...]) -> None:
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    if odd := [item for item in items if item not in known]:
        raise RecipeError(f"{name}: {key} holds {odd[0]!r:.40}. There is {', '.join(known)}")


def _put(recipe: dict[str, Any], key: str, value: Any) -> None:
    *groups, leaf = key.split(".")
    for group in groups:
        recipe = recipe.setdefault(group, {})
    recipe[leaf] = value
