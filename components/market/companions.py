"""The tables beside the bars: funds, yields and news tone behind the context, and option chains.

A snapshot keeps them under the names of the files that the context is read from, so its folder is such a folder.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.address import refuse_credentials
from components.core.errors import DataError, UsageError
from components.core.files import sha256_of
from components.market import remote, synthetic
from components.market.asof import Times
from components.market.bars import SESSION_KNOWN_AT, Input
from components.market.context import FUNDS, FUNDS_FILE, TENORS, TONE_FILE, YIELDS_FILE
from components.market.context_files import NEXT_DAY, TONES, read_closes, read_columns, read_tone, read_yields
from components.market.option_chain import OPTIONAL, REQUIRED, read_chain
from components.market.options import KNOWN_AT
from components.market.retry import Patience
from components.market.sources import opened
from components.market.synthetic_context import synthetic_context
from components.market.synthetic_options import option_chains

CONTEXT_FILES: Final = (FUNDS_FILE, YIELDS_FILE, TONE_FILE)
OPTIONS_FILE: Final = "option_chain.parquet"
OPTIONS_FILES: Final = (OPTIONS_FILE, YIELDS_FILE)
"""What option features are made of beside the bars; only the first must be there."""
RATE_TENORS: Final = ("y_3m", *TENORS)
"""Tenors of the risk-free rate, the best first."""

_DELAYS: Final[Mapping[str, np.timedelta64]] = {
    FUNDS_FILE: SESSION_KNOWN_AT,
    YIELDS_FILE: NEXT_DAY,
    TONE_FILE: NEXT_DAY,
    OPTIONS_FILE: KNOWN_AT,
}


def _forget(read: Input) -> None:
    """Tell nobody."""


def read_companions(
    source: str,
    *,
    context: str,
    options: str,
    asof: datetime,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    on_read: Callable[[Input], None] = _forget,
) -> dict[str, pa.Table]:
    """Return the tables, by file name, with what was known of them at ``asof``; none where nothing is named.

    ``context`` is a folder, or an address of object storage, with the three ``CONTEXT_FILES``, ``options`` a
    parquet file of chains. A synthetic market has its own of both. ``on_read`` is told of every file that was read.

    Raises:
        UsageError: If files are given for a synthetic market, or an address carries credentials.
        DataError: If a file is missing or cannot be used.
        SourceUnreachableError: If object storage does not answer within ``patience``.
    """
    if synthetic.is_synthetic(source):
        if context or options:
            raise UsageError("--context, --options: a synthetic market has its own. Leave them out")
        found = _synthetic(synthetic.parse_source(source))
    else:
        found = _context(context, patience, on_read) if context else {}
        if options:
            found[OPTIONS_FILE] = _chain(options, patience, on_read)
    moment = np.datetime64(asof.replace(tzinfo=None), "us")
    return {name: table.filter(pa.array(known_times(name, table) <= moment)) for name, table in found.items()}


def tables_beside(snapshot: Path) -> dict[str, pa.Table]:
    """Return the tables that a snapshot keeps beside its bars, by file name."""
    paths = [snapshot / name for name in (*CONTEXT_FILES, OPTIONS_FILE)]
    return {path.name: pq.read_table(path, page_checksum_verification=True) for path in paths if path.is_file()}


def known_times(name: str, table: pa.Table) -> Times:
    """Return from when each row of the table called ``name`` was known, [row], datetime64[us] UTC."""
    days: Times = table["date"].cast(pa.timestamp("us")).to_numpy()
    return days + _DELAYS[name]


def _synthetic(spec: synthetic.MarketSpec) -> dict[str, pa.Table]:
    found = synthetic_context(spec)
    if spec.options:
        found[OPTIONS_FILE] = option_chains(spec, days=spec.options)
    return found


def _context(address: str, patience: Patience, on_read: Callable[[Input], None]) -> dict[str, pa.Table]:
    if "://" not in address:
        if not Path(address).is_dir():
            remedy = f"Give a folder with {', '.join(CONTEXT_FILES)}"
            raise DataError("no such folder", file=address, remedy=remedy)
        return _context_tables(Path(address), address, on_read)
    refuse_credentials(address)
    with tempfile.TemporaryDirectory(prefix="qf-context-") as folder:
        for name in CONTEXT_FILES:
            remote.fetch(f"{address.rstrip('/')}/{name}", Path(folder), patience)
        return _context_tables(Path(folder), address, on_read)


def _context_tables(folder: Path, address: str, on_read: Callable[[Input], None]) -> dict[str, pa.Table]:
    """Return the columns and rows that the context is made of, each file checked as its reader checks it."""
    read_closes(folder / FUNDS_FILE, FUNDS)
    read_yields(folder / YIELDS_FILE, TENORS)
    read_tone(folder / TONE_FILE)
    for name in CONTEXT_FILES:
        on_read(_input(folder / name, f"{address.rstrip('/')}/{name}"))
    funds = read_columns(folder / FUNDS_FILE, ["symbol", "date", "close"])
    funds = funds.filter(pc.is_in(funds["symbol"], value_set=pa.array(FUNDS)))
    yields = pq.read_schema(folder / YIELDS_FILE).names
    return {
        FUNDS_FILE: funds.sort_by([("symbol", "ascending"), ("date", "ascending")]),
        YIELDS_FILE: read_columns(folder / YIELDS_FILE, ["date", *(name for name in RATE_TENORS if name in yields)]),
        TONE_FILE: read_columns(folder / TONE_FILE, ["date", *TONES]),
    }


def _input(path: Path, name: str) -> Input:
    return Input(name, "", pq.read_metadata(path).num_rows, path.stat().st_size, sha256_of(path))


def _chain(address: str, patience: Patience, on_read: Callable[[Input], None]) -> pa.Table:
    with opened(address, (), patience) as files:
        if len(files) != 1 or files[0].path.suffix.lower() == ".csv":
            raise DataError("want one parquet file of option chains", file=address, remedy="Save it as parquet")
        try:
            table = pq.read_table(files[0].path, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0][:160]
            raise DataError(f"cannot be read ({reason})", file=address, remedy="Write it again") from None
        on_read(_input(files[0].path, files[0].name))
    read_chain(table, file=address)
    kept = [name for name in (*REQUIRED, *OPTIONAL) if name in table.column_names]
    return table.select(kept).replace_schema_metadata(None)
