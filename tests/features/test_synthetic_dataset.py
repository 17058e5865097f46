"""A made-up dataset for named tickers and dates."""

import numpy as np
import pandas as pd
import pytest

from components.core.errors import DataError, UsageError
from components.features.synthetic import create_synthetic_dataset
from components.market.columns import CHARACTERISTICS, MACD, RETURNS, TECHNICAL

TICKERS = ["MSFT", "AAPL", "GOOGL"]


@pytest.mark.promise("S0-45")
@pytest.mark.promise("S0-46")
@pytest.mark.promise("S0-47")
def test_three_tickers_over_three_years_have_prices_and_features() -> None:
    found = create_synthetic_dataset(TICKERS, "2022-01-01", "2024-12-31")
    sessions = pd.bdate_range("2022-01-01", "2024-12-31", tz="UTC")
    for frame in (found.prices, found.features):
        assert sorted(frame["symbol"].unique()) == sorted(TICKERS)
        assert len(frame) == 3 * len(sessions) == 3 * 782
        assert list(frame.loc[frame["symbol"] == "AAPL", "timestamp"]) == list(sessions)
    assert {*TECHNICAL, *RETURNS, *CHARACTERISTICS} < set(found.features)
    last = found.features.groupby("symbol").tail(100)
    assert np.isfinite(last[[*TECHNICAL, *RETURNS, *CHARACTERISTICS]].to_numpy()).all()
    again = create_synthetic_dataset(TICKERS, "2022-01-01", "2024-12-31")
    pd.testing.assert_frame_equal(found.features, again.features)


@pytest.mark.promise("S4-41")
def test_the_columns_of_the_hybrid_model_are_there() -> None:
    found = create_synthetic_dataset(["AAPL"], "2024-01-01", "2024-12-31").features
    bands = {name for name in TECHNICAL if name.startswith("bb_")}
    assert {"open", "high", "low", "close", "volume", "rsi_14", *MACD, *bands} < set(found)
    assert len(bands) == 5


@pytest.mark.parametrize("tickers", [[], ["A", "A"]])
def test_tickers_are_named_once(tickers: list[str]) -> None:
    with pytest.raises(UsageError, match="name each once"):
        create_synthetic_dataset(tickers, "2022-01-01", "2022-12-31")


def test_dates_and_names_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="holds 0 sessions"):
        create_synthetic_dataset(["A"], "2022-01-01", "2021-12-31")
    with pytest.raises(DataError, match="tickers"):
        create_synthetic_dataset(["../up"], "2022-01-01", "2022-12-31")
