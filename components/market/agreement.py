"""Two sources of the same closes: where they agree, where a factor parts them, where it is another company."""

import itertools
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from components.market.observed import Floats, Ints, Observed, Times

Kind = Literal["equal", "factor", "other"]

APART: Final = 0.005
"""Difference of two returns, as fractions, from which they are apart."""

_EQUAL: Final = 1e-3
"""Of the price, up to which two vendors agree."""
_STEP: Final = 2e-3
_SECOND_BITS: Final = 40
_MOSTLY, _OFTEN = 0.98, 0.05


@dataclass(frozen=True)
class Agreement:
    """How the closes of one symbol compare on the days that both sources have."""

    symbol: str
    num_days: int
    num_equal: int
    """Days on which they agree within 0.1 %."""
    factor: float
    """Median of the first over the second on the days on which they do not; 1 if there are none."""
    kind: Kind
    """``equal`` on nearly all days; a ``factor`` that hardly ever changes (a split or spin-off that only one
    source takes into account, or another anchor of the adjustment); or ``other``: the ratio moves from day to
    day, so it is another company."""
    num_apart: int
    """Days on which the returns since the shared day before differ by more than 0.5 %."""


def compare(first: Observed, second: Observed, *, closes: tuple[str, str] = ("close", "close")) -> list[Agreement]:
    """Return the agreement of each symbol that both sources have, by symbol; ``closes`` are their columns."""
    places = {name: code for code, name in enumerate(second.names)}
    code = np.array([places.get(name, -1) for name in first.names], dtype=np.int64)[first.symbol]
    ours, theirs = (first.order[code[first.order] >= 0], second.order)
    mine, other = _key(code[ours], first.time[ours]), _key(second.symbol[theirs], second.time[theirs])
    _, left, right = np.intersect1d(mine, other, return_indices=True)
    symbol = code[ours][left]
    mine, other = first.numbers[closes[0]][ours][left], second.numbers[closes[1]][theirs][right]
    kept = (mine > 0) & (other > 0) & np.isfinite(mine) & np.isfinite(other)
    symbol, mine, other = symbol[kept], mine[kept], other[kept]
    starts = np.flatnonzero(np.diff(symbol, prepend=-1))
    bounds = itertools.pairwise([*starts, len(symbol)])
    found = [_agreement(second.names[int(symbol[start])], mine[start:end], other[start:end]) for start, end in bounds]
    return sorted(found, key=lambda item: item.symbol)


def closest(first: Observed, second: Observed) -> tuple[tuple[str, str], list[Agreement]]:
    """Return the columns, close or adj_close of each source, whose returns are least apart, and their agreement."""
    mine, other = ([name for name in ("close", "adj_close") if name in source.numbers] for source in (first, second))
    pairs = [(left, right) for left in mine for right in other]
    found = {pair: compare(first, second, closes=pair) for pair in pairs}
    best = min(pairs, key=lambda pair: sum(item.num_apart for item in found[pair]))
    return best, found[best]


def _key(symbol: Ints, time: Times) -> Ints:
    """Return one number per symbol and second."""
    return (symbol << _SECOND_BITS) + time.astype("datetime64[s]").astype(np.int64) + (1 << _SECOND_BITS - 1)


def _agreement(symbol: str, mine: Floats, other: Floats) -> Agreement:
    ratio = mine / other
    off = np.abs(ratio - 1) > _EQUAL
    steps = np.count_nonzero(np.abs(np.diff(np.log(ratio))) > _STEP)
    if np.mean(~off) >= _MOSTLY:
        kind: Kind = "equal"
    else:
        kind = "other" if steps > max(1, _OFTEN * len(ratio)) else "factor"
    factor = float(np.median(ratio[off])) if off.any() else 1.0
    apart = np.abs(mine[1:] / mine[:-1] - other[1:] / other[:-1]) > APART
    return Agreement(symbol, len(ratio), int(np.count_nonzero(~off)), factor, kind, int(np.count_nonzero(apart)))
