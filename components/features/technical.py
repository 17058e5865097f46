"""The table behind the view ``technical_v1``: one row per symbol and bar."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.market.adjust import Candles, forward_adjusted
from components.market.columns import PRICES, TECHNICAL
from components.market.indicators import technical

Array = npt.NDArray[np.float64]


def technical_table(bars: pa.Table) -> pa.Table:
    """Return the features of ``bars``, in their order; warm-up rows hold NaN.

    A row counts from ``event_timestamp``, the moment its bar was complete.
    """
    names: Any = bars.column("symbol").to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]]))
    lengths = np.diff(np.append(starts, len(names)))
    row, column = np.repeat(np.arange(len(starts)), lengths), np.concatenate([np.arange(size) for size in lengths])

    def panel(name: str) -> Array:
        values = np.full((len(starts), int(lengths.max())), np.nan)
        values[row, column] = bars.column(name).to_numpy()
        return values

    traded = Candles(*(panel(name) for name in PRICES))
    adjusted = forward_adjusted(traded, panel("adj_close"))
    values = technical(*adjusted)[row, column]
    known = bars.column("known_at")
    return pa.table(
        {
            "symbol": bars.column("symbol"),
            "timestamp": bars.column("timestamp"),
            "event_timestamp": known,
            "created": known,
            **{name: values[:, number] for number, name in enumerate(TECHNICAL)},
        }
    )
