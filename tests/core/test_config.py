"""Settings are frozen, strict and canonical; an error names the dotted key."""

import pytest

from components.core import family as families
from components.core.config import with_overrides
from components.core.errors import RecipeError, UsageError
from components.core.recipe import RecipeConfig


def test_canonical_text_is_a_fixed_point() -> None:
    config = RecipeConfig.parse({"seed": 3}, name="r")
    again = RecipeConfig.parse_json(config.canonical(), name="r")
    assert again == config
    assert again.canonical() == config.canonical()
    assert len(config.digest()) == 64


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sede": 1}, "r: sede: unknown key; remove it or fix its spelling"),
        ({"data": {"windw": 1}}, "r: data.windw: unknown key"),
        ({"seed": "3"}, "r: seed: input should be a valid integer, was '3'"),
        ({"seed": 1.5}, "r: seed: input should be a valid integer"),
        ({"data": {"window": 0}}, "r: data.window: input should be greater than 0, was 0"),
        ({"data": {"zones": {"train": 0.5, "validation": 0.4}}}, "zones must sum to 1, was 0.9"),
        ({"data": {"zones": {"train": 0.9, "tset": 0.1}}}, "zones.tset: no such zone"),
        ({"judge": {"confidence": float("nan")}}, "r: "),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        RecipeConfig.parse(values, name="r")
    assert message in str(caught.value)


def test_overrides_are_yaml_on_the_right_and_dots_on_the_left() -> None:
    merged = with_overrides({"a": {"b": 1}}, ["a.c=1e-3", "d.e.f=[ON]"], name="r")
    assert merged == {"a": {"b": 1, "c": 0.001}, "d": {"e": {"f": ["ON"]}}}


@pytest.mark.parametrize("text", ["a", "=3", "a.b.c=1"])
def test_an_override_that_cannot_apply_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="override"):
        with_overrides({"a": {"b": 1}}, [text], name="r")


def test_an_unknown_family_and_recipe_name_those_that_exist() -> None:
    with pytest.raises(UsageError, match="price-action"):
        families.find("price-acton")
    with pytest.raises(RecipeError, match="smoke"):
        families.find("price-action").recipe("smok")


def test_every_shipped_recipe_validates() -> None:
    for family in families.every():
        for name in family.recipes():
            assert isinstance(family.recipe(name), RecipeConfig)
