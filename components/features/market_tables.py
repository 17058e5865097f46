"""The feature views that are not made of bars: the market's context, and what the options say of a symbol."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.features.tables import BarPanel, bar_panel
from components.market.asof import Times, as_of
from components.market.bars import Interval
from components.market.columns import OWN
from components.market.companions import CONTEXT_FILES, OPTIONS_FILE, RATE_TENORS
from components.market.context import YIELD_MAX_AGE, YIELDS_FILE, context_table
from components.market.context_files import read_yields
from components.market.option_chain import Chain, read_chain
from components.market.options import KNOWN_AT, option_features
from components.market.views import CONTEXT_VIEW, OPTIONS_VIEW

Floats = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

REALISED: Final = "vol_21d"
REALISED_MAX_AGE: Final = np.timedelta64(5, "D")
"""A chain of a day without a bar is compared with the volatility up to the bar before."""

Companions = Callable[[Path, BarPanel, Interval], Iterable[tuple[str, pa.Table]]]
"""What makes the rows of each view that the tables beside a snapshot's bars give, such as ``companion_tables``."""


def companion_tables(snapshot: Path, panel: BarPanel, interval: Interval) -> Iterator[tuple[str, pa.Table]]:
    """Yield the name and the rows of each view that the tables beside the snapshot's bars give.

    Raises:
        DataError: If the context holds no session between the first bar and the last.
    """
    present = {path.name for path in snapshot.iterdir()}
    if present.issuperset(CONTEXT_FILES):
        range_of = pc.min_max(panel.keys["timestamp"])
        first, last = (range_of[end].as_py().date() for end in ("min", "max"))
        yield CONTEXT_VIEW, context_table(snapshot, first=first, last=last)
    if OPTIONS_FILE in present:
        yield OPTIONS_VIEW, _option_table(snapshot, panel, interval)


def companion_rows(
    view: str,
    bars: pa.Table,
    beside: Mapping[str, pa.Table],
    *,
    interval: Interval,
    companions: Companions = companion_tables,
) -> pa.Table:
    """Return the rows of one view as the step makes them of a snapshot's folder, by ``symbol`` and ``timestamp``.

    The context's are the market and its session.
    """
    with tempfile.TemporaryDirectory() as private:
        folder = Path(private)
        for name, table in beside.items():
            pq.write_table(table, folder / name)
        rows = next(table for name, table in companions(folder, bar_panel(bars), interval) if name == view)
    keys = {"market": "symbol", "date": "timestamp"}
    return rows.rename_columns([keys.get(name, name) for name in rows.column_names])


def _option_table(snapshot: Path, panel: BarPanel, interval: Interval) -> pa.Table:
    path = snapshot / OPTIONS_FILE
    sessions = np.unique(panel.keys["timestamp"].to_numpy().astype("datetime64[D]"))
    chain = read_chain(pq.read_table(path, page_checksum_verification=True), file=str(path), sessions=sessions)
    realised = _realised(chain, panel) if interval == "daily" else None
    found = option_features(chain, rate=_rates(chain, snapshot), realised_vol=realised)
    counts = {name: pc.sum(found.excluded[name]).as_py() for name in found.excluded.column_names[2:]}
    log.info("option chains: %d snapshots used; rows left out or without a value: %s", len(chain.symbol), counts)
    return found.table


def _known_by(chain: Chain) -> Times:
    days: Times = chain.date.astype("datetime64[us]")
    return KNOWN_AT + days


def _rates(chain: Chain, snapshot: Path) -> Floats:
    """Return the continuously compounded rate per year that was known at each chain; 0 where no curve is known."""
    path = snapshot / YIELDS_FILE
    if not path.is_file():
        log.warning("no yields beside the bars: option values take a risk-free rate of 0. Give them with --context")
        return np.zeros(len(chain.symbol))
    tenor = next(name for name in RATE_TENORS if name in pq.read_schema(path).names)
    curve = read_yields(path, (tenor,))
    rates = as_of(curve.known_at, 2 * np.log1p(curve.data[:, 0] / 200), _known_by(chain), max_age=YIELD_MAX_AGE)
    return np.nan_to_num(rates, nan=0.0)


def _realised(chain: Chain, panel: BarPanel) -> Floats:
    """Return each underlying's realised volatility per year as it was known with its chain."""
    names = panel.keys["symbol"].to_numpy(zero_copy_only=False)
    times = panel.keys["event_timestamp"].to_numpy()
    at, found = _known_by(chain), np.full(len(chain.symbol), np.nan)
    for name in np.unique(chain.symbol.astype(str)):
        rows, wanted = np.flatnonzero(names == name), chain.symbol == name
        if len(rows):
            values = panel.own[panel.row[rows[0]], OWN.index(REALISED), panel.column[rows]]
            found[wanted] = as_of(times[rows], values, at[wanted], max_age=REALISED_MAX_AGE)
    return found
