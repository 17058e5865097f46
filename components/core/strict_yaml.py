"""YAML by the rules of version 1.2, from a source that may be hostile.

``ON`` and ``NO`` stay tickers, ``1e-3`` is a number. Aliases, repeated keys, deep nesting
and large files are refused before anything is built from them.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from components.core.errors import RecipeError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 50
MAX_EVENTS = 20_000

# The core schema of YAML 1.2.2, section 10.3.2.
_CORE_SCHEMA = {
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "tag:yaml.org,2002:int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "tag:yaml.org,2002:float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
}


class _CoreLoader(yaml.SafeLoader):
    """``SafeLoader`` with the resolvers of YAML 1.2 instead of those of 1.1."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute


for _tag, (_pattern, _first) in _CORE_SCHEMA.items():
    _CoreLoader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)  # pyright: ignore[reportUnknownMemberType]


def _integer(loader: _CoreLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text[2:] if base != 10 else text, base)  # noqa: PLR2004


_CoreLoader.add_constructor("tag:yaml.org,2002:int", _integer)


def _refuse_repeated_keys(node: yaml.Node, name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            text = str(key.value)
            if text in seen:
                raise RecipeError(f"{name}: line {key.start_mark.line + 1}: key {text!r} is repeated. Keep one")
            seen.add(text)
            _refuse_repeated_keys(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, name)


def _check_events(text: str, name: str) -> None:
    """Refuse aliases, deep nesting and floods of nodes while nothing has been built yet."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        line = event.start_mark.line + 1 if event.start_mark else 0
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise RecipeError(f"{name}: line {line}: aliases are refused. Write the value out")
        if depth > MAX_DEPTH:
            raise RecipeError(f"{name}: line {line}: nested deeper than {MAX_DEPTH}. Flatten it")
        if number > MAX_EVENTS:
            raise RecipeError(f"{name}: more than {MAX_EVENTS} values. A recipe holds settings, not data")


def _value(text: str, name: str) -> object:
    _check_events(text, name)
    loader = _CoreLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_repeated_keys(node, name)
        value: object = loader.construct_document(node)  # pyright: ignore[reportUnknownMemberType]
    finally:
        loader.dispose()
    return value


def load(text: str, *, name: str) -> dict[str, Any]:
    """Return the mapping that ``text`` holds.

    Raises:
        RecipeError: If it is too large, not YAML 1.2, uses aliases or repeats a key; the line is named.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise RecipeError(f"{name}: larger than {MAX_BYTES} bytes. A recipe holds settings, not data")
    try:
        value = _value(text, name)
    except yaml.YAMLError as error:
        raise RecipeError(f"{name}: not YAML: {error}".replace("\n", " ")) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RecipeError(f"{name}: want 'key: value' lines at the top, got {type(value).__name__}")
    return value  # pyright: ignore[reportUnknownVariableType]


def load_file(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        RecipeError: If the file is missing, or as in ``load``.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecipeError(f"{path}: larger than {MAX_BYTES} bytes. A recipe holds settings, not data")
        return load(path.read_text(encoding="utf-8"), name=str(path))
    except (FileNotFoundError, IsADirectoryError):
        raise RecipeError(f"{path}: no such recipe file. 'qf config recipes' lists those that ship") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text ({error.reason}). Save it as UTF-8") from None
