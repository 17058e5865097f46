"""Two sources of the same dividends and splits: what only one of them has, and where the values differ."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUnknownLambdaType=false
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

TYPES: Final[Mapping[str, float]] = {"dividend": 0.0, "split": 1.0}
"""Each type of action, and the value that stands for none in a table of bars."""

_KEY: Final = ["symbol", "date"]
_SAME: Final = 1e-9
_COLUMNS: Final = {"dividend": "dividend", "split": "split_factor"}


@dataclass(frozen=True)
class Actions:
    """The dividends and splits of one source."""

    rows: pd.DataFrame
    """symbol, date, type and value."""
    symbols: frozenset[str]
    """Of which the source would say if there were any."""
    span: tuple[pd.Timestamp, pd.Timestamp]
    """First and last day that it covers."""


@dataclass(frozen=True)
class ActionAgreement:
    """How the actions of one type compare, of the symbols and days that both sources cover."""

    type: str
    num_equal: int
    differing: tuple[str, ...]
    """Symbol, day and both values."""
    only_first: tuple[str, ...]
    """Symbol and day."""
    only_second: tuple[str, ...]


def listed(table: Mapping[str, Any]) -> Actions:
    """Return the actions of a table of them, with the columns symbol, date, type and value."""
    rows = pd.DataFrame({name: table[name] for name in (*_KEY, "type", "value")})
    return Actions(rows, *_cover(rows))


def booked(bars: Mapping[str, Any]) -> Actions:
    """Return the actions that bars carry in dividend and split_factor, beside symbol and date."""
    wide = pd.DataFrame(dict(bars))
    parts = [
        wide[_KEY].assign(type=kind, value=wide[column])[wide[column].notna() & ~wide[column].isin([0.0, TYPES[kind]])]
        for kind, column in _COLUMNS.items()
        if column in wide
    ]
    return Actions(pd.concat(parts), *_cover(wide))


def _cover(rows: pd.DataFrame) -> tuple[frozenset[str], tuple[pd.Timestamp, pd.Timestamp]]:
    return frozenset(rows["symbol"].unique()), (rows["date"].min(), rows["date"].max())


def compare_actions(first: Actions, second: Actions) -> list[ActionAgreement]:
    """Return the agreement of each type of action."""
    start, end = max(first.span[0], second.span[0]), min(first.span[1], second.span[1])
    shared = first.symbols & second.symbols

    def covered(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
        kept = rows["symbol"].isin(shared) & rows["date"].between(start, end) & (rows["type"] == kind)
        return rows.loc[kept, [*_KEY, "value"]]

    return [_agreement(kind, covered(first.rows, kind), covered(second.rows, kind)) for kind in TYPES]


def _agreement(kind: str, first: pd.DataFrame, second: pd.DataFrame) -> ActionAgreement:
    both = first.merge(second, on=_KEY, how="outer", suffixes=("", "_other"), indicator="side").sort_values(_KEY)
    where = (both["symbol"] + " " + both["date"].dt.strftime("%Y-%m-%d")).to_numpy(dtype=object)
    mine, other = (both[name].to_numpy(np.float64) for name in ("value", "value_other"))
    side = both["side"].to_numpy(dtype=object)
    same = np.abs(mine - other) <= _SAME
    differing = np.flatnonzero((side == "both") & ~same)
    return ActionAgreement(
        type=kind,
        num_equal=int(same.sum()),
        differing=tuple(f"{where[row]} {mine[row]:g}, {other[row]:g}" for row in differing),
        only_first=tuple(where[side == "left_only"]),
        only_second=tuple(where[side == "right_only"]),
    )
