"""Feature rows by knowledge time: what a correction or a late bar changes stands beside what was known before it."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from components.features.tables import BarPanel, Tables, bar_panel, feature_tables
from components.market.bars import SCHEMA, Interval, completion
from components.market.increment import newest
from components.market.knowledge import KEYS, recorded


def feature_versions(
    panel: BarPanel,
    bars: pa.Table,
    later: pa.Table,
    *,
    interval: Interval,
    bar_seconds: int,
    tables: Tables = feature_tables,
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the name of each view that the bars have features for, and its rows in all versions.

    ``panel`` is that of ``bars``; ``later`` holds versions of bars that became known after them
    (``increment.merged``). For a bar and a time, the newest version with ``created`` by then is what
    the bars known then give; one that equals the version before it is not repeated. Without later
    versions, these are what ``tables`` gives.
    """
    if not later.num_rows:
        yield from tables(panel, interval)
        return
    history = before = dict(tables(panel, interval))
    for at, world in _worlds(bars, later, completion(interval, bar_seconds)):
        after = dict(tables(bar_panel(world), interval))
        history = {view: recorded(history[view], before[view], table, at) for view, table in after.items()}
        before = after
    for view, table in history.items():
        yield view, table.sort_by([(name, "ascending") for name in (*KEYS, "created")])


def _worlds(
    bars: pa.Table, later: pa.Table, complete_after: np.timedelta64
) -> Iterator[tuple[np.datetime64, pa.Table]]:
    """Yield each time at which versions of bars became known, and every bar as it was known from then on.

    There a bar has the ``known_at`` of one that came in time: ``complete_after`` its timestamp.
    """
    moments = later["known_at"].to_numpy()
    kind = SCHEMA.field("known_at")
    for at in np.unique(moments):
        world = newest(bars, later.filter(pa.array(moments <= at)))
        complete = pa.array(world["timestamp"].to_numpy() + complete_after).cast(kind.type)
        yield at, world.set_column(SCHEMA.get_field_index(kind.name), kind, complete)
