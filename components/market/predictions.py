"""What families say of a zone: the tables that the judge reads, one kind per kind of question.

Every table has one row per symbol and decision time, sorted by time, then symbol; all arrays have one length.
``symbols`` are names by code, ``symbol`` the code of each row, ``timestamp`` the start of the bar that the
decision is made after, datetime64[us], UTC. A model of the whole market has one symbol, the market's name.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

ALLOCATION: Final = "allocation"
"""Name of the output of a network that ``AllocationPredictions.score`` holds."""

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Predictions:
    """Will the next bar close higher?"""

    symbols: tuple[str, ...]
    symbol: Codes
    timestamp: Times
    probability: Floats
    """P(the next close is higher), calibrated, in [0, 1]."""
    label: Floats
    """1.0 if the next close was higher, 0.0 if not."""
    forward_return: Floats
    """Next open to the open after it, a fraction; NaN where unknown."""
    threshold: float
    """Go long where ``probability >= threshold``."""


@dataclass(frozen=True)
class ClassPredictions:
    """Which of some classes will it be, ``horizon`` bars ahead?"""

    symbols: tuple[str, ...]
    symbol: Codes
    timestamp: Times
    classes: tuple[str, ...]
    """Names, by code."""
    probability: Floats
    """[row, class]: calibrated; each row sums to 1."""
    label: Codes
    """Code of the class that came."""
    now: Codes
    """Code of the class at the decision: who says that nothing changes says this."""
    horizon: int
    """Bars from the decision to the label."""


@dataclass(frozen=True)
class ScorePredictions:
    """How high will a score in [0, 1] be, ``horizon`` bars ahead?"""

    symbols: tuple[str, ...]
    symbol: Codes
    timestamp: Times
    score: Floats
    """What the model says, in [0, 1]."""
    label: Floats
    """The score that came, in [0, 1]."""
    now: Floats
    """The score at the decision: who says that nothing changes says this."""
    error: Floats
    """Mean squared error of the reconstruction of the window, in squared training deviations."""
    horizon: int
    """Bars from the decision to the label."""


@dataclass(frozen=True)
class QuantilePredictions:
    """How far will the price have moved 1, 2, ... bars ahead, and how sure is that?"""

    symbols: tuple[str, ...]
    symbol: Codes
    timestamp: Times
    levels: tuple[float, ...]
    """Ascending, in (0, 1), with 0.5 among them: the forecast of the move is the median."""
    quantile: Floats
    """[row, step, level]: of the log return from the decision's close to that ``step + 1`` bars later."""
    label: Floats
    """[row, step]: the log return that came, cumulated over the steps."""
    scale: Floats
    """Past volatility of one bar at the decision, a fraction, > 0: what a forecast without a model is made of."""


@dataclass(frozen=True)
class AllocationPredictions:
    """Which share of the capital should each symbol hold until the next decision?"""

    symbols: tuple[str, ...]
    symbol: Codes
    timestamp: Times
    score: Floats
    """What the model says of the symbol alone, in [-1, 1]: all short to all long."""
    weight: Floats
    """What is held of the initial capital, negative if short; the sizes of one decision time add up to at most 1."""
    expected_return: Floats
    """This close to the next, a fraction."""
    label: Floats
    """The return from this close to the next that came, a fraction."""
    forward_return: Floats
    """Next open to the open after it, a fraction; NaN where unknown."""


@dataclass(frozen=True)
class PortfolioPredictions(AllocationPredictions):
    """How should the whole capital be split between some symbols, until it is split anew?

    One row per symbol and split; ``label`` and ``forward_return`` are from the open after it to the open after the
    last bar that it holds for. No return is expected of a symbol: ``expected_return`` is 0.
    """

    hold_bars: int
    """Bars from one split to the next."""
