"""Recipes are YAML 1.2 from a source that may be hostile."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core import strict_yaml
from components.core.errors import RecipeError


def test_tickers_and_exponents_are_what_they_look_like() -> None:
    text = (
        "tickers: [ON, NO, Y, yes]\nlr: 1e-3\nhex: 0x1F\noctal: 0o17\nplain: 010\nbig: -1E5\nempty:\nday: 2024-01-02\n"
    )
    assert strict_yaml.load(text, name="r.yaml") == {
        "tickers": ["ON", "NO", "Y", "yes"],
        "lr": 0.001,
        "hex": 31,
        "octal": 15,
        "plain": 10,
        "big": -100000.0,
        "empty": None,
        "day": "2024-01-02",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\nb: *x\n", "line 2: aliases are refused"),
        ("a: 1\na: 2\n", "line 2: key 'a' is repeated"),
        ("a: {b: {c: 1, c: 2}}\n", "key 'c' is repeated"),
        ("- 1\n", "want 'key: value' lines"),
        ("a: [1, 2\n", "not YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("a: " + "[" * 60 + "]" * 60, "nested deeper than 50"),
        ("a: " + "[" * 100_000, "nested deeper than 50"),
        ("a: [" + "1," * 30_000 + "]", "more than 20000 values"),
        ("a: " + "x" * 300_000, "larger than"),
    ],
)
def test_hostile_text_is_refused_and_named(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=r"^r\.yaml: ") as caught:
        strict_yaml.load(text, name="r.yaml")
    assert message in str(caught.value)


def test_a_bomb_is_refused_before_it_grows() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(RecipeError, match="aliases are refused"):
        strict_yaml.load("\n".join(layers), name="bomb.yaml")


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers() | st.booleans() | st.none(), max_size=5)
)
def test_plain_values_survive(values: dict[str, int | bool | None]) -> None:
    spelled = {True: "true", False: "false", None: "null"}
    text = "".join(
        f"{key}: {spelled[value] if value is None or isinstance(value, bool) else value}\n"
        for key, value in values.items()
    )
    assert strict_yaml.load(text, name="r") == values


@given(st.text(max_size=200))
def test_any_text_gives_a_mapping_or_our_error(text: str) -> None:
    with contextlib.suppress(RecipeError):
        assert isinstance(strict_yaml.load(text, name="r"), dict)
