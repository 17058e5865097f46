"""Do the features see the future? The look-ahead probe on a few symbols, for the manifest and for the judge."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from typing import Any, Final

import numpy as np
import pyarrow as pa

from components.features.tables import BENCHMARK, Tables, bar_panel, feature_tables
from components.market.bars import Interval
from components.market.probes.lookahead import CLAIMS, cuts_of, lookahead

MAX_SYMBOLS: Final = 4
MAX_TIMES: Final = 2000
"""The newest bars of a few symbols show what the code does; all of them would cost as much as the step itself."""
NUM_CUTS: Final = 1
_KEYS: Final = ("symbol", "timestamp", *CLAIMS)
_SEPARATOR: Final = ":"


def foresight(bars: pa.Table, interval: Interval, *, tables: Tables = feature_tables) -> dict[str, Any]:
    """Return which views were probed, how, and each column of them that later bars reach.

    A column without a value up to any cut is a finding too: nobody can say that it does not see ahead.
    """
    few = _few(bars)

    def compute(table: pa.Table) -> pa.Table:
        views = dict(tables(bar_panel(table), interval))
        whole = next(iter(views.values())).select(["symbol", "timestamp", "event_timestamp", "created"])
        for view, part in views.items():
            for name in (name for name in part.column_names if name not in _KEYS):
                whole = whole.append_column(f"{view}{_SEPARATOR}{name}", part[name])
        return whole

    report = lookahead(compute, few, cuts_of(few, NUM_CUTS))
    found = [(*item.column.split(_SEPARATOR, 1), str(item)) for item in report.findings]
    return {
        "views": [view for view, _ in tables(bar_panel(few), interval)],
        "checked": report.checked[0],
        "findings": [{"view": view, "column": column, "problem": problem} for view, column, problem in found],
    }


def _few(bars: pa.Table) -> pa.Table:
    """Return the newest bars of some symbols spread over all of them, the benchmark among them."""
    names = bars["symbol"].to_numpy(zero_copy_only=False)
    known = np.unique(names.astype(str))
    chosen = {str(known[place]) for place in np.linspace(0, len(known) - 1, MAX_SYMBOLS).astype(int)}
    rows = np.isin(names.astype(str), sorted(chosen | ({BENCHMARK} & set(known.tolist()))))
    times = bars["timestamp"].to_numpy()
    return bars.filter(pa.array(rows & (times >= np.unique(times[rows])[-MAX_TIMES:][0])))
