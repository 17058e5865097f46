"""The exponential averages behind the indicators as one recurrence with 0/1 coefficients instead of branches.

v <- decay * v + weight * x: while the mean that seeds it is summed, decay is 1 and weight 1 / period; from
then on decay is 1 - weight. Before the first bar both are 0.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from components.market.indicators import FAST, MACD_FAST, MACD_SIGNAL, MACD_SLOW, SLOW, WILDER
from components.market.returns import QUARTER

Floats = npt.NDArray[np.float64]


class Average(NamedTuple):
    """An exponential average over the bars from ``first``, seeded by the mean of ``period`` of them."""

    first: int
    period: int
    weight: float

    @property
    def seed(self) -> int:
        """The bar of its first value."""
        return self.first + self.period - 1


def _ema(period: int, first: int = 0) -> Average:
    return Average(first, period, 2 / (period + 1))


AVERAGES: Final = (
    Average(1, WILDER, 1 / WILDER),  # of gains
    Average(1, WILDER, 1 / WILDER),  # of losses
    Average(1, WILDER, 1 / WILDER),  # of true ranges
    _ema(FAST),
    _ema(SLOW),
    _ema(MACD_FAST, first=MACD_SLOW - MACD_FAST),
    _ema(MACD_SLOW),
    _ema(MACD_SIGNAL, first=MACD_SLOW - 1),  # of the difference of the two before it
)

WARM_BARS: Final = max(average.seed for average in AVERAGES) + 1
"""From this bar on, no coefficient changes any more."""


def _coefficients() -> Floats:
    bars = np.arange(WARM_BARS + 1)[:, None]
    first, seed, period, weight = np.array([(a.first, a.seed, a.period, a.weight) for a in AVERAGES]).T
    steady, begun = bars > seed, bars >= first
    decays = np.where(steady, 1 - weight, np.where(begun, 1.0, 0.0))
    weights = np.where(steady, weight, np.where(begun, 1 / period, 0.0))
    return np.stack([decays, weights])


COEFFICIENTS: Final = _coefficients()
"""[decay | weight, bar, average]; the last row, of bar ``WARM_BARS``, holds for ever after."""


class IndicatorState(NamedTuple):
    """All that the columns ``OWN`` of a symbol's next bar need to know of its past."""

    before: Floats
    """[symbol, 63]: the last closes, the newest last, NaN where there were fewer."""
    averages: Floats
    """[symbol, 8]: the exponential averages, or what is summed for them so far."""
    bars: npt.NDArray[np.int64]
    """[symbol]: how many bars there were."""


def begin(num_symbols: int) -> IndicatorState:
    """Return the state of symbols that have no bars yet."""
    return IndicatorState(
        before=np.full((num_symbols, QUARTER), np.nan),
        averages=np.zeros((num_symbols, len(AVERAGES))),
        bars=np.zeros(num_symbols, dtype=np.int64),
    )
