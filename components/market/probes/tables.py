"""Any table of a source as it is: no row is believed and no row is refused before it was probed."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from components.core.errors import DataError, UsageError
from components.market import synthetic
from components.market.layout import SPELLINGS
from components.market.readers import MAX_CELLS, MAX_CSV_BYTES

_PARQUET, _CSV = (".parquet", ".pq"), (".csv",)


def tables(source: str) -> dict[str, pa.Table]:
    """Return the table of each file of a source, by the file's name; a CSV without symbols is named by its file.

    Column names are in lower case, and the spellings of ``layout`` that mean one of our names are that name.

    Raises:
        UsageError: If the source is of no known kind.
        DataError: If a file is missing, unreadable or too large.
    """
    if synthetic.is_synthetic(source):
        return {source: synthetic.market(synthetic.parse_source(source))}
    if "://" in source:
        raise UsageError(f"{source!r:.120}: want a path or {synthetic.SCHEME}://. Copy the data to this machine first")
    path = Path(source)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [file for file in files if file.suffix.lower() in (*_PARQUET, *_CSV) and not file.name.startswith(".")]
    if not files:
        raise DataError("holds no .parquet or .csv file", file=source, remedy="Give such a file, or a folder of them")
    return {str(file): _named(_table(file), file) for file in files}


def _table(path: Path) -> pa.Table:
    if not path.is_file():
        raise DataError("no such file or folder", file=str(path), remedy="Check the path")
    size = path.stat().st_size
    if path.suffix.lower() in _CSV and size > MAX_CSV_BYTES:
        problem = f"{size} bytes of CSV, at most {MAX_CSV_BYTES} are read"
        raise DataError(problem, file=str(path), remedy="Save it as parquet")
    try:
        table = csv.read_csv(path) if path.suffix.lower() in _CSV else _parquet(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:160]
        remedy = "It is truncated, damaged or no such table; write it again"
        raise DataError(f"cannot be read ({reason})", file=str(path), remedy=remedy) from None
    if table.num_rows == 0:
        raise DataError("the file has no rows", file=str(path), remedy="Write it again")
    return table


def _parquet(path: Path) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
        cells = parquet.metadata.num_rows * parquet.metadata.num_columns
        if cells > MAX_CELLS:
            remedy = "Split it, or keep only the columns that matter"
            raise DataError(f"{cells} cells, at most {MAX_CELLS} are read", file=str(path), remedy=remedy)
        return parquet.read()


def _named(table: pa.Table, path: Path) -> pa.Table:
    ours = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
    names: list[str] = [name.strip().lower() for name in table.column_names]
    names = [name if ours.get(name) in names else ours.get(name, name) for name in names]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"columns {', '.join(twice)} are there twice", file=str(path), remedy="Keep one of each")
    table = table.rename_columns(names)
    if "symbol" not in names and path.suffix.lower() in _CSV:
        table = table.append_column("symbol", pa.array([path.stem.upper()] * table.num_rows))
    return table
