"""The context of a synthetic market moves with its path and reads as the real files do."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.market.columns import CONTEXT
from components.market.context import FUNDS, FUNDS_FILE, TONE_FILE, YIELDS_FILE, context_table
from components.market.context_files import TONES
from components.market.synthetic import MarketSpec, sessions
from components.market.synthetic_context import CREDIT_BETA, benchmark_returns, synthetic_context
from components.market.synthetic_options import true_atm_vol

SPEC = MarketSpec(symbols=3, days=400, seed=5)


def test_context_has_the_columns_of_the_real_files_and_equal_bytes() -> None:
    tables = synthetic_context(SPEC)
    assert {name: table.column_names for name, table in tables.items()} == {
        FUNDS_FILE: ["symbol", "date", "close"],
        YIELDS_FILE: ["date", "y_2y", "y_10y"],
        TONE_FILE: ["date", *TONES],
    }
    again = synthetic_context(SPEC)
    assert all(table.equals(again[name]) for name, table in tables.items())
    funds = tables[FUNDS_FILE]
    assert funds["symbol"].unique().to_pylist() == list(FUNDS)
    np.testing.assert_array_equal(funds["date"].to_numpy()[: SPEC.days].astype("datetime64[D]"), sessions(SPEC))
    assert (funds["close"].to_numpy() > 0).all()
    days = tables[TONE_FILE]["date"].to_numpy().astype("datetime64[D]")
    assert (np.diff(days).astype(int) == 1).all()


def test_context_moves_with_the_path_of_the_market() -> None:
    spec = MarketSpec(symbols=20, days=2500, seed=3)
    tables = synthetic_context(spec)
    closes = tables[FUNDS_FILE]["close"].to_numpy().reshape(len(FUNDS), spec.days)
    moves = dict(zip(FUNDS, np.diff(closes) / closes[:, :-1], strict=True))
    spy = benchmark_returns(spec)[1:]
    np.testing.assert_allclose(moves["SPY"], spy, atol=2e-6)
    assert np.polyfit(spy, moves["HYG"], 1)[0] == pytest.approx(CREDIT_BETA, abs=0.05)
    assert np.corrcoef(spy, moves["TLT"])[0, 1] < -0.05
    volatility = np.diff(true_atm_vol(spec, np.array([30.0]))[:, 0])
    assert moves["VIXY"][volatility > 0].mean() > 0.2 > moves["VIXY"][volatility == 0].mean()
    tone = tables[TONE_FILE]
    at = np.searchsorted(tone["date"].to_numpy(), sessions(spec)[1:])
    assert np.corrcoef(tone["market_tone"].to_numpy()[at], spy)[0, 1] > 0.2
    assert np.corrcoef(tone["market_tone"].to_numpy()[at[:-1]], spy[1:])[0, 1] == pytest.approx(0, abs=0.05)


def test_the_context_features_are_made_from_it_as_from_the_real_files(tmp_path: Path) -> None:
    for name, table in synthetic_context(SPEC).items():
        pq.write_table(table, tmp_path / name, write_page_checksum=True)
    days = sessions(SPEC)
    found = context_table(tmp_path, first=days[25].item(), last=days[-1].item()).to_pandas()
    assert len(found) == SPEC.days - 25
    assert np.isfinite(found[list(CONTEXT)].to_numpy()).all()
    np.testing.assert_allclose(found["spy_return_1d"], benchmark_returns(SPEC)[25:], atol=1e-6)
