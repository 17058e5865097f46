"""Readers of the files behind the market context: each value with the time from which it was known."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import DataError
from components.market.asof import Times
from components.market.bars import SESSION_KNOWN_AT

Floats = npt.NDArray[np.float64]

NEXT_DAY: Final = np.timedelta64(1, "D")
TONES: Final = ("market_tone", "fed_tone", "macro_tone", "trade_geo_tone", "big_tech_tone", "ai_chips_tone")

UNPUBLISHED: Final[Mapping[str, tuple[str, str]]] = {
    "y_1m": ("1900-01-01", "2001-07-30"),
    "y_20y": ("1900-01-01", "1993-09-30"),
    "y_30y": ("2002-02-19", "2006-02-08"),
}
"""Days, both ends included, at which a yield of 0 means that there was none; at other times 0 is a yield."""


@dataclass(frozen=True)
class Series:
    """A series of values and when each became known."""

    known_at: Times
    """[row], datetime64[us] UTC, strictly ascending."""
    data: Floats
    """[row] or [row, column]; NaN where the source has none."""


def read_closes(path: Path, symbols: Sequence[str]) -> Series:
    """Return the adjusted closes of ``symbols``, one column each, on the sessions of the first.

    A session's closes are known at 22:00 UTC. NaN where another symbol lacks the session.

    Raises:
        DataError: If the file or a column is missing, a symbol is not in it, or a (symbol, day) is repeated.
    """
    table = read_columns(path, ["symbol", "date", "close"])
    days, names = _days(table), table["symbol"].to_numpy()
    closes = table["close"].to_numpy()
    if np.any(closes <= 0):
        raise DataError("a price must be above 0", file=str(path), column="close", remedy="Correct or remove the row")
    columns: list[Floats] = []
    sessions = days[:0]
    for symbol in symbols:
        rows = np.flatnonzero(names == symbol)
        if len(rows) == 0:
            raise DataError(f"no rows of {symbol}", file=str(path), remedy=f"Use a file with {', '.join(symbols)}")
        _refuse_repeats(days[rows], path, symbol)
        sessions = days[rows] if not columns else sessions
        place = np.searchsorted(days[rows], sessions)
        found = np.append(days[rows], np.datetime64("NaT"))[place] == sessions
        columns.append(np.where(found, np.append(closes[rows], np.nan)[place], np.nan))
    return Series(sessions + SESSION_KNOWN_AT, np.stack(columns, axis=1))


def read_yields(path: Path, tenors: Sequence[str]) -> Series:
    """Return the Treasury par yields ``tenors``, percent, one column each.

    The curve of a day is published after the close, around 18:00 in New York, so it counts from 00:00 UTC of
    the next day. A 0 that means "not published" is NaN. Days of the stock market without a row stay without.

    Raises:
        DataError: If the file or a column is missing, or a day is repeated.
    """
    table = read_columns(path, ["date", *tenors])
    days = _days(table)
    _refuse_repeats(days, path, "the curve")
    columns: list[Floats] = []
    for tenor in tenors:
        values = table[tenor].to_numpy()
        if tenor in UNPUBLISHED:
            first, last = (np.datetime64(day) for day in UNPUBLISHED[tenor])
            values = np.where((values == 0) & (days >= first) & (days <= last), np.nan, values)
        columns.append(values)
    return Series(days + NEXT_DAY, np.stack(columns, axis=1))


def read_tone(path: Path) -> Series:
    """Return the mean news tone over the six themes, in GDELT's points from -100 to 100.

    The tone of a UTC day is complete, and counts, from 00:00 UTC of the next.

    Raises:
        DataError: If the file or a column is missing, or a day is repeated.
    """
    table = read_columns(path, ["date", *TONES])
    days = _days(table)
    _refuse_repeats(days, path, "the tone")
    return Series(days + NEXT_DAY, np.stack([table[name].to_numpy() for name in TONES], axis=1).mean(axis=1))


def read_columns(path: Path, columns: list[str]) -> pa.Table:
    """Return the columns of a parquet file, sorted by day."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            missing = sorted(set(columns) - set(parquet.schema_arrow.names))
            if missing:
                remedy = f"It must hold {', '.join(columns)}"
                raise DataError(f"no column {', '.join(missing)}", file=str(path), remedy=remedy)
            table = parquet.read(columns=columns)
    except FileNotFoundError:
        raise DataError("no such file", file=str(path), remedy="Check the folder of the context files") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:160]
        raise DataError(f"cannot be read ({reason})", file=str(path), remedy="Write it again") from None
    if table["date"].null_count > 0:
        raise DataError("a day is empty", file=str(path), column="date", remedy="Remove the row")
    return table.sort_by("date")


def _days(table: pa.Table) -> Times:
    return table["date"].cast(pa.timestamp("us")).to_numpy()


def _refuse_repeats(days: Times, path: Path, what: str) -> None:
    repeated = np.flatnonzero(days[1:] == days[:-1])
    if len(repeated):
        day = str(days[repeated[0]])[:10]
        raise DataError(f"{what} has two rows of {day}", file=str(path), column="date", remedy="Keep one of them")
