"""The 40 option features per underlying and day, each made of that day's chain only."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from components.market.columns import OPTIONS
from components.market.option_chain import Chain, Days
from components.market.option_gamma import gamma_exposure
from components.market.option_positioning import positioning
from components.market.option_surface import surface, volatilities
from components.market.ragged import Floats

KNOWN_AT: Final = np.timedelta64(26, "h")
"""After 00:00 UTC of the day: 02:00 UTC of the next, when the exchanges' last quotes and volumes are out."""


@dataclass(frozen=True)
class OptionFeatures:
    """The features and what was left out on the way to them."""

    table: pa.Table
    """One row per underlying and day: symbol, timestamp, event_timestamp, created and ``OPTIONS``."""
    excluded: pa.Table
    """The chain's counts of rows by reason."""
    unsolved: pa.Table
    """symbol, timestamp and how many usable quotes have no implied volatility."""


def option_features(
    chain: Chain, *, rate: Floats | float, dividend_yield: float = 0.0, realised_vol: Floats | None = None
) -> OptionFeatures:
    """Return the features of every snapshot of ``chain``, in its order; NaN where an input is missing.

    ``rate`` and ``dividend_yield`` are per year, continuously compounded; the yield is used where puts and calls
    do not tell the forward. ``rate`` and ``realised_vol``, per year, are [snapshot] and must have been known at
    the snapshot's time: they are the only inputs from outside that day's chain.

    Raises:
        ValueError: If ``rate`` or ``realised_vol`` is not one number per snapshot.
    """
    num = len(chain.symbol)
    rates = np.full(num, rate) if isinstance(rate, float | int) else rate
    realised = np.full(num, np.nan) if realised_vol is None else realised_vol
    for name, values in (("rate", rates), ("realised_vol", realised)):
        if values.shape != (num,):
            raise ValueError(f"{name}: want one number for each of {num} snapshots, got shape {values.shape}")
    quotes = surface(chain, rate=rates, dividend_yield=dividend_yield)
    columns = positioning(chain) | gamma_exposure(chain, quotes) | volatilities(chain, quotes, realised)
    day: Days = chain.date.astype("datetime64[us]")
    keys = {"symbol": pa.array(chain.symbol, pa.string()), "timestamp": _utc(day)}
    known = _utc(KNOWN_AT + day)
    features = {name: columns[name] for name in OPTIONS}
    return OptionFeatures(
        table=pa.table({**keys, "event_timestamp": known, "created": known, **features}),
        excluded=chain.excluded,
        unsolved=pa.table({**keys, "unsolved": quotes.unsolved}),
    )


def _utc(times: Days) -> pa.Array:
    return pa.array(times, pa.timestamp("us", tz="UTC"))
