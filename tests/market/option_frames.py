"""Chains for the tests of option features: four strikes worked out by hand, and a smile priced by Black-Scholes."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from components.market.black_scholes import greeks
from components.market.columns import OPTIONS
from components.market.option_chain import read_chain
from components.market.options import option_features

DAY = pd.Timestamp("2024-03-01")
STRIKES = [90.0, 95.0, 105.0, 110.0]
SIDES = {  # by strike: mid, volume, open interest, implied volatility
    "call": [(11, 1, 10, 0.25), (7, 2, 20, 0.23), (2, 8, 40, 0.20), (1, 5, 30, 0.18)],
    "put": [(1, 6, 50, 0.26), (2, 4, 30, 0.24), (7, 2, 20, 0.21), (11, 0, 20, 0.20)],
}


def four_strikes(days: int = 30) -> pd.DataFrame:
    """Return a chain of four strikes around a price of 100, at rate 0 with put-call parity."""
    rows = [
        {
            "date": DAY,
            "underlying": "AAA",
            "expiration": DAY + pd.Timedelta(days=days),
            "type": side,
            "strike": strike,
            "bid": mid - 0.05,
            "ask": mid + 0.05,
            "volume": float(volume),
            "open_interest": float(interest),
            "implied_vol": vol,
            "underlying_price": 100.0,
        }
        for side, contracts in SIDES.items()
        for strike, (mid, volume, interest, vol) in zip(STRIKES, contracts, strict=True)
    ]
    return pd.DataFrame(rows)


def smile(days: int) -> pd.DataFrame:
    """Return a chain of 25 strikes around a price of 100 with a skewed smile, at rate 0."""
    strike = np.tile(np.arange(88.0, 113.0), 2)
    is_call = np.repeat([True, False], 25)
    depth = np.log(strike / 100)
    vol = 0.2 - 0.3 * depth + 0.8 * depth**2
    value = greeks(100.0, strike, days / 365, vol, is_call=is_call).value
    rng = np.random.default_rng(days)
    return pd.DataFrame(
        {
            "date": DAY,
            "underlying": "AAA",
            "expiration": DAY + pd.Timedelta(days=days),
            "type": np.where(is_call, "call", "put"),
            "strike": strike,
            "bid": value * 0.99,
            "ask": value * 1.01,
            "volume": rng.integers(1, 99, 50).astype(np.float64),
            "open_interest": rng.integers(1, 99, 50).astype(np.float64),
            "implied_vol": vol,
            "underlying_price": 100.0,
        }
    )


def features(frame: pd.DataFrame, **given: Any) -> pd.DataFrame:
    chain = read_chain(pa.Table.from_pandas(frame, preserve_index=False), file="test")
    return option_features(chain, **{"rate": 0.0} | given).table.to_pandas()


def one(frame: pd.DataFrame, **given: Any) -> dict[str, float]:
    found = features(frame, **given)
    assert len(found) == 1
    return found[list(OPTIONS)].iloc[0].to_dict()


def many() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frames = []
    for symbol in ("AAA", "BBB", "CCC"):
        for day in range(4):
            frame = pd.concat([smile(days) for days in (2, 10, 40, 100)])
            later = pd.Timedelta(days=day)
            frame = frame.assign(underlying=symbol, date=DAY + later, expiration=frame["expiration"] + later)
            frame["open_interest"] = rng.integers(1, 99, len(frame)).astype(np.float64)
            frame["volume"] = rng.integers(1, 99, len(frame)).astype(np.float64)
            frames.append(frame)
    return pd.concat(frames)
