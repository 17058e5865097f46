"""The net return of each decision time, kept so that a search can be looked at as a whole, later."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import ArtifactError
from components.core.judge import JudgeConfig
from components.trading.allocation import trade_allocations
from components.trading.backtest import backtest
from components.trading.statistics import Array
from components.validate.zone import AllocationZone, Rows, Zone

RETURNS: Final = "returns.parquet"
BARS_PER_YEAR: Final = b"bars_per_year"
"""Key in the file's metadata."""
_SCHEMA = pa.schema([("timestamp", pa.timestamp("us", tz="UTC")), ("net", pa.float64())])


@dataclass(frozen=True, eq=False)
class Returns:
    """What trading a zone brought."""

    timestamp: npt.NDArray[np.datetime64]
    """Decision times in UTC, ascending."""
    net: Array
    """Gain after costs, as a fraction of the initial capital."""
    bars_per_year: float
    """Of the examples."""


def file_of(zone: Rows[Any], config: JudgeConfig, *, bars_per_year: float) -> bytes | None:
    """Return the parquet file of a zone's returns; None unless it holds what can be traded."""
    if not isinstance(zone, Zone | AllocationZone) or not zone.num_rows or zone.defect():
        return None
    if isinstance(zone, AllocationZone):
        book = trade_allocations(zone.predictions, config.costs)
    else:
        book = backtest(zone.predictions, config.costs)
    schema = _SCHEMA.with_metadata({BARS_PER_YEAR: repr(bars_per_year)})
    table = pa.table([book.timestamp.astype("datetime64[us]"), book.net], schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def read_returns(path: Path, digest: str) -> Returns:
    """Return what ``file_of`` wrote, if it is the file with this sha256.

    Raises:
        ArtifactError: If it is missing, or another.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file. Restore it from a backup") from None
    if (found := sha256(content).hexdigest()) != digest:
        raise ArtifactError(
            f"{path}: sha256 {found[:12]}, not {digest[:12]} as in the ledger of trials. It was altered, or the run "
            "judged another model since; restore it from a backup"
        )
    table = pq.read_table(io.BytesIO(content), page_checksum_verification=True)
    per_year = float(table.schema.metadata[BARS_PER_YEAR])
    return Returns(table["timestamp"].to_numpy(), table["net"].to_numpy(), bars_per_year=per_year)
