"""Pieces of a Markdown text. What comes from outside is escaped, so that it stays text."""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from components.core.page import text

Value: TypeAlias = str | float | Sequence["Value"] | Mapping[str, "Value"] | None
"""What JSON can hold."""

_SPECIAL = re.compile(r"([\\`*\[\]<>|])")


def plain(content: Value) -> str:
    """Return a value as text on one line that Markdown shows as it is: numbers in five digits, lists with commas."""
    if content is None:
        return text(None, "")
    if isinstance(content, str):
        return _SPECIAL.sub(r"\\\1", " ".join(content.split()))
    if isinstance(content, float):
        return text(content, ".5g")
    if isinstance(content, Mapping):
        return ", ".join(f"{plain(key)} {plain(item)}" for key, item in content.items())
    if isinstance(content, Sequence):
        return ", ".join(map(plain, content))
    return str(content)


def table(rows: Sequence[Mapping[str, Value]]) -> str:
    """Return a table, nothing without a row; the keys of the first row are the heads of the columns."""
    if not rows:
        return ""
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *([plain(row[head]) for head in heads] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
