"""Which column of a file is which: layouts declared here, told by the header, never guessed.

A vendor's layout is told by its exact header; anything else is ``plain``, whose columns may be
spelled in a few declared ways. Where the header leaves two readings open the file is refused,
and the caller names one.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.core.errors import DataError, UsageError
from components.market.checks import Fault
from components.market.time_forms import TimeForm, epochs, form_of, slashed_days

SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "symbol": ("symbol", "name", "ticker"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "adj_close": ("adj_close", "adjusted_close", "adj close", "adjclose"),
}
"""Our name -> the spellings that mean it, in lower case; upper case is accepted too."""

EVENT_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "dividend": ("dividend", "dividends", "dividend_amount"),
    "split_factor": ("split_factor", "split_coefficient", "stock_splits", "stock splits"),
}
"""Corporate actions, read where a file has them: the quality gate holds prices against them."""
Order = Literal["any", "newest first", "oldest first"]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a vendor's files look like."""

    name: str
    about: str
    header: tuple[str, ...] = ()
    """The exact header that tells it; empty: told by the form of its times, or only by its name."""
    times: Mapping[str, bool]
    """Spelling of the time column -> whether it holds session dates (else instants)."""
    time_form: TimeForm = "iso"
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: SPELLINGS)
    """Our name -> the spellings that mean it."""
    order: Order = "any"
    header_rows: int = 1


_DAYS: Final = {"date": True}
_INSTANTS: Final = {"timestamp": False, "datetime": False}
KLINES: Final = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
"""Columns of Binance's klines, which their files may leave out."""

PLAIN: Final = Declared(name="plain", about="ISO 8601 days or instants", times=_DAYS | _INSTANTS)
YFINANCE: Final = Declared(
    name="yfinance",
    about="DataFrame.to_csv of yfinance: two or three header rows, a column per field and ticker",
    times={"date": True, "datetime": False},
    order="oldest first",
    header_rows=3,
)
LAYOUTS: Final = (
    PLAIN,
    Declared(
        name="yahoo",
        about="Yahoo Finance download",
        header=("Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"),
        times=_DAYS,
        order="oldest first",
    ),
    Declared(
        name="alpha-vantage",
        about="Alpha Vantage daily and daily adjusted: timestamp is a day",
        header=(
            "timestamp",
            "open",
            "high",
            "low",
            "close",
            "adjusted_close",
            "volume",
            "dividend_amount",
            "split_coefficient",
        ),
        times={"timestamp": True},
        order="newest first",
    ),
    Declared(
        name="kaggle-5yr",
        about="S&P 500 stock data, five years",
        header=("date", "open", "high", "low", "close", "volume", "Name"),
        times=_DAYS,
        order="oldest first",
    ),
    YFINANCE,
    Declared(name="us-dates", about="days as MM/DD/YYYY", times=_DAYS, time_form="month-first"),
    Declared(name="day-first-dates", about="days as DD/MM/YYYY", times=_DAYS, time_form="day-first"),
    Declared(
        name="epoch",
        about="instants as Unix milliseconds or microseconds",
        times=_INSTANTS | {"open_time": False},
        time_form="epoch",
    ),
    Declared(
        name="binance",
        about="Binance klines, with or without their header",
        header=KLINES,
        times={"open_time": False},
        time_form="epoch",
        order="oldest first",
    ),
)
"""Every layout that is read, in the order in which ``--layout`` lists them."""


@dataclass(frozen=True)
class Layout:
    """The columns of one file."""

    name: str
    """The declared layout that it has."""
    time: str
    """The time column, as the file spells it."""
    is_session: bool
    """Whether it holds session dates rather than instants."""
    columns: Mapping[str, str]
    """Our name -> the file's, for the columns of ``SPELLINGS`` that the file has."""
    events: Mapping[str, str] = field(default_factory=dict[str, str])
    """The same for ``EVENT_SPELLINGS``."""
    time_form: TimeForm = "iso"
    order: Order = "any"


def declared(name: str) -> Declared:
    """Return the layout called ``name``.

    Raises:
        UsageError: If there is none; those that exist are named.
    """
    for layout in LAYOUTS:
        if layout.name == name:
            return layout
    raise UsageError(f"layout {name!r:.40}: no such layout. There is {', '.join(item.name for item in LAYOUTS)}")


def layout_of(
    header: Sequence[str],
    first: Callable[[str], str],
    *,
    asked: str = "",
    file: str,
    symbol_required: bool,
) -> Layout:
    """Return which column is which; columns that nothing asks for are left alone.

    ``first`` gives the first value of a column as text; only the time column is asked for it.
    ``asked`` names a layout; empty means to tell it by header and first time.

    Raises:
        UsageError: If ``asked`` is no layout.
        DataError: If a required column is missing, two columns could be the same one, or the
            header fits two layouts.
    """
    if asked:
        return _fitted(declared(asked), header, file, symbol_required)
    plain_names = tuple(name.strip() for name in header)
    for layout in LAYOUTS:
        if layout.header and layout.header == plain_names and _form_fits(layout, first(header[_time_at(layout)])):
            return _fitted(layout, header, file, symbol_required)
    if {name.strip().lower() for name in header} & {"open_time"}:
        return _fitted(declared("epoch"), header, file, symbol_required)
    plain = _fitted(PLAIN, header, file, symbol_required)
    form = form_of(first(plain.time))
    if plain.is_session and form == "slashed":
        return replace(plain, time_form="slashed")
    if not plain.is_session and form == "day":
        raise DataError(
            "holds a day, so the header fits both plain (instants) and alpha-vantage (days)",
            file=file,
            column=plain.time,
            remedy="Say --layout alpha-vantage, or write instants with their zone, or call the column date",
        )
    if not plain.is_session and form == "epoch":
        return _fitted(declared("epoch"), header, file, symbol_required)
    return plain


def _time_at(layout: Declared) -> int:
    return next(place for place, name in enumerate(layout.header) if name.lower() in layout.times)


def _form_fits(layout: Declared, text: str) -> bool:
    """Return whether the first time may be this vendor's; faulty texts may, and are refused by row."""
    form = form_of(text)
    if layout.time_form == "epoch":
        return form == "epoch"
    return form != "slashed"


def _fitted(layout: Declared, header: Sequence[str], file: str, symbol_required: bool) -> Layout:
    time = _only(header, tuple(layout.times), "time", file)
    found = {name: _only(header, spellings, name, file) for name, spellings in layout.columns.items()}
    optional = {"adj_close"} if symbol_required else {"adj_close", "symbol"}
    missing = [name for name, column in found.items() if column is None and name not in optional]
    if time is None or missing:
        wanted = [*missing] if time is not None else [" or ".join(layout.times), *missing]
        all_columns = f"{' or '.join(layout.times)}, {', '.join(layout.columns)}"
        raise DataError(
            f"no column {', '.join(wanted)}; found {', '.join(header)[:200]}",
            file=file,
            remedy=f"Name the columns {all_columns}; only adj_close may be left out",
        )
    columns = {name: column for name, column in found.items() if column is not None}
    actions = {name: _only(header, spellings, name, file) for name, spellings in EVENT_SPELLINGS.items()}
    events = {name: column for name, column in actions.items() if column is not None}
    session = layout.times[time.strip().lower()]
    return Layout(layout.name, time, session, columns, events, layout.time_form, layout.order)


def _only(header: Sequence[str], spellings: tuple[str, ...], name: str, file: str) -> str | None:
    matches = [column for column in header if column.strip().lower() in spellings]
    if len(matches) > 1:
        raise DataError(
            f"columns {', '.join(matches)} could all be the {name}",
            file=file,
            remedy="Keep one of them",
        )
    return matches[0] if matches else None


def plain_times(column: pa.ChunkedArray, layout: Layout, *, file: str) -> tuple[pa.ChunkedArray, str, list[Fault]]:
    """Return the times in a form that ``parse_times`` reads, the name of the layout that holds, and the odd rows.

    Raises:
        DataError: If days with slashes could be read two ways.
    """
    if layout.time_form == "epoch":
        instants, fault = epochs(column, name=layout.time)
        return instants, layout.name, [fault]
    if layout.time_form in ("slashed", "month-first", "day-first"):
        days, order = slashed_days(column, form=layout.time_form, file=file, name=layout.time)
        return days, "us-dates" if order == "month-first" else "day-first-dates", []
    return column, layout.name, []


def order_note(symbol: npt.NDArray[np.int64], timestamp: npt.NDArray[np.datetime64], layout: Layout) -> str:
    """Return a note if the rows of a file do not come in its vendor's order, else an empty text.

    The bars are sorted in any case; another order means that somebody edited the file.
    """
    if layout.order == "any":
        return ""
    step = np.diff(timestamp).astype(np.int64)[symbol[1:] == symbol[:-1]]
    fits = np.all(step <= 0) if layout.order == "newest first" else np.all(step >= 0)
    return "" if fits else f"its rows are not {layout.order}, as those of {layout.name} are"
