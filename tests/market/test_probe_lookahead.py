"""The look-ahead probe: each planted leak is named with its column and row, and honest features pass."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cli.shipped import technical
from components.market.bars import OHLC
from components.market.probes import Finding
from components.market.probes.lookahead import changed_after, cuts_of, lookahead
from components.market.readers import read_bars
from components.market.synthetic import MarketSpec, market

BARS = market(MarketSpec(symbols=3, days=300))
Feature = Callable[[pd.DataFrame], pd.Series]


def per_symbol(change: Callable[[pd.Series], pd.Series]) -> Feature:
    return lambda frame: frame.groupby("symbol")["close"].transform(change)


def computed(**features: Feature) -> Callable[[pa.Table], pa.Table]:
    def compute(bars: pa.Table) -> pa.Table:
        frame = bars.to_pandas()
        columns = {name: feature(frame) for name, feature in features.items()}
        return pa.Table.from_pandas(frame[["symbol", "timestamp"]].assign(**columns), preserve_index=False)

    return compute


def found(feature: Feature) -> list[Finding]:
    """Return what is found in an honest column, which must be nothing, and in the column of ``feature``."""
    report = lookahead(computed(honest=per_symbol(lambda close: close.rolling(5).mean()), guilty=feature), BARS, CUTS)
    assert all(finding.column == "guilty" for finding in report.findings)
    return list(report.findings)


CUTS = cuts_of(BARS)

HONEST: dict[str, Feature] = {
    "rolling": per_symbol(lambda close: close.rolling(20).std()),
    "exponential": per_symbol(lambda close: close.ewm(span=20).mean()),
    "expanding": per_symbol(lambda close: (close - close.expanding().mean()) / close.expanding().std()),
    "the day's mean": lambda frame: frame["close"] - frame.groupby("timestamp")["close"].transform("mean"),
}

GUILTY: dict[str, tuple[Feature, int]] = {
    "centred window": (per_symbol(lambda close: close.rolling(5, center=True).mean()), 2),
    "full-sample z-score": (per_symbol(lambda close: (close - close.mean()) / close.std()), 299),
    "shifted return": (per_symbol(lambda close: close.shift(-1) / close - 1), 1),
    "filled from the future": (per_symbol(lambda close: close.where(np.arange(len(close)) % 7 != 0).bfill()), 1),
    "number of bars to come": (per_symbol(lambda close: pd.Series(np.arange(len(close))[::-1], close.index)), 299),
    "another symbol's future": (lambda frame: frame.groupby("timestamp")["close"].transform("max").shift(-1), 1),
}


@pytest.mark.parametrize("name", HONEST)
def test_features_of_the_past_pass(name: str) -> None:
    assert not found(HONEST[name])


@pytest.mark.parametrize("name", GUILTY)
def test_each_leak_is_named_with_its_column_and_row(name: str) -> None:
    feature, bars_ahead = GUILTY[name]
    [finding] = found(feature)
    assert finding.column == "guilty"
    assert f"sees at least {bars_ahead} bar" in finding.problem
    assert finding.remedy.startswith("Use what was known at t only")


def test_the_first_guilty_row_of_a_centred_window_by_hand() -> None:
    # Half of 300 bars are known at the cut: bar 149 is the last. A window of 5 around bars 148 and 149 reaches on.
    cut = np.unique(BARS["known_at"].to_numpy())[150] - np.timedelta64(1, "us")
    [finding] = lookahead(computed(guilty=GUILTY["centred window"][0]), BARS, [cut]).findings
    assert finding.row == 149
    assert finding.problem.startswith(f"SYN000 {BARS['timestamp'][148].as_py():%Y-%m-%dT%H:%M}Z changes")
    assert str(finding).startswith("look-ahead: row 149, column 'guilty': ")


def test_a_row_that_claims_to_know_its_bar_before_it_ended_is_named() -> None:
    def early(bars: pa.Table) -> pa.Table:
        return bars.select(["symbol", "timestamp", "close"]).append_column("event_timestamp", bars["timestamp"])

    start = BARS["timestamp"].to_numpy()[200]
    [finding] = lookahead(early, BARS, [start + np.timedelta64(1, "h")]).findings
    assert (finding.column, finding.row) == ("close", 201)


def test_a_column_that_is_empty_up_to_every_cut_is_not_called_clean() -> None:
    [finding] = found(per_symbol(lambda close: close.rolling(300).mean()))
    assert finding.row is None
    assert "nothing could be compared" in finding.problem


def test_rounding_is_forgiven_only_when_asked() -> None:
    def spectral(close: pd.Series) -> pd.Series:
        return close + 1e-13 * close.iloc[-1]

    assert found(per_symbol(spectral))
    assert not lookahead(computed(spectral=per_symbol(spectral)), BARS, CUTS, tolerance=1e-9).findings


def test_changed_bars_are_other_bars_and_still_candles() -> None:
    cut = CUTS[2]
    after = changed_after(BARS, cut, np.random.default_rng(0))
    future = BARS["known_at"].to_numpy() > cut
    for name in (*OHLC, "volume", "adj_close"):
        was, now = BARS[name].to_numpy(), after[name].to_numpy()
        assert np.array_equal(was[~future], now[~future])
        assert np.mean(was[future] != now[future]) > 0.99
    opening, high, low, close = (after[name].to_numpy() for name in OHLC)
    assert np.all((high >= np.maximum(opening, close)) & (low <= np.minimum(opening, close)) & (low > 0))


def test_rows_computed_twice_are_refused() -> None:
    with pytest.raises(ValueError, match=r"900 .* computed twice"):
        lookahead(lambda bars: pa.concat_tables([bars, bars]), BARS, CUTS)


def test_the_shipped_features_pass() -> None:
    report = lookahead(technical, BARS, CUTS, name="technical_v1")
    assert not report.findings
    assert report.checked == ("17 columns, 900 rows, bars after 5 cuts changed and removed",)


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["real_sample", "crypto_btcusdt_1h"])
def test_the_shipped_features_pass_on_real_bars(shared_data: Path, name: str) -> None:
    bars = read_bars(str(shared_data / f"{name}.parquet"), asof=datetime(2022, 1, 1, tzinfo=UTC)).table
    assert not lookahead(technical, bars, cuts_of(bars)).findings
