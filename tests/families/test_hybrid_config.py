"""The recipes say what the published system says, its YAML can be read, and the presets change what they name."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from cli.main import qf
from components.core.errors import RecipeError, UsageError
from components.families.hybrid import FAMILY, INPUTS
from components.families.hybrid.config import METRICS, HybridConfig
from components.families.hybrid.published import leaves, recipe_of
from components.market.columns import PRICES

PUBLISHED = [
    pytest.param("model.type", "hybrid_cnn_lstm", marks=pytest.mark.promise("S4-11")),
    pytest.param("model.cnn.hidden_dim", 256, marks=pytest.mark.promise("S4-13")),
    pytest.param("model.cnn.filter_sizes", [3, 5, 7, 11], marks=pytest.mark.promise("S4-14")),
    pytest.param("model.cnn.num_heads", 8, marks=pytest.mark.promise("S4-15")),
    pytest.param("model.cnn.dropout", 0.1, marks=pytest.mark.promise("S4-16")),
    pytest.param("model.lstm.hidden_dim", 128, marks=pytest.mark.promise("S4-17")),
    pytest.param("model.lstm.num_layers", 2, marks=pytest.mark.promise("S4-18")),
    pytest.param("model.lstm.bidirectional", True, marks=pytest.mark.promise("S4-19")),
    pytest.param("model.lstm.dropout", 0.2, marks=pytest.mark.promise("S4-20")),
    pytest.param("model.fusion.output_dim", 256, marks=pytest.mark.promise("S4-21")),
    pytest.param("model.fusion.num_heads", 8, marks=pytest.mark.promise("S4-22")),
    pytest.param("train.batch", 32, marks=pytest.mark.promise("S4-23")),
    pytest.param("train.lr", 0.001, marks=pytest.mark.promise("S4-24")),
    pytest.param("train.epochs", 100, marks=pytest.mark.promise("S4-25")),
    pytest.param("train.stopping.patience", 10, marks=pytest.mark.promise("S4-26")),
    pytest.param("train.gradient.clip_norm", 1.0, marks=pytest.mark.promise("S4-27")),
    pytest.param("train.loss_weights.classification", 0.6, marks=pytest.mark.promise("S4-28")),
    pytest.param("train.loss_weights.regression", 0.4, marks=pytest.mark.promise("S4-29")),
    pytest.param("train.optimizer", "adamw", marks=pytest.mark.promise("S4-30")),
    pytest.param("train.weight_decay", 0.01, marks=pytest.mark.promise("S4-31")),
    pytest.param("train.betas", [0.9, 0.999], marks=pytest.mark.promise("S4-32")),
    pytest.param("train.schedule.type", "cosine_annealing", marks=pytest.mark.promise("S4-33")),
    pytest.param("train.schedule.t_max", 100, marks=pytest.mark.promise("S4-34")),
    pytest.param("train.schedule.eta_min", 1e-5, marks=pytest.mark.promise("S4-35")),
    pytest.param("data.window", 60, marks=pytest.mark.promise("S4-36")),
    pytest.param("data.horizon", 1, marks=pytest.mark.promise("S4-37")),
    pytest.param("train.augmentation.noise_std", 0.01, marks=pytest.mark.promise("S4-42")),
    pytest.param("train.augmentation.time_shift_max", 5, marks=pytest.mark.promise("S4-43")),
    pytest.param("train.augmentation.magnitude_warp", True, marks=pytest.mark.promise("S4-44")),
    pytest.param("folds.num_folds", 5, marks=pytest.mark.promise("S4-46")),
    pytest.param("folds.method", "walk_forward", marks=pytest.mark.promise("S4-47")),
    pytest.param("train.device", "auto", marks=pytest.mark.promise("S4-48")),
    pytest.param("train.precision.format", "gpu", marks=pytest.mark.promise("S4-49")),
    pytest.param("train.workers", 4, marks=pytest.mark.promise("S4-50")),
    pytest.param("train.pin_memory", True, marks=pytest.mark.promise("S4-51")),
]
ZONES = [
    pytest.param("train", 0.7, marks=pytest.mark.promise("S4-38")),
    pytest.param("validation", 0.15, marks=pytest.mark.promise("S4-39")),
    pytest.param("test", 0.15, marks=pytest.mark.promise("S4-40")),
]

YAML = """
model:
  type: hybrid_cnn_lstm
  cnn: {input_channels: 15, hidden_dim: 256, filter_sizes: [3, 5, 7, 11], num_heads: 8, dropout: 0.1}
  lstm: {hidden_dim: 128, num_layers: 2, bidirectional: true, dropout: 0.2}
  fusion: {output_dim: 256, num_heads: 8}
training:
  batch_size: 32
  learning_rate: 0.001
  num_epochs: 100
  early_stopping_patience: 10
  gradient_clip_norm: 1.0
  loss_weights: {classification: 0.6, regression: 0.4}
  optimizer: {type: adamw, weight_decay: 0.01, betas: [0.9, 0.999]}
  scheduler: {type: cosine_annealing, T_max: 100, eta_min: 0.00001}
data:
  sequence_length: 60
  prediction_horizon: 1
  train_split: 0.7
  val_split: 0.15
  test_split: 0.15
  features: [open, high, low, close, volume, rsi, macd, bollinger_bands]
  augmentation: {noise_std: 0.01, time_shift_max: 5, magnitude_warp: true}
validation:
  metrics: [accuracy, precision, recall, f1_score, mse, mae, sharpe_ratio]
  cv_folds: 5
  time_series_split: true
hardware: {device: auto, mixed_precision: true, num_workers: 4, pin_memory: true}
"""


def shown(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(qf, ["config", "show", "hybrid", *arguments, "-o", "json"], catch_exceptions=False)
    return json.loads(result.output)


@pytest.fixture(scope="module")
def recipes() -> dict[str, dict[str, Any]]:
    return {"daily": shown(), "published": shown("--recipe", "published")}


def at(recipe: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        recipe = recipe[part]
    return recipe


@pytest.mark.parametrize("recipe", ["daily", "published"])
@pytest.mark.parametrize(("key", "value"), PUBLISHED)
def test_the_shipped_recipe_has_the_published_setting(
    recipes: dict[str, dict[str, Any]], recipe: str, key: str, value: object
) -> None:
    assert at(recipes[recipe], key) == value


@pytest.mark.parametrize(("zone", "share"), ZONES)
def test_the_published_recipe_cuts_time_as_published(
    recipes: dict[str, dict[str, Any]], zone: str, share: float
) -> None:
    assert recipes["published"]["data"]["zones"] == {"train": 0.7, "validation": 0.15, "test": 0.15}
    assert recipes["published"]["data"]["zones"][zone] == share


@pytest.mark.promise("S4-41")
def test_the_service_has_prices_and_all_columns_of_the_named_indicators() -> None:
    assert FAMILY.feature_service == "hybrid_v1"
    assert FAMILY.columns == {"technical_v1": INPUTS}
    assert INPUTS[:5] == PRICES == ("open", "high", "low", "close", "volume")
    assert {"rsi_14", "macd", "macd_signal", "macd_hist", "atr_14", "bb_upper", "bb_lower"} < set(INPUTS)


@pytest.mark.promise("S4-33")
@pytest.mark.parametrize("kind", ["constant", "warm_restarts", "plateau"])
def test_other_schedules_can_be_chosen(kind: str) -> None:
    assert FAMILY.recipe("daily", (f"train.schedule={{type: {kind}}}",)).train.schedule.type == kind


def test_the_published_yaml_with_all_its_keys_is_the_published_recipe() -> None:
    values = yaml.safe_load(YAML)
    assert len(leaves(values)) == 41
    read = HybridConfig.parse(recipe_of(values, name="s4.yaml"), name="s4.yaml")
    channels = read.model.cnn.model_copy(update={"input_channels": None})
    same = read.model_copy(update={"model": read.model.model_copy(update={"cnn": channels})})
    assert same == FAMILY.recipe("published")


def test_every_key_of_the_yaml_is_heeded() -> None:
    base = HybridConfig.parse(recipe_of(yaml.safe_load(YAML), name="t"), name="t")
    others = {"hardware.device": "cpu", "training.optimizer.betas": [0.8, 0.9], "model.cnn.filter_sizes": [3, 5]}
    same = {"model.type", "training.optimizer.type", "training.scheduler.type", "model.cnn.input_channels"}
    same |= {"data.features", "validation.metrics", "validation.time_series_split"}  # of one legal value, see below
    same |= {"data.train_split", "data.val_split", "data.test_split"}
    for key, value in leaves(yaml.safe_load(YAML)):
        if key in same:
            continue
        values = yaml.safe_load(YAML)
        *groups, leaf = key.split(".")
        at(values, ".".join(groups))[leaf] = others.get(key, (not value) if isinstance(value, bool) else value * 2)
        assert HybridConfig.parse(recipe_of(values, name="t"), name="t") != base, key


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("batch_size: 32", "batch_sise: 32", r"s4\.yaml: training\.batch_sise: unknown key"),
        ("time_series_split: true", "time_series_split: false", "time_series_split must be true.*random folds"),
        ("bollinger_bands]", "moon_phase]", "data.features holds 'moon_phase'. There is open, high"),
        ("sharpe_ratio]", "auc]", "validation.metrics holds 'auc'. There is accuracy"),
        ("mixed_precision: true", "mixed_precision: often", "mixed_precision must be true or false"),
        ("type: adamw", "type: sgd", "train.optimizer: input should be 'adamw'"),
        ("train_split: 0.7", "train_split: 0.8", "zones must sum to 1, was 1.1"),
        ("device: auto", "device: tpu", "train.device"),
    ],
)
def test_a_key_or_value_of_the_yaml_that_cannot_be_is_named(old: str, new: str, words: str) -> None:
    assert old in YAML
    with pytest.raises(RecipeError, match=words):
        HybridConfig.parse(recipe_of(yaml.safe_load(YAML.replace(old, new)), name="s4.yaml"), name="s4.yaml")


def with_switches(text: str) -> HybridConfig:
    return HybridConfig.parse(recipe_of(yaml.safe_load(f"{YAML}{text}"), name="s4.yaml"), name="s4.yaml")


@pytest.mark.promise("S4-57")
def test_the_switch_of_a_third_tracker_is_refused_and_says_who_keeps_the_record() -> None:
    assert with_switches("use_wandb: false\n") == with_switches("")
    for value in ("true", "yes-please"):
        with pytest.raises(RecipeError, match=r"s4\.yaml: use_wandb must be false, was .*MLflow.*TensorBoard"):
            with_switches(f"use_wandb: {value}\n")


def test_the_name_of_an_experiment_is_kept() -> None:
    assert with_switches("experiment_name: hybrid_v1\n").experiment == "hybrid_v1"
    assert with_switches("").experiment == ""
    with pytest.raises(RecipeError, match=r"experiment: .*at most 80"):
        with_switches(f"experiment_name: {'x' * 81}\n")


@pytest.mark.promise("S4-53")
def test_a_process_is_asked_for_each_gpu() -> None:
    assert with_switches("use_distributed: true\nnum_gpus: 4\n").processes == 4
    assert with_switches("use_distributed: false\nnum_gpus: 4\n").processes == 1
    assert with_switches("").processes == "auto"


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ("{use_distributed: maybe}", "use_distributed must be true or false, was 'maybe'"),
        ("{use_distributed: true, num_gpus: 0}", "num_gpus must be a whole number from 1 on, was 0"),
    ],
)
def test_processes_that_cannot_be_are_named(switches: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe_of(yaml.safe_load(YAML) | yaml.safe_load(switches), name="s4.yaml")


@pytest.mark.promise("S4-12")
def test_another_number_of_channels_than_the_view_has_is_refused(recipes: dict[str, dict[str, Any]]) -> None:
    assert recipes["published"]["model"]["cnn"]["input_channels"] is None
    with pytest.raises(RecipeError, match="input_channels is 5, the feature view has 15 columns"):
        recipe_of(yaml.safe_load(YAML.replace("input_channels: 15", "input_channels: 5")), name="s4.yaml")


def test_the_command_prints_the_recipe_that_a_published_file_means(tmp_path: Path) -> None:
    (tmp_path / "s4.yaml").write_text(YAML, encoding="utf-8")
    result = CliRunner().invoke(qf, ["config", "import", "hybrid", str(tmp_path / "s4.yaml")], catch_exceptions=False)
    (tmp_path / "recipe.yaml").write_text(result.output, encoding="utf-8")
    assert FAMILY.recipe(str(tmp_path / "recipe.yaml")).train == FAMILY.recipe("published").train
    with pytest.raises(UsageError, match="regime: has no published keys"):
        CliRunner().invoke(qf, ["config", "import", "regime", str(tmp_path / "s4.yaml")], catch_exceptions=False)


@pytest.mark.promise("S4-95")
def test_the_preset_against_overfitting() -> None:
    preset = FAMILY.recipe("overfit")
    assert (preset.model.dropout, preset.train.weight_decay) == (0.3, 0.02)
    assert preset.train.augmentation.model_dump() == {"noise_std": 0.02, "time_shift_max": 10, "magnitude_warp": True}


@pytest.mark.promise("S4-96")
def test_the_preset_for_convergence() -> None:
    preset = FAMILY.recipe("convergence")
    assert preset.train.lr == 1e-4
    assert (preset.train.schedule.type, preset.train.schedule.factor, preset.train.schedule.patience) == (
        "plateau", 0.5, 5,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["overfit", "convergence", "memory", "speed"])
def test_a_preset_changes_training_alone(name: str) -> None:
    preset, daily = FAMILY.recipe(name), FAMILY.recipe("daily")
    assert (preset.data, preset.judge) == (daily.data, daily.judge)
    assert preset != daily


def test_smoke_and_calibration_keep_the_width_of_the_features() -> None:
    widths = {FAMILY.recipe(name).model.fusion.output_dim for name in FAMILY.recipes()}
    assert widths == {256}


def test_the_history_records_what_the_yaml_asks_for() -> None:
    assert yaml.safe_load(YAML)["validation"]["metrics"] == list(METRICS)
