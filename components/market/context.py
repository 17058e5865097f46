"""The market context: what funds, the yield curve and the news said before each session's features counted.

All changes are of adjusted prices, so the level that a vendor's adjustment is anchored at cancels out.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.core.errors import DataError
from components.market.asof import Times, newest
from components.market.columns import CONTEXT
from components.market.context_files import Series, read_closes, read_tone, read_yields
from components.market.panel import growth
from components.market.returns import BARS_PER_YEAR
from components.market.rolling import centred_sum

Floats = npt.NDArray[np.float64]

MARKET: Final = "US"
FUNDS: Final = ("SPY", "HYG", "IEF", "VIXY", "TLT")
TENORS: Final = ("y_2y", "y_10y")
FUNDS_FILE: Final = "etf_adjusted_daily.parquet"
YIELDS_FILE: Final = "treasury_yields_daily.parquet"
TONE_FILE: Final = "news_tone_daily.parquet"

YIELD_MAX_AGE: Final = np.timedelta64(5, "D")
"""A curve stands in for the days that the bond market is closed and stocks are not, over a long weekend too."""
TONE_MAX_AGE: Final = np.timedelta64(3, "D")
"""A tone stands in for a day that the source lacks."""

_MONTH = 21


def context_table(folder: Path, *, first: date, last: date) -> pa.Table:
    """Return the context of the sessions ``first`` to ``last`` from the three files in ``folder``.

    Columns: market, date, event_timestamp (22:00 UTC of the session), created (when the last of its inputs
    was known, never later) and the features ``CONTEXT``.

    Raises:
        DataError: If a file cannot be used, or holds no session of that range.
    """
    funds = read_closes(folder / FUNDS_FILE, FUNDS)
    yields, tone = read_yields(folder / YIELDS_FILE, TENORS), read_tone(folder / TONE_FILE)
    known_at, values = context(funds, yields, tone)
    days = funds.known_at.astype("datetime64[D]")
    wanted = (days >= np.datetime64(first)) & (days <= np.datetime64(last))
    if not wanted.any():
        span = f"{days[0]} to {days[-1]}"
        raise DataError(f"no session {first} to {last}", file=str(folder / FUNDS_FILE), remedy=f"It holds {span}")
    moment = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "market": pa.array([MARKET] * int(wanted.sum()), pa.string()),
            "date": pa.array(days[wanted]),
            "event_timestamp": pa.array(funds.known_at[wanted], moment),
            "created": pa.array(known_at[wanted], moment),
            **{name: values[wanted, place] for place, name in enumerate(CONTEXT)},
        }
    )


def context(funds: Series, yields: Series, tone: Series) -> tuple[Times, Floats]:
    """Return when each session's context was known, and the features ``CONTEXT``, [session, 8].

    ``funds`` holds the closes of ``FUNDS``, ``yields`` the percents of ``TENORS``. Returns and changes are
    fractions: spy_return over 1 and 21 sessions; spy_vol_21d, the sample deviation of its daily returns, per
    year (x sqrt(252)); credit_spread_proxy, the change of HYG / IEF over 21 sessions, which falls when credit
    is shunned; vixy_return_21d; risk_off_proxy, the change of TLT / SPY over 21 sessions, which rises in flight
    to safety. yield_slope is the 10-year less the 2-year yield, percentage points, and gdelt_avg_tone the mean
    tone: each the newest known at the session's time. NaN where an input is missing or too old.
    """
    at = funds.known_at
    spy, hyg, ief, vixy, tlt = (funds.data[:, [place]] for place in range(len(FUNDS)))
    daily = growth(spy)
    curve = newest(yields.known_at, at, max_age=YIELD_MAX_AGE)
    news = newest(tone.known_at, at, max_age=TONE_MAX_AGE)
    slope = np.append(yields.data[:, 1] - yields.data[:, 0], np.nan)[curve]
    columns = [
        daily,
        growth(spy, _MONTH),
        np.sqrt(centred_sum(daily, daily, _MONTH) * BARS_PER_YEAR / (_MONTH - 1)),
        slope[:, None],
        growth(hyg / ief, _MONTH),
        growth(vixy, _MONTH),
        growth(tlt / spy, _MONTH),
        np.append(tone.data, np.nan)[news][:, None],
    ]
    known_at = at.copy()
    for series, used in ((yields, curve), (tone, news)):
        known_at = np.fmax(known_at, np.append(series.known_at, np.datetime64("NaT"))[used])
    return known_at, np.concatenate(columns, axis=1)
