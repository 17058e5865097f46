"""How healthy a symbol's price is, told by rules from the returns that were known: a score, and two words for it.

The rules are ours; the published system promises the outputs and does not say how rows come by them. They look at the
quarter up to the row alone. A model is not asked for the score at its own row, which these rules already give, but for
the one ``horizon`` bars later: who repeats the rules is no better than "nothing changes".
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.market.columns import RETURNS

Floats = npt.NDArray[np.float64]

HEALTH_LABELLER: Final = "health_v1"
"""The version of the rules and of their constants; a change of either is a new one."""

UNKNOWN: Final = -1
"""Code of a row without the features that the words are told by."""

HALF_DRAWDOWN: Final = 0.15
"""Drawdown of the quarter that halves its part of the score."""
HALF_VOL: Final = 0.35
"""Volatility per year that halves its part of the score."""
STRENGTH: Final = 0.10
"""Lead on the benchmark over the quarter that lifts its part of the score from 1/2 to 3/4."""
VOL_BOUNDS: Final = (0.18, 0.30)
"""Volatility per year from which it is med and high: near the terciles of large stocks, 2007 to 2021."""
TREND: Final = 0.35
"""Standard deviations of a return, by its window's volatility, from which it points somewhere."""

_MONTHS_PER_YEAR, _QUARTERS_PER_YEAR = 12, 4


def _column(returns: Any, name: str) -> Any:
    return returns[..., RETURNS.index(name)]


def _squashed(value: Any) -> Any:
    """Return ``value`` mapped to (0, 1); 0 becomes 1/2 and 1 becomes 3/4."""
    return 0.5 + 0.5 * value / (1 + abs(value))


def _trends(returns: Any) -> tuple[Any, Any]:
    """Return the moves of month and quarter in standard deviations; without volatility there is no trend."""
    month, quarter = _column(returns, "return_21d"), _column(returns, "return_63d")
    month_std = _column(returns, "vol_21d") / _MONTHS_PER_YEAR**0.5
    quarter_std = _column(returns, "vol_63d") / _QUARTERS_PER_YEAR**0.5
    return month / (month_std + (month_std == 0)), quarter / (quarter_std + (quarter_std == 0))


def health_scores(returns: Any) -> Any:
    """Return the score in [0, 1] of each row of ``returns`` [..., 10]; NaN where a column that it needs is.

    The mean of four parts, each in [0, 1]: the quarter's trend, squashed; its drawdown, 1 / (1 + |drawdown| /
    ``HALF_DRAWDOWN``); the month's volatility, 1 / (1 + (volatility / ``HALF_VOL``)^2); and the quarter's lead on the
    benchmark, squashed. Of an array or of a torch tensor.
    """
    _, quarter = _trends(returns)
    fall = 1 / (1 - _column(returns, "drawdown_63d") / HALF_DRAWDOWN)
    quiet = 1 / (1 + (_column(returns, "vol_21d") / HALF_VOL) ** 2)
    lead = _squashed(_column(returns, "rel_strength_63d") / STRENGTH)
    return (_squashed(quarter) + fall + quiet + lead) / 4


def vol_buckets(returns: Any) -> Any:
    """Return the code in ``VOL_BUCKETS`` of each row of ``returns`` [..., 10], by volatility; ``UNKNOWN`` for NaN."""
    vol = _column(returns, "vol_21d")
    known = vol >= 0
    return (vol >= VOL_BOUNDS[0]) * 1 + (vol >= VOL_BOUNDS[1]) * 1 + ~known * UNKNOWN


def behaviors(returns: Any) -> Any:
    """Return the code in ``BEHAVIORS`` of each row of ``returns`` [..., 10].

    momentum: month and quarter moved the same way, both by ``TREND`` or more. mean_reversion: the month moved by
    ``TREND`` or more against the quarter. mixed: all else. ``UNKNOWN`` for NaN.
    """
    month, quarter = _trends(returns)
    clear = abs(month) >= TREND
    momentum = clear & (abs(quarter) >= TREND) & (month * quarter > 0)
    reversion = clear & (month * quarter < 0)
    known = (abs(month) >= 0) & (abs(quarter) >= 0)
    return reversion * 1 + (known & ~momentum & ~reversion) * 2 + ~known * UNKNOWN


def known_scores(returns: Floats) -> Floats:
    """Return ``health_scores`` as labels: NaN where any of the ten features is missing.

    Raises:
        ValueError: If the last axis does not hold the ten columns.
    """
    if returns.shape[-1] != len(RETURNS):
        raise ValueError(f"want the {len(RETURNS)} columns {', '.join(RETURNS)}, got {returns.shape[-1]}")
    return np.where(np.isfinite(returns).all(axis=-1), health_scores(returns), np.nan)
