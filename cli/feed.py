"""Bars as a model follows them: the panel, the rows that have its features, and the prices that are traded."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from components.core.errors import DataError, UsageError
from components.features.tables import BarPanel, bar_panel, feature_tables
from components.market.bars import OHLC, Bars
from components.score.batch import Grid
from components.serving.loader import Served
from components.trading.candles import Candles


def panel_of(bars: Bars, start: datetime, end: datetime) -> BarPanel:
    """Return the panel of the bars up to ``end``.

    Raises:
        UsageError: If none of them is from ``start`` on.
    """
    table = bars.table.filter(pc.less_equal(bars.table["timestamp"], end))
    if not table.num_rows or pc.max(table["timestamp"]).as_py() < start:
        newest = pc.max(bars.table["timestamp"]).as_py()
        raise UsageError(f"no bar between {start.isoformat()} and {end.isoformat()}; the newest is of {newest}")
    return bar_panel(table)


def grid_of(panel: BarPanel, bars: Bars, served: Served, source: str) -> Grid:
    """Return the rows that have all features of the model, on the calendar of the bars."""
    wanted = list(served.signature.columns)
    columns: dict[str, Any] = {}
    for _, table in feature_tables(panel, bars.interval):
        columns |= {name: table[name] for name in wanted if name in table.column_names}
        if len(columns) == len(wanted):
            break
    if missing := [name for name in wanted if name not in columns]:
        raise DataError(
            "the bundle reads a feature that bars alone do not give",
            file=source, column=missing[0], remedy="Let 'qf run' score it, with the data that it needs",
        )  # fmt: skip
    frame = panel.keys.to_pandas().assign(**{name: columns[name].to_numpy() for name in wanted})
    return Grid.of(frame[np.isfinite(frame[wanted].to_numpy()).all(axis=1)], wanted)


def candles_of(panel: BarPanel, start: datetime) -> Candles:
    """Return the adjusted bars from ``start`` on; NaN where a symbol has none."""
    names, code = np.unique(panel.keys["symbol"].to_numpy(), return_inverse=True)
    time = panel.keys["timestamp"].to_numpy().astype("datetime64[us]")
    inside = time >= np.datetime64(int(start.timestamp() * 1e6), "us")
    calendar, place = np.unique(time[inside], return_inverse=True)
    prices: dict[str, npt.NDArray[np.float64]] = {}
    for name in OHLC:
        values = np.full((len(names), len(calendar)), np.nan)
        values[code[inside], place] = getattr(panel.candles, name)[panel.row, panel.column][inside]
        prices[name] = values
    # Adjusting rounds: a close that was the low may come to lie a bit below it. The reader has checked the bars.
    prices["low"] = np.minimum.reduce([prices[name] for name in ("open", "low", "close")])
    prices["high"] = np.maximum.reduce([prices[name] for name in ("open", "high", "close")])
    return Candles(tuple(str(name) for name in names), calendar, **prices)
