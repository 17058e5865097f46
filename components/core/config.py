"""Configuration: frozen, strict, canonical. One recipe text gives one digest, everywhere."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import pydantic

from components.core import strict_yaml
from components.core.errors import RecipeError
from components.core.files import canonical_json, digest_of


class Config(pydantic.BaseModel):
    """A group of settings. Unknown keys and wrong types are refused; nothing is coerced."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    def canonical(self) -> str:
        """Return the one JSON text of these settings, defaults written out."""
        return canonical_json(json.loads(self.model_dump_json()))

    def digest(self) -> str:
        """Return the sha256 of the canonical text."""
        return digest_of(json.loads(self.model_dump_json()))

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, name: str) -> Self:
        """Return the settings that ``values`` describe.

        Raises:
            RecipeError: If a key is unknown, missing or of the wrong type; the dotted key is named.
        """
        try:
            return cls.model_validate_json(json.dumps(values))
        except pydantic.ValidationError as error:
            raise RecipeError(_explain(error, name)) from None
        except (TypeError, ValueError) as error:
            raise RecipeError(f"{name}: {error}") from None

    @classmethod
    def parse_json(cls, text: str, *, name: str) -> Self:
        """Return the settings of a canonical JSON text, as a step receives it.

        Raises:
            RecipeError: As in ``parse``.
        """
        try:
            return cls.model_validate_json(text)
        except pydantic.ValidationError as error:
            raise RecipeError(_explain(error, name)) from None


def _explain(error: pydantic.ValidationError, name: str) -> str:
    lines: list[str] = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "(top)"
        was = "" if item["type"] in {"missing", "extra_forbidden"} else f", was {item['input']!r:.60}"
        hint = {
            "extra_forbidden": "unknown key; remove it or fix its spelling",
            "missing": "is required; add it",
        }.get(item["type"], item["msg"][:1].lower() + item["msg"][1:])
        lines.append(f"{name}: {key}: {hint}{was}")
    return "\n".join(lines)


def with_overrides(values: Mapping[str, Any], overrides: Sequence[str], *, name: str) -> dict[str, Any]:
    """Return ``values`` with dotted assignments such as ``train.epochs=3`` applied; the right side is YAML.

    Raises:
        RecipeError: If an assignment has no '=' or goes through something that is no group.
    """
    merged: dict[str, Any] = json.loads(json.dumps(values))
    for text in overrides:
        key, separator, right = text.partition("=")
        if not separator or not key:
            raise RecipeError(f"{name}: override {text!r} wants the form group.key=value")
        *groups, leaf = key.split(".")
        place = merged
        for group in groups:
            inner: object = place.setdefault(group, {})
            if not isinstance(inner, dict):
                raise RecipeError(f"{name}: override {text!r}: {group!r} is a value, not a group")
            place = cast("dict[str, Any]", inner)
        place[leaf] = strict_yaml.load(f"value: {right}", name=f"{name}: override {text!r}")["value"]
    return merged
