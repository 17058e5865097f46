"""What a second ingest adds to the first, and what it says differently about the past.

A vendor rescales a whole series of adjusted closes at each dividend; only their ratios mean anything.
So a symbol's factor between the two files is taken out before they are compared, and new rows are put
at the level of the old ones.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from components.core.errors import DataError
from components.market.bars import OHLC, SCHEMA

MAX_RESTATED_SHARE: Final = 0.001
"""Of the rows that both files could have: corrections of single bars pass, another history does not."""
ADJUSTED_TOLERANCE: Final = 1e-4
"""Of the ratio of two adjusted closes: vendors round them to four decimals."""

_KEYS: Final = ["symbol", "timestamp"]
_PUBLISHED: Final = (*OHLC, "volume")


class Increment(NamedTuple):
    """Tables of the bars' schema; together with the previous bars they are all that is known."""

    added: pa.Table
    """Bars that the previous table lacks."""
    restated: pa.Table
    """Bars that it holds with other values, known from the time of the second ingest."""
    withdrawn: pa.Table
    """Bars of the previous table that the new one lacks between its own first and last of the symbol."""


def merge(
    previous: pa.Table,
    new: pa.Table,
    *,
    asof: datetime,
    file: str,
    max_restated_share: float = MAX_RESTATED_SHARE,
    allow_restated: bool = False,
) -> Increment:
    """Return what ``new`` adds to ``previous``; where that holds a bar more than once, the latest known counts.

    Only the part of ``previous`` from the first bar of ``new`` on is looked at.

    Raises:
        DataError: If more than ``max_restated_share`` of the shared past is restated or withdrawn and
            that is not allowed, or a symbol's adjusted closes cannot be put at the level of the old ones.
    """
    since = previous.filter(pa.array(previous["timestamp"].to_numpy() >= new["timestamp"].to_numpy().min()))
    old, fresh = _latest(since), _latest(new)
    shared = fresh.index.intersection(old.index)
    was, now = old.loc[shared], fresh.loc[shared]
    factors = (now["adj_close"] / was["adj_close"]).groupby(level=0).median()
    _refuse_unjoined(previous, fresh, factors, file)
    factor = factors.reindex(fresh.index.get_level_values(0)).fillna(1.0).to_numpy(np.float64)
    fresh["adj_close"] = fresh["adj_close"].to_numpy() / factor
    changed = _changed(was, fresh.loc[shared])
    span = fresh.reset_index().groupby("symbol")["timestamp"].agg(["min", "max"])
    lacking = old.loc[old.index.difference(fresh.index)]
    bounds = span.reindex(lacking.index.get_level_values(0))
    times = lacking.index.get_level_values(1)
    withdrawn = lacking[(times >= bounds["min"].to_numpy()) & (times <= bounds["max"].to_numpy())]
    if not allow_restated:
        _refuse_restated(
            was, fresh.loc[shared], changed, num_withdrawn=len(withdrawn), max_share=max_restated_share, file=file
        )
    moment = pd.Timestamp(asof.astimezone(UTC)).as_unit("us")
    restated = fresh.loc[shared][changed.any(axis=1)].assign(known_at=moment)
    return Increment(*(_table(rows) for rows in (fresh.loc[fresh.index.difference(shared)], restated, withdrawn)))


def _latest(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas().sort_values("known_at", kind="stable").drop_duplicates(_KEYS, keep="last")
    return frame.set_index(_KEYS).sort_index()


def _table(rows: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(rows.sort_index().reset_index(), schema=SCHEMA, preserve_index=False)


def _changed(was: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return where a column says something else, [row, column]."""
    changed = was[list(_PUBLISHED)] != now[list(_PUBLISHED)]
    off: npt.NDArray[np.float64] = np.abs(now["adj_close"].to_numpy() / was["adj_close"].to_numpy() - 1)
    return changed.assign(adj_close=off > ADJUSTED_TOLERANCE)


def _refuse_unjoined(previous: pa.Table, fresh: pd.DataFrame, factors: pd.Series, file: str) -> None:
    """Refuse symbols that continue without a bar in common, unless their closes are not adjusted at all."""
    names = fresh.index.get_level_values(0)
    adjusted = set(names[(fresh["adj_close"] != fresh["close"]).to_numpy()])
    before = previous["symbol"].to_numpy(zero_copy_only=False)
    adjusted |= set(before[previous["adj_close"].to_numpy() != previous["close"].to_numpy()])
    apart = set(names) & set(before) - set(factors.index)
    if unjoined := sorted(apart & adjusted):
        problem = f"{', '.join(unjoined[:10])}: no bar in common with the bars before, so the level is unknown"
        raise DataError(problem, file=file, column="adj_close", remedy="Give a file that overlaps by a bar or more")


def _refuse_restated(
    was: pd.DataFrame, now: pd.DataFrame, changed: pd.DataFrame, *, num_withdrawn: int, max_share: float, file: str
) -> None:
    rows = changed.any(axis=1).to_numpy()
    num_restated = int(np.count_nonzero(rows))
    total = len(was) + num_withdrawn
    if num_restated + num_withdrawn <= max_share * total:
        return
    counts = f"{num_restated} of {total} past rows restated and {num_withdrawn} withdrawn (at most {max_share:.2%})"
    remedy = "Compare the files; if the new one is right, allow restated rows, and they are recorded as known from now"
    if not num_restated:
        raise DataError(counts, file=file, remedy=remedy)
    row = int(np.argmax(rows))
    column = changed.columns[int(np.argmax(changed.to_numpy()[row]))]
    symbol, time = was.index[row]
    example = f"{symbol} {time:%Y-%m-%dT%H:%M}Z was {was[column].iloc[row]}, is {now[column].iloc[row]}"
    raise DataError(f"{counts}; {example}", file=file, column=str(column), remedy=remedy)
