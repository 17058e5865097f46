"""Is a column what happens next? Each is compared with what came in the bars after its row.

Two tests, because two faults look different: a copy of a later close has that close's values; a
shifted return or label orders the rows of a symbol as they were ordered by what came later, whatever
it was scaled by. What honest features know of the next day's return is a rank correlation near 0.05.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.market.probes import Finding

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MAX_CORRELATION: Final = 0.9
"""Rank correlation within symbols above which a column counts as the label in disguise."""
MAX_EQUAL_SHARE: Final = 0.9
"""Of the rows where the close moves, how many may hold a later close."""
BARS_AHEAD: Final = 5
MIN_ROWS: Final = 50
"""Rows with both values below which nothing is said."""
LABELS: Final = ("label", "forward_return", "target")

_CHECK: Final = "label shift"
_REMEDY: Final = "A feature at t may use bars up to t only; look for a shift by a negative number"


@dataclass(frozen=True)
class Series:
    """Numeric columns of a table and the order that puts each symbol's rows into that of time."""

    order: npt.NDArray[np.int64]
    codes: Codes
    """[row], the symbol, 0 to n - 1."""
    columns: Mapping[str, Floats]

    def gaps(self, values: Floats) -> tuple[Bools, int]:
        """Return the rows that are empty after their symbol's first value, and how many rows come after one."""
        finite = np.isfinite(values[self.order])
        seen = pd.Series(finite).groupby(self.codes[self.order], sort=False).cummax().to_numpy(dtype=np.bool_)
        gaps = np.zeros(len(values), dtype=np.bool_)
        gaps[self.order] = seen & ~finite
        return gaps, int(seen.sum())


def shifted(series: Series) -> tuple[tuple[Finding, ...], str]:
    """Return one finding per column that is a later close, a later return or the label, and what was compared."""
    if "close" not in series.columns and not any(label in series.columns for label in LABELS):
        return (), "label shift: not checked, there is neither a close nor a label"
    if len(series.order) < MIN_ROWS:
        return (), f"label shift: not checked, fewer than {MIN_ROWS} rows"
    frame = pd.DataFrame({name: values[series.order] for name, values in series.columns.items()})
    codes = series.codes[series.order]
    later = [_ahead(frame["close"], codes, bars) for bars in range(1, BARS_AHEAD + 1)] if "close" in frame else []
    targets = _targets(frame, later, codes)
    ranks = targets.groupby(codes, sort=False).rank()
    features = [name for name in series.columns if name not in LABELS]
    findings: list[Finding] = []
    for name in features:
        found = _copied(frame, name, later) or _ordered(frame[name], ranks, codes)
        if found:
            problem, rows = found
            findings.append(Finding(_CHECK, name, int(series.order[rows].min()) + 1, problem, _REMEDY))
    checked = f"label shift: {len(features)} columns against {targets.shape[1]} labels and {len(later)} later closes"
    return tuple(findings), checked


def _ahead(values: pd.Series, codes: Codes, bars: int) -> pd.Series:
    return values.groupby(codes, sort=False).shift(-bars)


def _targets(frame: pd.DataFrame, later: Sequence[pd.Series], codes: Codes) -> pd.DataFrame:
    """Return what no feature may know, by the words in which a finding names it."""
    targets = {f"the column {name!r}": frame[name] for name in LABELS if name in frame}
    for bars, after in enumerate(later, start=1):
        targets[f"the return of the next {bars} bars"] = after / frame["close"]
        if bars > 1:
            targets[f"the return of bar t + {bars}"] = after / later[bars - 2]
    if later:
        known = frame["close"].notna() & later[0].notna()
        targets["the direction of the next close"] = (later[0] > frame["close"]).astype(np.float64).where(known)
    if "open" in frame:
        targets["the return from the next open"] = _ahead(frame["open"], codes, 2) / _ahead(frame["open"], codes, 1)
    return pd.DataFrame(targets)


def _copied(frame: pd.DataFrame, name: str, later: Sequence[pd.Series]) -> tuple[str, Bools] | None:
    """Return the later close that a column holds, and the rows with it."""
    values = frame[name].to_numpy()
    for bars, close in enumerate(later, start=1):
        then = close.to_numpy()
        moved = np.isfinite(values) & np.isfinite(then) & (then != frame["close"].to_numpy())
        equal = moved & (values == then)
        if np.count_nonzero(moved) >= MIN_ROWS and np.count_nonzero(equal) > MAX_EQUAL_SHARE * np.count_nonzero(moved):
            share = np.count_nonzero(equal) / np.count_nonzero(moved)
            return f"holds the close of bar t + {bars} in {share:.0%} of the rows", equal
    return None


def _ordered(values: pd.Series, ranks: pd.DataFrame, codes: Codes) -> tuple[str, Bools] | None:
    """Return the label that a column follows most, if it follows one, and the rows with both."""
    mine = values.where(np.isfinite(values)).groupby(codes, sort=False).rank()
    correlations = {str(name): _correlation(mine, ranks[name], codes) for name in ranks.columns}
    label = max(correlations, key=lambda name: abs(correlations[name]))
    if abs(correlations[label]) <= MAX_CORRELATION:
        return None
    both = (mine.notna() & ranks[label].notna()).to_numpy()
    problem = f"follows {label} (rank correlation {correlations[label]:.2f} within symbols)"
    return problem, both


def _correlation(left: pd.Series, right: pd.Series, codes: Codes) -> float:
    """Return the correlation of two columns of ranks after each symbol's mean is taken away; 0 where it is unknown."""
    both = (left.notna() & right.notna()).to_numpy()
    if np.count_nonzero(both) < MIN_ROWS:
        return 0.0
    symbol = codes[both]
    counts = np.maximum(np.bincount(symbol), 1)
    centred: list[Floats] = []
    for column in (left, right):
        values = column.to_numpy()[both]
        centred.append(values - (np.bincount(symbol, values) / counts)[symbol])
    scale = float(np.sqrt(np.sum(centred[0] ** 2) * np.sum(centred[1] ** 2)))
    return float(np.sum(centred[0] * centred[1])) / scale if scale > 0 else 0.0
