"""The health features equal pandas, symbol by symbol, and a few numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from feature_functions import market

from components.market.columns import RETURNS
from components.market.returns import return_features


def with_pandas(close: np.ndarray, benchmark: np.ndarray) -> pd.DataFrame:
    price, index = pd.Series(close), pd.Series(benchmark)
    daily = price.pct_change(fill_method=None)
    expected = {f"return_{days}d": price.pct_change(days, fill_method=None) for days in (1, 5, 21, 63)}
    for days in (21, 63):
        expected[f"vol_{days}d"] = daily.rolling(days).std() * 252**0.5
        expected[f"drawdown_{days}d"] = price / price.rolling(days).max() - 1
        expected[f"rel_strength_{days}d"] = expected[f"return_{days}d"] - index.pct_change(days, fill_method=None)
    return pd.DataFrame(expected)


@pytest.mark.promise("S1-29")
def test_the_names_are_the_promised_ones() -> None:
    promised = [f"return_{days}d" for days in (1, 5, 21, 63)]
    promised += [f"{name}_{days}d" for name in ("vol", "drawdown", "rel_strength") for days in (21, 63)]
    assert list(RETURNS) == promised


@pytest.mark.promise("S1-29")
@pytest.mark.parametrize("seed", range(3))
def test_every_feature_equals_pandas(seed: int) -> None:
    candles, benchmark = market(4, 500, seed)
    for length, symbol in ((500, 0), (200, 1), (64, 2), (3, 3)):
        candles.close[symbol, length:] = np.nan
    features = return_features(candles.close, benchmark)
    for symbol in range(4):
        expected = with_pandas(candles.close[symbol], benchmark[symbol])[list(RETURNS)].to_numpy()
        np.testing.assert_allclose(features[symbol], expected, rtol=1e-9, atol=1e-9, equal_nan=True)


def test_a_fall_by_half_after_a_year_of_calm() -> None:
    close = np.full((1, 100), 10.0)
    close[0, -1] = 5.0
    benchmark = np.full((1, 100), 200.0)
    benchmark[0, -1] = 180.0
    last = dict(zip(RETURNS, return_features(close, benchmark)[0, -1], strict=True))
    assert last["return_1d"] == last["return_63d"] == last["drawdown_21d"] == -0.5
    assert last["rel_strength_21d"] == pytest.approx(-0.4, abs=1e-12)
    assert last["vol_21d"] == pytest.approx((0.25 * (1 - 1 / 21) / 20 * 252) ** 0.5, rel=1e-12)


def test_a_benchmark_of_another_shape_is_refused() -> None:
    candles, benchmark = market(2, 30)
    with pytest.raises(ValueError, match=r"2 arrays \[symbol, bar\] of one shape"):
        return_features(candles.close, benchmark[:1])
