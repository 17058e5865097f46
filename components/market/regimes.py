"""What the market is in, told by rules from the context that was known: five regimes.

The rules are ours; the published system names the regimes and does not say how rows come by them. They look at
the month up to the row alone. A model is not asked for the regime at its own row, which these rules already give, but
for the one ``horizon`` sessions later: who repeats the rules is no better than "nothing changes".
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.market.columns import CONTEXT

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

LABELLER: Final = "regime_v1"
"""The version of the rules and of their thresholds; a change of either is a new one."""
NO_REGIME: Final = -1
"""Code of a row without all eight features."""

PANIC_VOL: Final = 0.28
"""Volatility per year from which a month is a panic: the highest twentieth of the months since 2011."""
FEAR_RETURN: Final = 0.35
"""What VIXY gains in a month of fear, which with a loss of ``PANIC_LOSS`` is a panic at any volatility."""
PANIC_LOSS: Final = -0.04
CALM_VOL: Final = 0.12
"""Volatility per year below which a rise is calm: the middle of the months since 2011."""
TREND: Final = 0.5
"""Standard deviations of a month's return, by the volatility of that month, from which it is a trend."""
FLIGHT: Final = 0.04
"""What bonds gain on stocks in a month in which money flees, where high yield lags too."""

_MONTHS_PER_YEAR = 12


def regime_codes(context: Any) -> Any:
    """Return the code of each row of ``context`` [..., 8], the columns ``CONTEXT``: of an array or of a torch tensor.

    In this order, the first that holds: high_vol_panic, ``PANIC_VOL`` or fear with a loss; calm_uptrend and
    risk_on_trend, a rise by ``TREND``, below and from ``CALM_VOL`` on; risk_off_trend, a fall by ``TREND``, or a flight
    to safety that credit shares; choppy, all else. The return of one day, the yield curve and the news decide nothing.
    """
    month, vol, credit, fear, safety = (
        context[..., CONTEXT.index(name)]
        for name in ("spy_return_21d", "spy_vol_21d", "credit_spread_proxy", "vixy_return_21d", "risk_off_proxy")
    )
    reach = TREND * vol / _MONTHS_PER_YEAR**0.5
    panic = (vol >= PANIC_VOL) | ((fear >= FEAR_RETURN) & (month <= PANIC_LOSS))
    rise = ~panic & (month >= reach) & (month > 0)
    calm = rise & (vol < CALM_VOL)
    off = ~panic & ~rise & ((month <= -reach) & (month < 0) | (credit < 0) & (safety >= FLIGHT))
    choppy = ~panic & ~rise & ~off
    return (rise & ~calm) * 1 + off * 2 + choppy * 3 + panic * 4


def regime_labels(context: Floats) -> Codes:
    """Return the code of each row of ``context`` [..., 8] in ``REGIMES``, ``NO_REGIME`` where a feature is missing.

    Raises:
        ValueError: If the last axis does not hold the eight columns.
    """
    if context.shape[-1] != len(CONTEXT):
        raise ValueError(f"want the {len(CONTEXT)} columns {', '.join(CONTEXT)}, got {context.shape[-1]}")
    known = np.isfinite(context).all(axis=-1)
    return np.where(known, regime_codes(context), NO_REGIME).astype(np.int64)
