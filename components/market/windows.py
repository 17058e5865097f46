"""Windows of consecutive bars on a symbols x times grid: found once, indexed for ever after.

A long table becomes one dense panel; a window is then two integers, its symbol and its last
bar, and no sample is ever copied before it is needed.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Panel(NamedTuple):
    """A long table on the grid of its symbols and of all its distinct times."""

    values: npt.NDArray[np.float32]
    """[symbol, time, feature], NaN where a symbol has no row."""
    present: npt.NDArray[np.bool_]
    """[symbol, time], true where the table has a row."""
    timestamps: npt.NDArray[np.datetime64]
    """[time], ascending: the calendar that all symbols share."""


def to_panel(
    symbol_codes: npt.NDArray[np.integer],
    timestamps: npt.NDArray[np.datetime64],
    values: npt.NDArray[np.floating],
) -> Panel:
    """Return the panel of the rows ``values`` [row, feature], given each row's symbol code and time.

    Codes are 0 to n - 1. Any order of rows gives the same panel. Values are rounded to float32,
    so whatever needs more digits (a mean, a standard deviation) is taken from the long table.

    Raises:
        ValueError: If the lengths differ, a code is negative or a (symbol, time) pair is repeated.
    """
    num_rows, num_features = values.shape
    if symbol_codes.shape != (num_rows,) or timestamps.shape != (num_rows,):
        raise ValueError(f"want one code and one time per row: {symbol_codes.shape}, {timestamps.shape}, {num_rows}")
    if num_rows and symbol_codes.min() < 0:
        raise ValueError(f"symbol codes start at 0, was {symbol_codes.min()}")
    calendar = np.unique(timestamps)
    column = np.searchsorted(calendar, timestamps)
    num_symbols = int(symbol_codes.max()) + 1 if num_rows else 0
    present = np.zeros((num_symbols, len(calendar)), dtype=np.bool_)
    present[symbol_codes, column] = True
    if np.count_nonzero(present) != num_rows:
        raise ValueError(f"{num_rows - np.count_nonzero(present)} (symbol, time) pairs are repeated")
    panel = np.full((*present.shape, num_features), np.nan, dtype=np.float32)
    panel[symbol_codes, column] = values
    return Panel(panel, present, calendar)


def window_ends(
    present: npt.NDArray[np.bool_], zone: npt.NDArray[np.integer], window: int, horizon: int
) -> npt.NDArray[np.int64]:
    """Return the usable windows, [n, 2] of (symbol, index of the last bar), by time and then by symbol.

    Usable: the ``window`` bars that end there and the ``horizon`` bars after them are all present
    and all in one zone, so no window, nor its label, reaches across a boundary. ``zone`` [time] is
    the zone's number; times below 0 (purged, embargoed) belong to none. n consecutive bars in a
    zone give n - window - horizon + 1 windows.

    Raises:
        ValueError: If the shapes do not fit, ``window`` < 1 or ``horizon`` < 0.
    """
    num_symbols, num_times = present.shape
    if zone.shape != (num_times,):
        raise ValueError(f"zone has shape {zone.shape}, the panel has {num_times} times")
    if window < 1 or horizon < 0:
        raise ValueError(f"want window >= 1 and horizon >= 0, was {window} and {horizon}")
    span = window + horizon
    if num_times < span:
        return np.empty((0, 2), dtype=np.int64)
    usable = present & (zone >= 0)
    counts = np.zeros((num_symbols, num_times + 1), dtype=np.int64)
    np.cumsum(usable, axis=1, out=counts[:, 1:])
    complete = counts[:, span:] - counts[:, :-span] == span
    zone_changes = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(zone[1:] != zone[:-1])])
    in_one_zone = zone_changes[span - 1 :] == zone_changes[: num_times - span + 1]
    start, symbol = np.nonzero((complete & in_one_zone).T)
    return np.stack([symbol, start + window - 1], axis=1)
