"""The context of a synthetic market moves with its path and reads as the real files do."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.market.columns import CONTEXT
from components.market.context import FUNDS, FUNDS_FILE, TONE_FILE, YIELDS_FILE, context_table
from components.market.context_files import TONES
from components.market.synthetic import MarketSpec, market, sessions
from components.market.synthetic_context import CREDIT_BETA, benchmark_returns, synthetic_context
from components.market.synthetic_options import true_atm_vol

SPEC = MarketSpec(symbols=3, days=400, seed=5)
LEAD_DAYS = 64


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


@pytest.mark.parametrize(
    ("spec", "published"),
    [
        (SPEC, "f30c6de25fecb0e20cc4ca46e1f4ce3b8c8d70e35946c52563fd5d014026da2a"),
        (
            replace(SPEC, market="noise", strength=0.0),
            "e1c8312b82990fea5fe5b76f5dbf53b233641ecd598d0f87c6b344ab8b3adef2",
        ),
    ],
    ids=["planted", "noise"],
)
def test_the_context_is_the_one_that_was_published_before_news_could_lead(spec: MarketSpec, published: str) -> None:
    tables = synthetic_context(spec)
    columns = [column for name in sorted(tables) for column in tables[name].columns if column.type != pa.string()]
    assert sha256(b"".join(column.to_numpy().tobytes() for column in columns)).hexdigest() == published


def test_news_that_leads_is_all_that_parts_a_planted_market_of_no_strength_from_its_noise() -> None:
    noise = MarketSpec(market="noise", strength=0.0, symbols=1, days=3000)
    planted = replace(noise, market="planted", lead_days=LEAD_DAYS)
    assert market(planted).equals(market(noise))
    told, news = synthetic_context(planted), synthetic_context(noise)
    assert [name for name in told if not told[name].equals(news[name])] == [TONE_FILE]
    assert told[TONE_FILE]["date"].equals(news[TONE_FILE]["date"])
    moves = benchmark_returns(noise)
    at = np.searchsorted(news[TONE_FILE]["date"].to_numpy(), sessions(noise))
    for name in TONES:
        more = (told[TONE_FILE][name].to_numpy() - news[TONE_FILE][name].to_numpy())[at]
        # 20 points for a benchmark that doubles, 20 times as loud; tones have 4 decimals.
        np.testing.assert_allclose(more[:-LEAD_DAYS], 20 * 20 * moves[LEAD_DAYS:], rtol=0, atol=1.01e-4)
        np.testing.assert_array_equal(more[-LEAD_DAYS:], 0.0)  # what they would tell of has not been drawn


def month_of(spec: MarketSpec) -> tuple[float, float]:
    """Return how mean and deviation of a month's tones go with those of the moves of the month that is to come."""
    tone, moves = synthetic_context(spec)[TONE_FILE], benchmark_returns(spec)
    said = tone["market_tone"].to_numpy()[np.searchsorted(tone["date"].to_numpy(), sessions(spec))]
    told, came = (np.lib.stride_tricks.sliding_window_view(one, 21) for one in (said[:-LEAD_DAYS], moves[LEAD_DAYS:]))
    mean, deviation = (np.corrcoef(of(told, axis=1), of(came, axis=1))[0, 1] for of in (np.mean, np.std))
    return float(mean), float(deviation)


def test_trend_and_volatility_to_come_are_in_the_news_of_the_planted_market_and_not_in_noise() -> None:
    noise = MarketSpec(market="noise", strength=0.0, symbols=1, days=8000)
    assert min(month_of(replace(noise, market="planted", lead_days=LEAD_DAYS))) > 0.9
    assert max(map(abs, month_of(noise))) < 0.15  # 8,000 days are some 400 months


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
