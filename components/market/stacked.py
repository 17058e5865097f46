"""A table with a column per ticker and field, made long: one row per ticker and time."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.core.errors import DataError
from components.market.csv_header import SEPARATOR

FIELDS = ("Open", "High", "Low", "Close", "Adj Close", "Volume")


def unstacked(
    table: pa.Table, time: str, tickers: Sequence[str], *, file: str
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return the long table with a column ``symbol``, and each row's place in the file.

    The file has a row wherever any ticker has a bar; a ticker's rows without a single number are
    not bars of it.

    Raises:
        DataError: If a ticker lacks a column.
    """
    pieces: list[pa.Table] = []
    places: list[npt.NDArray[np.int64]] = []
    adjusted = any(name.endswith(f"{SEPARATOR}Adj Close") for name in table.column_names)
    for ticker in tickers:
        names = [name for name in FIELDS if adjusted or name != "Adj Close"]
        missing = [name for name in names if f"{ticker}{SEPARATOR}{name}" not in table.column_names]
        if missing:
            remedy = "Download all fields of all tickers"
            raise DataError(f"no column {', '.join(missing)} of {ticker}", file=file, remedy=remedy)
        columns = [table[f"{ticker}{SEPARATOR}{name}"] for name in names]
        filled = ~np.logical_and.reduce([np.isnan(column.to_numpy()) for column in columns])
        symbol = pa.array([ticker] * table.num_rows, pa.string())
        long = pa.table([symbol, table[time], *columns], names=["symbol", time, *names])
        pieces.append(long.filter(pa.array(filled)))
        places.append(np.flatnonzero(filled) + 1)
    return pa.concat_tables(pieces), np.concatenate(places)
