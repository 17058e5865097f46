"""The recipes say what the published system says, and refuse what cannot work."""

import subprocess
import sys

import pytest

from components.core.errors import RecipeError
from components.families.price_action import FAMILY
from components.families.price_action.config import PriceActionConfig

PUBLISHED = {
    "data.window": pytest.param(64, marks=pytest.mark.promise("S3-17")),
    "train.batch": pytest.param(32, marks=[pytest.mark.promise("S3-16"), pytest.mark.promise("S3-18")]),
    "train.shuffle": pytest.param(False, marks=pytest.mark.promise("S3-16")),
    "train.pin_memory": pytest.param(True, marks=pytest.mark.promise("S3-16")),
    "train.lr": pytest.param(0.001, marks=pytest.mark.promise("S3-19")),
    "train.weight_decay": pytest.param(0.01, marks=pytest.mark.promise("S3-20")),
    "train.epochs": pytest.param(100, marks=pytest.mark.promise("S3-21")),
    "train.patience": pytest.param(5, marks=pytest.mark.promise("S3-22")),
    "train.loss": pytest.param("bce", marks=pytest.mark.promise("S3-23")),
    "train.optimizer": pytest.param("adamw", marks=pytest.mark.promise("S3-24")),
    "train.mixed_precision": pytest.param(False, marks=pytest.mark.promise("S3-36")),
    "model.d_model": 128,
    "model.heads": pytest.param(4, marks=pytest.mark.promise("S3-05")),
    "model.layers": pytest.param(2, marks=pytest.mark.promise("S3-03")),
    "model.feed_forward": pytest.param(512, marks=pytest.mark.promise("S3-06")),
    "model.dropout": pytest.param(0.1, marks=pytest.mark.promise("S3-07")),
    "targets.precision": pytest.param(0.7, marks=pytest.mark.promise("S3-33")),
    "targets.f1": pytest.param(0.5, marks=pytest.mark.promise("S3-33")),
}
CASES = [
    pytest.param(key, *value.values, marks=value.marks) if hasattr(value, "values") else (key, value)
    for key, value in PUBLISHED.items()
]


def setting(config: PriceActionConfig, key: str) -> object:
    group, name = key.split(".")
    return getattr(getattr(config, group), name)


@pytest.mark.parametrize("recipe", ["daily", "published"])
@pytest.mark.parametrize(("key", "value"), CASES)
def test_recipe_and_default_are_the_published_setting(recipe: str, key: str, value: object) -> None:
    assert setting(FAMILY.recipe(recipe), key) == value
    assert setting(PriceActionConfig(), key) == value


def test_published_recipe_has_two_zones_and_nothing_else() -> None:
    assert FAMILY.recipe("published").data.cut == {"train": 0.8, "validation": 0.2}


@pytest.mark.promise("S3-43")
def test_wide_preset() -> None:
    wide = FAMILY.recipe("wide")
    assert (wide.data.window, wide.train.batch, wide.train.lr) == (128, 64, 0.0005)
    assert (wide.model.d_model, wide.model.layers, wide.model.heads, wide.model.feed_forward) == (256, 4, 4, 512)


def test_smoke_recipe_trains_the_default_network() -> None:
    assert FAMILY.recipe("smoke").model == PriceActionConfig().model


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.heads=3", ["model.d_model", "128 with 3 heads"]),
        ("data.horizon=2", ["data.horizon", "was 2"]),
        ("data.zones={train: 0.5, validation: 0.2}", ["must sum to 1, was 0.7"]),
        ("train.lr=0", ["train.lr", "greater than 0", "was 0"]),
        ("train.loss=mse", ["train.loss", "'bce'"]),
        ("train.epoch=3", ["train.epoch", "unknown key"]),
        ("train.lr=.nan", ["train.lr"]),
    ],
)
def test_a_setting_that_cannot_work_is_named(override: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        FAMILY.recipe("daily", (override,))
    for word in words:
        assert word in str(caught.value)


def test_listing_the_family_loads_no_heavy_package() -> None:
    code = (
        "import sys; from components.families.price_action import FAMILY; FAMILY.recipe('daily');"
        "print([name for name in ('torch', 'numpy', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
