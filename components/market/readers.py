"""Bars from a synthetic market, or from parquet and CSV files near or far: checked, or refused."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from components.core.errors import DataError, UsageError
from components.core.files import SYMBOL, checked_symbol, sha256_of
from components.market import synthetic
from components.market.bar_table import bars_of
from components.market.bars import Bars, Input
from components.market.checks import Rows
from components.market.csv_header import CsvHeader, csv_header
from components.market.layout import Layout, declared, layout_of, order_note, plain_times
from components.market.retry import Patience
from components.market.sources import Located, opened
from components.market.stacked import FIELDS, unstacked
from components.market.times import parse_times

MAX_CELLS: Final = 200_000_000
"""Rows x columns that a parquet file may declare: a few kilobytes can claim to hold terabytes."""
MAX_CSV_BYTES: Final = 2**30
"""Size of a CSV file, and of all those of a folder together."""

_CSV_ROW = re.compile(r"Row #(\d+)")


def read_bars(
    source: str,
    *,
    symbols: tuple[str, ...] = (),
    asof: datetime,
    layout: str = "",
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> Bars:
    """Return the bars of ``source`` that were known at ``asof``, for ``symbols`` or, if none are named, for all.

    Rows of symbols that were not asked for are not checked. ``layout`` names what the files look
    like (``layout.LAYOUTS``); empty means to tell it by each file's header.

    Raises:
        UsageError: If the source is of no known kind, or a symbol or the layout does not exist.
        DataError: If a file is missing, unreadable or too large, or holds a row that cannot be trusted.
        SourceUnreachableError: If a remote source does not answer within ``patience``.
    """
    return bars_of(read_rows(source, symbols=symbols, layout=layout, patience=patience), source=source, asof=asof)


def read_rows(
    source: str,
    *,
    symbols: tuple[str, ...] = (),
    layout: str = "",
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> list[Rows]:
    """Return the rows of each file of ``source``, parsed and not yet believed.

    Raises:
        UsageError: If the source is of no known kind, or a symbol or the layout does not exist.
        DataError: If a file is missing, unreadable or too large, or has not the columns of bars.
        SourceUnreachableError: If a remote source does not answer within ``patience``.
    """
    wanted = frozenset(checked_symbol(symbol, file="symbols") for symbol in symbols)
    parts = _read(source, wanted, layout, patience)
    _refuse_unknown(wanted, parts, source)
    if len({rows.is_session for rows in parts}) > 1:
        raise DataError(
            "has both date and timestamp columns", file=source, remedy="Keep daily and intraday files apart"
        )
    return parts


def _read(source: str, wanted: frozenset[str], layout: str, patience: Patience) -> list[Rows]:
    if layout:
        declared(layout)
    if synthetic.is_synthetic(source):
        return [_synthetic_rows(source, wanted)]
    with opened(source, sorted(wanted), patience) as files:
        _refuse_large(sum(file.path.stat().st_size for file in files if _is_csv(file)), source)
        return [(_csv_rows if _is_csv(file) else _parquet_rows)(file, wanted, layout) for file in files]


def _is_csv(file: Located) -> bool:
    return file.path.suffix.lower() == ".csv"


def _synthetic_rows(source: str, wanted: frozenset[str]) -> Rows:
    table = synthetic.market(synthetic.parse_source(source))
    sessions = table.set_column(1, "date", table["timestamp"].cast(pa.date32())).drop_columns(["known_at"])
    layout = layout_of(sessions.column_names, lambda _: "", file=source, symbol_required=True)
    return _rows(sessions, layout, Input(source, layout.name, sessions.num_rows), wanted)


def _refuse_empty(file: Located) -> None:
    if file.path.stat().st_size == 0:
        raise DataError("the file is empty (0 bytes)", file=file.name, remedy="Write it again")


def _refuse_large(num_bytes: int, file: str) -> None:
    if num_bytes > MAX_CSV_BYTES:
        raise DataError(
            f"{num_bytes} bytes of CSV, at most {MAX_CSV_BYTES} are read", file=file, remedy="Save it as parquet"
        )


def _parquet_rows(located: Located, wanted: frozenset[str], asked: str) -> Rows:
    path, file = located
    _refuse_empty(located)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            cells = parquet.metadata.num_rows * parquet.metadata.num_columns
            if cells > MAX_CELLS:
                remedy = "Split it, or keep only the columns of bars"
                raise DataError(f"{cells} cells, at most {MAX_CELLS} are read", file=file, remedy=remedy)
            layout = layout_of(
                parquet.schema_arrow.names,
                lambda name: _first_text(parquet, name),
                asked=asked,
                file=file,
                symbol_required=True,
            )
            table = parquet.read(columns=[layout.time, *layout.columns.values(), *layout.events.values()])
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:160]
        remedy = "It is truncated, damaged or not parquet; write it again"
        raise DataError(f"cannot be read ({reason})", file=file, remedy=remedy) from None
    return _rows(table, layout, _input(located, layout, table), wanted)


def _first_text(parquet: pq.ParquetFile, name: str) -> str:
    """Return the first value of a column that holds texts or whole numbers, which alone have several readings."""
    kind = parquet.schema_arrow.field(name).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        return ""
    batch = next(parquet.iter_batches(batch_size=1, columns=[name]), None)
    return "" if batch is None or batch.num_rows == 0 else str(batch.column(0)[0].as_py())


def _input(file: Located, layout: Layout, table: pa.Table) -> Input:
    return Input(file.name, layout.name, table.num_rows, file.path.stat().st_size, sha256_of(file.path))


def _csv_rows(located: Located, wanted: frozenset[str], asked: str) -> Rows:
    path, file = located
    _refuse_empty(located)
    content = path.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) or None
        raise DataError(f"not UTF-8 text ({error.reason})", file=file, row=row, remedy="Save it as UTF-8") from None
    header = csv_header(content, asked=asked, file=file)
    if header.tickers:
        plain = (header.names[0], "symbol", *FIELDS)
        layout = layout_of(plain, lambda _: header.first[0], asked="yfinance", file=file, symbol_required=True)
    else:
        layout = layout_of(header.names, header.cell, asked=asked, file=file, symbol_required=False)
    table = _csv_table(content, header, layout, file)
    if not header.tickers:
        return _rows(table, layout, _input(located, layout, table), wanted)
    long, place = unstacked(table, layout.time, header.tickers, file=file)
    if "Adj Close" not in long.column_names:
        layout = replace(layout, columns={key: name for key, name in layout.columns.items() if key != "adj_close"})
    return _rows(long, layout, _input(located, layout, table), wanted, place)


def _csv_table(content: bytes, header: CsvHeader, layout: Layout, file: str) -> pa.Table:
    texts = {layout.columns.get("symbol"), layout.time}
    used = header.names if header.tickers else [layout.time, *layout.columns.values(), *layout.events.values()]
    try:
        return csv.read_csv(
            pa.BufferReader(content),
            read_options=csv.ReadOptions(  # without threads, as only then its errors name the row
                use_threads=False, column_names=header.names, skip_rows=header.rows
            ),
            convert_options=csv.ConvertOptions(
                include_columns=used,
                column_types={name: pa.string() if name in texts else pa.float64() for name in used},
            ),
        )
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0][:160]
        found = _CSV_ROW.search(reason)
        row = int(found[1]) - header.rows if found else None
        raise DataError(f"not a table of bars ({reason})", file=file, row=row, remedy="Correct the row") from None


def _rows(
    table: pa.Table,
    layout: Layout,
    source: Input,
    wanted: frozenset[str],
    number: npt.NDArray[np.int64] | None = None,
) -> Rows:
    """Return the rows of the wanted symbols; those with a symbol that is none stay, to be refused."""
    file = source.name
    if table.num_rows == 0:
        raise DataError("the file has no rows", file=file, remedy="Write it again")
    names, symbol = _symbols(table, layout, file)
    number = np.arange(1, table.num_rows + 1) if number is None else number
    if wanted:
        kept = np.array([name in wanted or not SYMBOL.fullmatch(name) for name in names], dtype=np.bool_)[symbol]
        table, symbol, number = table.filter(pa.array(kept)), symbol[kept], number[kept]
    times, form, odd = plain_times(table[layout.time], layout, file=file)
    timestamp, faults = parse_times(times, is_session=layout.is_session, file=file, name=layout.time)
    source = replace(source, layout=form, note=order_note(symbol, timestamp, layout))
    numbers = {
        name: _numbers(table[column], file, column) for name, column in layout.columns.items() if name != "symbol"
    }
    events = {name: _numbers(table[column], file, column) for name, column in layout.events.items()}
    found = [*odd, *faults]
    return Rows(file, number, names, symbol, timestamp, layout.time, layout.is_session, numbers, found, source, events)


def _symbols(table: pa.Table, layout: Layout, file: str) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    if "symbol" not in layout.columns:
        return (checked_symbol(Path(file).stem.upper(), file=file),), np.zeros(table.num_rows, dtype=np.int64)
    name = layout.columns["symbol"]
    kind = table[name].type
    text = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(text) or pa.types.is_large_string(text)):
        raise DataError(f"holds {kind}, not text", file=file, column=name, remedy="Save the symbols as strings")
    encoded = table[name].cast(pa.string()).fill_null("").combine_chunks().dictionary_encode()
    return tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy().astype(np.int64)


def _numbers(column: pa.ChunkedArray, file: str, name: str) -> npt.NDArray[np.float64]:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise DataError(f"holds {kind}, not numbers", file=file, column=name, remedy="Save it as float64")
    return column.cast(pa.float64(), safe=False).to_numpy()


def _refuse_unknown(wanted: frozenset[str], parts: Sequence[Rows], source: str) -> None:
    known = sorted({name for rows in parts for name in rows.names if SYMBOL.fullmatch(name)})
    unknown = sorted(wanted.difference(known))
    if unknown:
        some = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")  # noqa: PLR2004
        raise UsageError(f"{source}: no symbol {', '.join(unknown)}. There is {some}")
