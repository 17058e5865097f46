"""The rows above the data of a CSV file: none, one, or the two or three of yfinance."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from components.core.errors import DataError
from components.market.layout import KLINES, YFINANCE, declared
from components.market.time_forms import form_of

_PEEK_BYTES: Final = 1 << 20
_CORNER: Final = {"price": "ticker", "": "", "attributes": "symbols", "ticker": "price"}
"""First cell of the upper header row -> of the lower one, as yfinance and pandas-datareader write them."""
SEPARATOR: Final = "|"
"""Between ticker and field in the names that stacked columns get."""


@dataclass(frozen=True)
class CsvHeader:
    """How a CSV file begins."""

    names: tuple[str, ...]
    """One name per column; of stacked columns ``TICKER|field``."""
    rows: int
    """Rows above the data."""
    first: tuple[str, ...]
    """The cells of the first row of data, as far as there are any."""
    tickers: tuple[str, ...] = ()
    """Of stacked columns, those of the file."""

    def cell(self, name: str) -> str:
        """Return the first value below a name; empty if the row is too short."""
        place = self.names.index(name)
        return self.first[place] if place < len(self.first) else ""


def csv_header(content: bytes, *, asked: str, file: str) -> CsvHeader:
    """Return how the file begins.

    Raises:
        UsageError: If ``asked`` is no layout.
        DataError: If the first rows are no CSV.
    """
    lines = _first_lines(content, file)
    if asked in ("", YFINANCE.name):
        stacked = _stacked(lines)
        if stacked is not None:
            return stacked
        if asked:
            remedy = "Write it with DataFrame.to_csv, or name another --layout"
            raise DataError(f"no header rows of {asked}; found {', '.join(lines[0])[:200]}", file=file, remedy=remedy)
    if asked in ("", "binance") and len(lines[0]) == len(KLINES) and form_of(lines[0][0]) == "epoch":
        return CsvHeader(declared("binance").header, 0, lines[0])
    return CsvHeader(lines[0], 1, lines[1] if len(lines) > 1 else ())


def _first_lines(content: bytes, file: str) -> list[tuple[str, ...]]:
    texts = content[:_PEEK_BYTES].decode("utf-8-sig", errors="ignore").split("\n")[:4]
    try:
        rows = [next(csv.reader([text.rstrip("\r")]), list[str]()) for text in texts]
    except csv.Error as error:
        raise DataError(f"not a table of bars ({error})", file=file, remedy="Save it as CSV again") from None
    return [tuple(row) for row in rows]


def _stacked(lines: Sequence[tuple[str, ...]]) -> CsvHeader | None:
    """Return the header if it has the rows that yfinance writes, else nothing."""
    upper, lower, third, fourth = ([*lines, *[tuple[str, ...]()] * 3])[:4]
    if len(upper) < 2 or len(lower) != len(upper):  # noqa: PLR2004 - a time and a field
        return None
    corner = upper[0].strip().lower()
    times = YFINANCE.times
    if corner in times and not lower[0] and all(lower[1:]) and form_of(lower[1]) == "iso" and not _is_number(lower[1]):
        return _named(upper[0], upper[1:], lower[1:], 2, third)
    named = third and third[0].strip().lower() in times and not any(third[1:])
    if corner in _CORNER and lower[0].strip().lower() == _CORNER[corner] and named:
        fields, tickers = (lower[1:], upper[1:]) if corner == "ticker" else (upper[1:], lower[1:])
        return _named(third[0], fields, tickers, 3, fourth)
    return None


def _named(time: str, fields: Sequence[str], tickers: Sequence[str], rows: int, first: tuple[str, ...]) -> CsvHeader:
    names = (f"{ticker.strip().upper()}{SEPARATOR}{name.strip()}" for ticker, name in zip(tickers, fields, strict=True))
    distinct = tuple(dict.fromkeys(ticker.strip().upper() for ticker in tickers))
    return CsvHeader((time, *names), rows, first, distinct)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
