"""Made-up prices with their features for any tickers and dates, without a network."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from components.core.errors import UsageError
from components.core.files import checked_symbol
from components.features.tables import bar_panel, feature_tables
from components.market.synthetic import MAX_DAYS, MarketSpec, market

MIN_DAYS = 2
_KEYS = ["symbol", "timestamp"]


class SyntheticDataset(NamedTuple):
    """Prices and what is made of them, one row per symbol and session each."""

    prices: pd.DataFrame
    """symbol, timestamp, known_at, open, high, low, close, volume, adj_close."""
    features: pd.DataFrame
    """symbol, timestamp and the columns of every view that daily bars give; warm-up rows hold NaN."""


def create_synthetic_dataset(
    tickers: Sequence[str], start_date: date | str, end_date: date | str, *, seed: int = 7
) -> SyntheticDataset:
    """Return the planted market under the names of ``tickers``, on the business days of both dates and between.

    Raises:
        UsageError: If no ticker is given or one twice, or the dates hold fewer than two sessions or too many.
        DataError: If a ticker is none.
    """
    names = [checked_symbol(ticker, file="tickers") for ticker in tickers]
    first, last = (np.datetime64(str(day), "D") for day in (start_date, end_date))
    days = int(np.busday_count(first, last + 1))
    if not names or len(set(names)) < len(names):
        raise UsageError(f"tickers {names}: name each once, and at least one")
    if not MIN_DAYS <= days <= MAX_DAYS:
        raise UsageError(f"{start_date} to {end_date} holds {days} sessions; ask for {MIN_DAYS} to {MAX_DAYS}")
    end = np.busday_offset(last, 0, roll="backward").astype(date)
    bars = market(MarketSpec(symbols=len(names), days=days, seed=seed, end=end))
    renamed = np.repeat(np.array(sorted(names), dtype=object), days)
    bars = bars.set_column(0, "symbol", pa.array(renamed, pa.string()))
    features = pa.table({name: bars[name] for name in _KEYS})
    for _, table in feature_tables(bar_panel(bars), "daily"):
        for name in (name for name in table.column_names[4:] if name not in features.column_names):
            features = features.append_column(name, table[name])
    return SyntheticDataset(bars.to_pandas(), features.to_pandas())
