"""From parsed rows to the bars table: every row checked, sorted, with the time from which it was known."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.core.errors import DataError, UsageError
from components.market.bars import DAY_S, OHLC, SCHEMA, Bars, completion
from components.market.checks import Rows, check


def bars_of(parts: Sequence[Rows], *, source: str, asof: datetime) -> Bars:
    """Return the bars that the rows make, after every check.

    Raises:
        UsageError: If ``asof`` has no time zone.
        DataError: If a row cannot be trusted.
    """
    if asof.tzinfo is None:
        raise UsageError(f"asof {asof} has no time zone. Give it with an offset, such as 2024-12-31T22:00:00Z")
    names, symbol = shared_codes(parts)
    timestamp = np.concatenate([rows.timestamp for rows in parts])
    order = np.lexsort((timestamp, symbol))
    is_session = parts[0].is_session
    timed = order[np.concatenate([has_time(rows) for rows in parts])[order]]
    bar_seconds = DAY_S if is_session else spacing_s(symbol[timed], timestamp[timed])
    for rows in parts:
        check(rows, asof=asof, bar_seconds=bar_seconds)
    _refuse_shared(parts)
    if bar_seconds == 0:
        raise DataError("no symbol has two bars", file=source, remedy="The bar length is measured from their distance")
    table = _table(parts, np.array(names, dtype=object)[symbol[order]], timestamp[order], order, bar_seconds)
    inputs = tuple(rows.source for rows in parts)
    return Bars(table, "daily" if is_session else "intraday", bar_seconds, inputs)


def _refuse_shared(parts: Sequence[Rows]) -> None:
    owner: dict[str, str] = {}
    for rows in parts:
        for name in (rows.names[code] for code in np.unique(rows.symbol)):
            if name in owner:
                remedy = "Keep all bars of a symbol in one file"
                raise DataError(f"symbol {name} is also in {owner[name]}", file=rows.file, remedy=remedy)
            owner[name] = rows.file


def shared_codes(parts: Sequence[Rows]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return all symbols, sorted, and every row's place in them."""
    names = sorted({name for rows in parts for name in rows.names})
    place = {name: code for code, name in enumerate(names)}
    codes = [np.array([place[name] for name in rows.names], dtype=np.int64)[rows.symbol] for rows in parts]
    return names, np.concatenate(codes)


def has_time(rows: Rows) -> npt.NDArray[np.bool_]:
    """Return which rows have a time that means something."""
    timeless = np.zeros(len(rows.symbol), dtype=np.bool_)
    for fault in rows.faults:
        timeless |= fault.rows
    return ~timeless


def spacing_s(symbol: npt.NDArray[np.int64], timestamp: npt.NDArray[np.datetime64]) -> int:
    """Return the median distance of neighbouring bars of one symbol in seconds, 0 if there are none."""
    distance = np.diff(timestamp).astype(np.int64)[symbol[1:] == symbol[:-1]]
    return int(np.median(distance)) // 1_000_000 if len(distance) else 0


def _table(
    parts: Sequence[Rows],
    names: npt.NDArray[np.object_],
    timestamp: npt.NDArray[np.datetime64],
    order: npt.NDArray[np.intp],
    bar_seconds: int,
) -> pa.Table:
    length = completion("daily" if parts[0].is_session else "intraday", bar_seconds)
    columns: list[npt.NDArray[np.generic]] = [names, timestamp, timestamp + length]
    for name in (*OHLC, "volume", "adj_close"):
        values = [rows.numbers.get(name, rows.numbers["close"]) for rows in parts]
        columns.append(np.concatenate(values)[order])
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)
