"""Do the features see the future? The look-ahead probe on a few symbols, for the manifest and for the judge."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.features.market_tables import Companions, companion_rows, companion_tables
from components.features.tables import BENCHMARK, Tables, bar_panel, feature_tables
from components.market.bars import Interval
from components.market.companions import CONTEXT_FILES, OPTIONS_FILE, OPTIONS_FILES
from components.market.probes import Report
from components.market.probes.lookahead import CLAIMS, cuts_beside, cuts_of, lookahead, warned_already
from components.market.views import CONTEXT_VIEW, OPTIONS_VIEW

MAX_SYMBOLS: Final = 4
MAX_TIMES: Final = 2000
"""The newest bars of a few symbols show what the code does; all of them would cost as much as the step itself."""
MAX_CONTRACTS: Final = 16_000
"""In the newest chains of a few underlyings; two days of them are kept whatever they hold."""
NUM_CUTS: Final = 1
BESIDE: Final[Mapping[str, tuple[str, ...]]] = {CONTEXT_VIEW: CONTEXT_FILES, OPTIONS_VIEW: OPTIONS_FILES}
"""The tables that each view is made of beside the bars; none can do without the first."""
_KEYS: Final = ("symbol", "timestamp", *CLAIMS)
_SEPARATOR: Final = ":"


def foresight(
    bars: pa.Table,
    beside: Mapping[str, pa.Table],
    interval: Interval,
    *,
    tables: Tables = feature_tables,
    companions: Companions = companion_tables,
) -> dict[str, Any]:
    """Return which views were probed, how, and each column of them that data known later reach.

    ``beside`` holds the tables beside the bars. A column without a value up to any cut is a finding too: nobody can
    say that it does not see ahead. A view without a row on the probed days is not among the probed.
    """
    views, report = _of_bars(_few(bars), interval, tables)
    checked = [report.checked[0]]
    found = [(*item.column.split(_SEPARATOR, 1), str(item)) for item in report.findings]
    for view, names in BESIDE.items():
        if names[0] not in beside:
            continue
        given = {name: beside[name] for name in names if name in beside}
        with warned_already():
            report = _of_companions(view, bars, given, interval, companions)
        if report is not None:
            views.append(view)
            checked += report.checked
            found += [(view, item.column, str(item)) for item in report.findings]
    return {
        "views": views,
        "checked": "; ".join(checked),
        "findings": [{"view": view, "column": column, "problem": problem} for view, column, problem in found],
    }


def _of_bars(bars: pa.Table, interval: Interval, tables: Tables) -> tuple[list[str], Report]:
    """Return the views that the bars give, and what the probe says of all of them side by side."""

    def compute(table: pa.Table) -> pa.Table:
        views = dict(tables(bar_panel(table), interval))
        whole = next(iter(views.values())).select(["symbol", "timestamp", "event_timestamp", "created"])
        for view, part in views.items():
            for name in (name for name in part.column_names if name not in _KEYS):
                whole = whole.append_column(f"{view}{_SEPARATOR}{name}", part[name])
        return whole

    views = [view for view, _ in tables(bar_panel(bars), interval)]
    return views, lookahead(compute, bars, cuts_of(bars, NUM_CUTS))


def _of_companions(
    view: str, bars: pa.Table, beside: Mapping[str, pa.Table], interval: Interval, companions: Companions
) -> Report | None:
    """Return what the probe says of a view that is made of the tables beside the bars; None if it has no row."""
    wanted: Iterable[str] = ()
    if OPTIONS_FILE in beside:
        chains = _few_chains(beside[OPTIONS_FILE], last=bars["timestamp"].to_numpy().max())
        if not chains.num_rows:
            return None
        beside, wanted = {**beside, OPTIONS_FILE: chains}, pc.unique(chains["underlying"]).to_pylist()
    few = _few(bars, wanted)
    compute = partial(companion_rows, view, interval=interval, companions=companions)
    rows = compute(few, beside)
    if not rows.num_rows:
        return None
    return lookahead(compute, few, cuts_beside(rows, few, beside, NUM_CUTS), beside=beside, empty_is="finding")


def _few(bars: pa.Table, wanted: Iterable[str] = ()) -> pa.Table:
    """Return the newest bars of some symbols spread over all of them, or over the wanted, the benchmark among them."""
    names = bars["symbol"].to_numpy(zero_copy_only=False).astype(str)
    known = np.unique(names)
    chosen = _spread(np.intersect1d(known, list(wanted)) if set(wanted) & set(known) else known)
    rows = np.isin(names, sorted({*chosen} | ({BENCHMARK} & set(known.tolist()))))
    times = bars["timestamp"].to_numpy()
    return bars.filter(pa.array(rows & (times >= np.unique(times[rows])[-MAX_TIMES:][0])))


def _few_chains(chains: pa.Table, *, last: np.datetime64) -> pa.Table:
    """Return the newest days, up to the bars' last, of the chains of some underlyings spread over all of them."""
    days, names = chains["date"].to_numpy(), chains["underlying"].to_numpy(zero_copy_only=False).astype(str)
    known = names[days <= last]
    rows = np.isin(names, _spread(np.unique(known))) & (days <= last)
    dates, num_contracts = np.unique(days[rows], return_counts=True)
    num_days = max(2, int(np.count_nonzero(np.cumsum(num_contracts[::-1]) <= MAX_CONTRACTS)))
    return chains.filter(pa.array(rows & np.isin(days, dates[-num_days:])))


def _spread(names: npt.NDArray[np.str_]) -> list[str]:
    """Return some of the sorted names, the first and the last among them."""
    places = np.linspace(0, len(names) - 1, min(MAX_SYMBOLS, len(names))).astype(int)
    return [str(names[place]) for place in places]
