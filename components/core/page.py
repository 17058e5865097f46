"""Pieces of a self-contained HTML page: the shell, tables and numbers. Every text is escaped here."""

import math
from collections.abc import Iterable, Sequence
from html import escape

from components.core.theme import STYLE

DASH = "\N{EN DASH}"


def page(title: str, body: str) -> str:
    """Return the page around ``body``, which is HTML; it needs no network and no script."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def text(value: float | None, form: str) -> str:
    """Return the number in the given format, or a dash."""
    return DASH if value is None or not math.isfinite(value) else format(value, form).replace("-", "\N{MINUS SIGN}")


def tiles(items: Iterable[tuple[str, str, str]]) -> str:
    """Return a row of numbers, each with its name and an aside."""
    body = "".join(
        f'<div class="tile"><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(aside)}</small></dd></div>'
        for name, value, aside in items
    )
    return f'<dl class="tiles">{body}</dl>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int) -> str:
    """Return a table whose last ``numbers`` columns are numbers; cells are escaped."""
    plain = len(head) - numbers

    def cell(place: int, content: str) -> str:
        if place == 0:
            return f'<th scope="row">{escape(content)}</th>'
        kind = ' class="num"' if place >= plain else ""
        return f'<td{kind} data-name="{escape(head[place])}">{escape(content)}</td>'

    top = "".join(
        f'<th scope="col"{" class=num" if place >= plain else ""}>{escape(name)}</th>'
        for place, name in enumerate(head)
    )
    body = "".join(f"<tr>{''.join(cell(place, item) for place, item in enumerate(row))}</tr>" for row in rows)
    return f'<div class="card"><table class="stack"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
