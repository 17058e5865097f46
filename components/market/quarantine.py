"""Bad rows and symbols set aside with their reasons, so that the others can go on."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.core.errors import DataError
from components.market.bars import OHLC
from components.market.checks import Rows, refuse_unusable
from components.market.quality import Assessment
from components.market.rules import MIN_SCORE

SCHEMA: Final = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("symbol", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        *((name, pa.float64()) for name in (*OHLC, "volume", "adj_close")),
        ("scope", pa.string()),
        ("reasons", pa.list_(pa.string())),
    ]
)
"""One row per row that was set aside, in the order of the files; ``scope`` is row or symbol."""
_NUM_NAMED: Final = 3


def refuse_unfit(found: Assessment, *, source: str) -> None:
    """Refuse a dataset that quarantine cannot save.

    Raises:
        DataError: If a file is unusable as a whole, the score is too low, or nothing would be left.
    """
    for rows in found.data.parts:
        refuse_unusable(rows)
    issues = " ".join(f"{issue}." for issue in found.issues()[:_NUM_NAMED])
    if found.rows_set_aside.all():
        raise DataError("every row would be set aside", file=source, remedy=issues)
    if not found.fit:
        raise DataError(f"quality score {found.score:.3f} is below {MIN_SCORE}", file=source, remedy=issues)


def sound(found: Assessment) -> list[Rows]:
    """Return the rows that are not set aside, file by file; a file without any is left out."""
    kept: list[Rows] = []
    offset = 0
    for rows in found.data.parts:
        keep = ~found.rows_set_aside[offset : offset + len(rows.symbol)]
        offset += len(rows.symbol)
        if keep.any():
            kept.append(
                replace(
                    rows,
                    number=rows.number[keep],
                    symbol=rows.symbol[keep],
                    timestamp=rows.timestamp[keep],
                    numbers={name: values[keep] for name, values in rows.numbers.items()},
                    events={name: values[keep] for name, values in rows.events.items()},
                    faults=[replace(item, rows=item.rows[keep], values=item.values[keep]) for item in rows.faults],
                )
            )
    return kept


def set_aside(found: Assessment) -> pa.Table:
    """Return the rows that are set aside, each with its reasons."""
    data = found.data
    places = np.flatnonzero(found.rows_set_aside)
    lengths = [len(rows.symbol) for rows in data.parts]
    part = np.repeat(np.arange(len(lengths)), lengths)[places]
    files = np.array([Path(rows.file).name for rows in data.parts], dtype=object)
    number = np.concatenate([rows.number for rows in data.parts])[places]
    timed = np.isin(places, data.order)
    scope, reasons = _reasons(found, places)
    nothing = np.full(len(places), np.nan)
    values = [data.numbers[name][places] if name in data.numbers else nothing for name in (*OHLC, "volume")]
    adjusted = data.numbers.get("adj_close", data.numbers["close"])[places]
    stamps = np.where(timed, data.time[places], np.datetime64("NaT"))
    names = np.array(data.names, dtype=object)[data.symbol[places]]
    columns: list[Any] = [files[part], number, names, stamps, *values, adjusted, scope, reasons]
    return pa.table(
        [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def _reasons(found: Assessment, places: npt.NDArray[np.intp]) -> tuple[list[str], list[list[str]]]:
    of_symbol = {item.symbol: list(item.set_aside) for item in found.symbols}
    of_row: dict[int, list[str]] = {}
    for hits in found.hits:
        if hits.rule.scope == "row":
            for row in np.unique(hits.row).tolist():
                named = of_row.setdefault(row, [])
                if hits.rule.name not in named:
                    named.append(hits.rule.name)
    names = [found.data.names[code] for code in found.data.symbol[places].tolist()]
    reasons = [[*of_row.get(row, []), *of_symbol[name]] for row, name in zip(places.tolist(), names, strict=True)]
    return ["row" if row in of_row else "symbol" for row in places.tolist()], reasons
