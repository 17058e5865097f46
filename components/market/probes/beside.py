"""The tables beside the bars with another future: other values after an instant, or none at all."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from components.market.asof import Times
from components.market.companion_changes import KEYS
from components.market.companions import known_times

Tables = Mapping[str, pa.Table]
"""Tables beside the bars, by the names that a snapshot gives them."""


def changed_beside(beside: Tables, cut: np.datetime64, rng: np.random.Generator) -> dict[str, pa.Table]:
    """Return the tables with each number that was not known at ``cut`` between half and double of what it was.

    What tells rows apart stays, and a quote that was not crossed is not crossed afterwards.
    """
    return {name: _changed(table, name, known_times(name, table) > cut, rng) for name, table in beside.items()}


def known_beside(beside: Tables, cut: np.datetime64) -> dict[str, pa.Table]:
    """Return the rows of the tables that were known at ``cut``."""
    return {name: table.filter(pa.array(known_times(name, table) <= cut)) for name, table in beside.items()}


def times_beside(beside: Tables) -> list[Times]:
    """Return from when the rows of each table were known."""
    return [known_times(name, table) for name, table in beside.items()]


def complete_from(beside: Tables) -> np.datetime64:
    """Return when every symbol of every table that has such had a row."""
    late = [np.datetime64(0, "us")]
    for name, table in beside.items():
        if "symbol" in table.column_names:
            first = pd.Series(known_times(name, table)).groupby(table["symbol"].to_numpy(zero_copy_only=False)).min()
            late.append(first.max().to_datetime64())
    return max(late)


def _changed(table: pa.Table, name: str, rows: np.ndarray, rng: np.random.Generator) -> pa.Table:
    columns = {
        column: np.where(rows, np.exp2(rng.uniform(-1, 1, len(rows))), 1.0) * table[column].to_numpy()
        for column in table.column_names
        if column not in KEYS[name] and pa.types.is_floating(table.schema.field(column).type)
    }
    if {"bid", "ask"} <= columns.keys():
        sound = (table["bid"].to_numpy() <= table["ask"].to_numpy()) & (columns["bid"] > columns["ask"])
        bid, ask = columns["bid"], columns["ask"]
        columns |= {"bid": np.where(sound, ask, bid), "ask": np.where(sound, bid, ask)}
    for column, values in columns.items():
        table = table.set_column(table.column_names.index(column), column, pa.array(values))
    return table
