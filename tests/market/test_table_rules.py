"""Tables that are no bars, and two sources of one price: what each rule finds, by hand and on the real files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from quality_rows import rows, sessions

from components.market.agreement import compare
from components.market.observed import observed
from components.market.readers import read_rows
from components.market.table_rules import (
    TableFinding,
    absent_days,
    chain_findings,
    empty_columns,
    interest_findings,
    membership_findings,
    yield_findings,
)

ASOF = datetime(2027, 1, 1, tzinfo=UTC)
DAYS = np.array(["2001-07-30", "2001-07-31", "2001-08-01"], dtype="datetime64[ns]")


def counts(found: list[TableFinding]) -> dict[tuple[str, str], int]:
    return {(item.rule, item.column): item.count for item in found}


def table(folder: Path, name: str) -> dict[str, npt.NDArray[Any]]:
    read = pq.read_table(folder / f"{name}.parquet")
    return {column: read[column].to_numpy() for column in read.column_names}


def test_a_zero_yield_is_missing_before_its_publication_and_true_after() -> None:
    found = yield_findings({"date": DAYS, "y_1m": np.array([0.0, 0.0, 3.7]), "y_10y": np.array([5.0, 5.0, 0.0])})
    assert counts(found) == {("unpublished_yield", "y_1m"): 1, ("zero_yield", "y_1m"): 1, ("zero_yield", "y_10y"): 1}
    assert found[0].examples == ("2001-07-30",)


def test_a_chain_of_a_holiday_is_named_and_so_is_a_half_one() -> None:
    def chain(day: str, num: int) -> npt.NDArray[np.datetime64]:
        return np.full(num, np.datetime64(day, "ns"))

    days = np.concatenate([chain("2025-11-25", 100), chain("2025-11-26", 100), chain("2025-11-27", 100)])
    days = np.concatenate([days, chain("2025-11-28", 74)])
    num = len(days)
    quotes: dict[str, npt.NDArray[Any]] = {
        "date": days,
        "underlying": np.full(num, "AAPL"),
        "bid": np.full(num, 1.0),
        "ask": np.full(num, 1.1),
        "implied_vol": np.full(num, 0.3),
    }
    assert counts(chain_findings(quotes)) == {("closed_market", "date"): 100, ("thin_snapshot", "date"): 1}
    quotes["bid"][[0, 1]] = 0.0, 2.0
    quotes["implied_vol"][[2, 3, 4]] = 5e-5, 3.5, np.nan
    assert {rule for rule, _ in counts(chain_findings(quotes))} >= {
        "no_bid", "crossed_quote", "low_volatility", "high_volatility", "no_volatility",
    }  # fmt: skip


def test_a_constant_factor_is_told_from_another_company() -> None:
    days = sessions("2023-01-03", "2023-12-29")
    first = rows({"AAA": days, "BBB": days, "CCC": days, "DDD": days}, seed=1)
    second = rows({"BBB": days, "CCC": days, "EEE": days}, seed=2)
    for name, (mine, theirs) in {"BBB": (1, 0)}.items():
        size = len(days)
        closes = first.numbers["close"][mine * size : (mine + 1) * size].copy()
        closes[:100] /= 1.05
        second.numbers["close"][theirs * size : (theirs + 1) * size] = closes
        assert name == second.names[theirs]
    found = {item.symbol: item for item in compare(observed([first]), observed([second]))}
    assert {symbol: item.kind for symbol, item in found.items()} == {"BBB": "factor", "CCC": "other"}
    assert (found["BBB"].num_days, found["BBB"].num_equal) == (250, 150)
    assert found["BBB"].factor == pytest.approx(1.05)


@pytest.mark.realdata
def test_the_two_stock_files_differ_where_documented(shared_data: Path) -> None:
    five, long = (
        observed(read_rows(str(shared_data / f"{name}.parquet"))) for name in ("daily_ohlcv_5yr", "daily_ohlcv")
    )
    found = compare(five, long)
    assert sum(item.num_days for item in found) == 520_318
    assert sum(item.num_equal for item in found) / 520_318 == pytest.approx(0.950, abs=5e-4)
    assert [item.symbol for item in found if item.kind == "other"] == ["IR"]
    factors = {item.symbol: item.factor for item in found if item.kind == "factor"}
    assert factors["JCI"] == pytest.approx(1.047, abs=1e-3)
    assert factors["LEN"] == pytest.approx(0.980, abs=1e-3)


@pytest.mark.realdata
def test_the_quirks_of_the_yields_and_the_news_are_counted(shared_data: Path) -> None:
    yields = table(shared_data, "treasury_yields_daily")
    assert counts(yield_findings(yields)) == {
        ("unpublished_yield", "y_1m"): 2_899, ("zero_yield", "y_1m"): 92, ("zero_yield", "y_3m"): 21,
        ("unpublished_yield", "y_20y"): 939, ("unpublished_yield", "y_30y"): 994,
    }  # fmt: skip
    recent = yields["date"][yields["date"] >= np.datetime64("2017-01-01")]
    assert absent_days(recent, "XNYS")[0].count == 7
    news = table(shared_data, "news_tone_daily")
    assert absent_days(news["date"], "24/7")[0].examples == ("2017-12-01", "2017-12-02", "2020-10-20")
    assert empty_columns(news)[0].column == "market_vol, fed_vol"
    sentiment = table(shared_data, "news_sentiment_daily")
    assert absent_days(sentiment["date"], "24/7")[0].count == 19  # its README says every calendar day


@pytest.mark.realdata
def test_the_quirks_of_the_option_files_are_counted(shared_data: Path) -> None:
    assert counts(chain_findings(table(shared_data, "options_chain_2025"))) == {
        ("crossed_quote", "bid"): 48,
        ("no_bid", "bid"): 10_811,
        ("low_volatility", "implied_vol"): 3_156,
        ("high_volatility", "implied_vol"): 841,
        ("no_volume", "volume"): 3_595,
        ("closed_market", "date"): 12_844,  # 2025-11-27
        ("thin_snapshot", "date"): 6,  # 2025-11-28, all six underlyings
    }
    ladder = counts(chain_findings(table(shared_data, "options_ladder_2026")))
    assert ladder[("no_volatility", "implied_vol")] == 50_130
    assert ladder[("absent_snapshot", "date")] == 7  # its README says six names
    assert ladder[("late_capture", "timestamp")] == 27_950
    assert ladder.keys() <= {
        ("no_volatility", "implied_vol"), ("absent_snapshot", "date"), ("late_capture", "timestamp"),
        ("no_bid", "bid"), ("low_volatility", "implied_vol"), ("high_volatility", "implied_vol"),
        ("thin_snapshot", "date"),
    }  # fmt: skip
    assert counts(chain_findings(table(shared_data, "options_top20_spy_2021"))) == {("narrow_chain", "date"): 167}
    features = table(shared_data, "spx_option_features_daily")
    assert interest_findings(features)[0].examples == ("2018-12-19", "2018-12-24")
    assert absent_days(features["date"], "XNYS") == []
    assert absent_days(table(shared_data, "implied_vol_daily")["date"], "XNYS") == []


@pytest.mark.realdata
def test_the_symbols_that_come_back_to_the_index_are_counted(shared_data: Path) -> None:
    assert membership_findings(table(shared_data, "index_membership"))[0].count == 49
