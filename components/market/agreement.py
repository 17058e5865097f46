"""Two sources of the same closes: where they agree, where a factor parts them, where it is another company."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from components.market.observed import Floats, Ints, Observed, Times

Kind = Literal["equal", "factor", "other"]

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
    source takes into account); or ``other``: the ratio moves from day to day, so it is another company."""


def compare(first: Observed, second: Observed) -> list[Agreement]:
    """Return the agreement of each symbol that both sources have, by symbol."""
    places = {name: code for code, name in enumerate(second.names)}
    code = np.array([places.get(name, -1) for name in first.names], dtype=np.int64)[first.symbol]
    ours, theirs = (first.order[code[first.order] >= 0], second.order)
    mine, other = _key(code[ours], first.time[ours]), _key(second.symbol[theirs], second.time[theirs])
    _, left, right = np.intersect1d(mine, other, return_indices=True)
    symbol = code[ours][left]
    with np.errstate(all="ignore"):
        ratio = first.numbers["close"][ours][left] / second.numbers["close"][theirs][right]
    kept = np.isfinite(ratio) & (ratio > 0)
    symbol, ratio = symbol[kept], ratio[kept]
    starts = np.flatnonzero(np.diff(symbol, prepend=-1))
    bounds = zip(starts, np.append(starts[1:], len(symbol)), strict=True)
    found = [_agreement(second.names[int(symbol[start])], ratio[start:end]) for start, end in bounds]
    return sorted(found, key=lambda item: item.symbol)


def _key(symbol: Ints, time: Times) -> Ints:
    """Return one number per symbol and second."""
    return (symbol << _SECOND_BITS) + time.astype("datetime64[s]").astype(np.int64) + (1 << _SECOND_BITS - 1)


def _agreement(symbol: str, ratio: Floats) -> Agreement:
    off = np.abs(ratio - 1) > _EQUAL
    steps = np.count_nonzero(np.abs(np.diff(np.log(ratio))) > _STEP)
    if np.mean(~off) >= _MOSTLY:
        kind: Kind = "equal"
    else:
        kind = "other" if steps > _OFTEN * len(ratio) else "factor"
    factor = float(np.median(ratio[off])) if off.any() else 1.0
    return Agreement(symbol, len(ratio), int(np.count_nonzero(~off)), factor, kind)
