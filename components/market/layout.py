"""Which column of a file is which: declared here, never guessed from the values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components.core.errors import DataError

TIME_SPELLINGS: Final = {"date": True, "timestamp": False, "datetime": False}
"""Spelling -> whether it holds session dates (else instants with a time zone)."""

SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "symbol": ("symbol", "name", "ticker"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "adj_close": ("adj_close", "adjusted_close", "adj close"),
}
"""Our name -> the spellings that mean it, in lower case; upper case is accepted too."""

EVENT_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "dividend": ("dividend", "dividends", "dividend_amount"),
    "split_factor": ("split_factor", "split_coefficient", "stock_splits", "stock splits"),
}
"""Corporate actions, read where a file has them: the quality gate holds prices against them."""


@dataclass(frozen=True)
class Layout:
    """The columns of one file."""

    time: str
    """The time column, as the file spells it."""
    is_session: bool
    """Whether it holds session dates rather than instants."""
    columns: Mapping[str, str]
    """Our name -> the file's, for the columns of ``SPELLINGS`` that the file has."""
    events: Mapping[str, str]
    """The same for ``EVENT_SPELLINGS``."""


def layout_of(header: Sequence[str], *, file: str, symbol_required: bool) -> Layout:
    """Return which column is which; columns that nothing asks for are left alone.

    Raises:
        DataError: If a required column is missing, or two columns could be the same one.
    """
    time = _only(header, tuple(TIME_SPELLINGS), "time", file)
    found = {name: _only(header, spellings, name, file) for name, spellings in SPELLINGS.items()}
    optional = {"adj_close"} if symbol_required else {"adj_close", "symbol"}
    missing = [name for name, column in found.items() if column is None and name not in optional]
    if time is None or missing:
        wanted = [*missing] if time is not None else [" or ".join(TIME_SPELLINGS), *missing]
        all_columns = f"{' or '.join(TIME_SPELLINGS)}, {', '.join(SPELLINGS)}"
        raise DataError(
            f"no column {', '.join(wanted)}; found {', '.join(header)[:200]}",
            file=file,
            remedy=f"Name the columns {all_columns}; only adj_close may be left out",
        )
    columns = {name: column for name, column in found.items() if column is not None}
    actions = {name: _only(header, spellings, name, file) for name, spellings in EVENT_SPELLINGS.items()}
    events = {name: column for name, column in actions.items() if column is not None}
    return Layout(time, TIME_SPELLINGS[time.strip().lower()], columns, events)


def _only(header: Sequence[str], spellings: tuple[str, ...], name: str, file: str) -> str | None:
    matches = [column for column in header if column.strip().lower() in spellings]
    if len(matches) > 1:
        raise DataError(
            f"columns {', '.join(matches)} could all be the {name}",
            file=file,
            remedy="Keep one of them",
        )
    return matches[0] if matches else None
