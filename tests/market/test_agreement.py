"""Two sources of one market: what the comparison says, by hand and on the real files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from quality_rows import rows, sessions

from components.market.action_agreement import booked, compare_actions, listed
from components.market.agreement import closest, compare
from components.market.observed import observed
from components.market.probes import Report
from components.market.probes.against import against
from components.market.readers import read_rows

DAYS = pd.bdate_range("2024-01-02", periods=5)


def test_a_constant_factor_is_told_from_another_company() -> None:
    days = sessions("2023-01-03", "2023-12-29")
    first = rows({"AAA": days, "BBB": days, "CCC": days, "DDD": days}, seed=1)
    second = rows({"BBB": days, "CCC": days, "EEE": days}, seed=2)
    size = len(days)
    closes = first.numbers["close"][size : 2 * size].copy()
    closes[:100] /= 1.05
    second.numbers["close"][:size] = closes
    found = {item.symbol: item for item in compare(observed([first]), observed([second]))}
    assert {symbol: item.kind for symbol, item in found.items()} == {"BBB": "factor", "CCC": "other"}
    assert (found["BBB"].num_days, found["BBB"].num_equal, found["BBB"].num_apart) == (250, 150, 1)
    assert found["BBB"].factor == pytest.approx(1.05)


def test_adjusted_closes_are_compared_with_adjusted_ones() -> None:
    days = sessions("2023-01-03", "2023-12-29")
    raw = rows({"AAA": days}, seed=1)
    adjusted = raw.numbers["close"] * np.where(np.arange(len(days)) < 100, 0.5, 1.0)
    raw.numbers["adj_close"] = adjusted
    other = rows({"AAA": days}, seed=1)
    other.numbers["close"] = adjusted * 2
    columns, [found] = closest(observed([other]), observed([raw]))
    assert columns == ("close", "adj_close")
    assert (found.kind, found.num_apart, found.factor) == ("factor", 0, pytest.approx(2.0))


def test_actions_that_differ_or_are_missing_are_named() -> None:
    table = {
        "symbol": ["AAA", "AAA", "AAA", "ZZZ", "AAA", "AAA"],
        "date": [*DAYS[[0, 1, 2, 2, 4]], pd.Timestamp("2024-01-01")],
        "type": ["dividend", "dividend", "split", "dividend", "dividend", "split"],
        "value": [0.1, 0.2, 2.0, 9.0, 0.5, 3.0],
    }
    bars = {
        "symbol": ["AAA"] * 4,
        "date": DAYS[:4],
        "dividend": [0.1, 0.3, 0.0, 0.4],
        "split_factor": [1.0, 1.0, 1.0, 1.0],
    }
    dividends, splits = compare_actions(listed(table), booked(bars))
    assert (dividends.num_equal, dividends.differing) == (1, ("AAA 2024-01-03 0.2, 0.3",))
    assert (dividends.only_first, dividends.only_second) == (
        (),
        ("AAA 2024-01-05",),
    )  # ZZZ, first, last day: not shared
    assert (splits.num_equal, splits.only_first) == (0, ("AAA 2024-01-04",))


def test_sources_with_no_day_in_common_are_not_called_clean() -> None:
    first = pa.table({"symbol": ["AAA"] * 5, "date": DAYS, "close": np.full(5, 10.0)})
    second = pa.table({"symbol": ["AAA"] * 5, "date": DAYS + pd.Timedelta(days=70), "close": np.full(5, 10.0)})
    [finding] = against(first, second, names=("first", "second")).findings
    assert finding.problem == "no symbol has a day in common with second, so no close was compared"


def of_files(folder: Path, first: str, second: str) -> Report:
    tables = [pq.read_table(folder / f"{name}.parquet") for name in (first, second)]
    return against(*tables, names=(first, second))


@pytest.mark.realdata
def test_the_two_stock_files_differ_where_documented(shared_data: Path) -> None:
    five, long = (
        observed(read_rows(str(shared_data / f"{name}.parquet"))) for name in ("daily_ohlcv_5yr", "daily_ohlcv")
    )
    columns, found = closest(five, long)
    assert columns == ("close", "close")
    assert sum(item.num_days for item in found) == 520_318
    assert sum(item.num_equal for item in found) / 520_318 == pytest.approx(0.950, abs=5e-4)
    assert [item.symbol for item in found if item.kind == "other"] == ["IR"]
    factors = {item.symbol: item.factor for item in found if item.kind == "factor"}
    assert factors["JCI"] == pytest.approx(1.047, abs=1e-3)
    assert factors["LEN"] == pytest.approx(0.980, abs=1e-3)


@pytest.mark.realdata
def test_the_two_fund_files_are_apart_on_the_documented_days(shared_data: Path) -> None:
    adjusted, traded = (
        observed(read_rows(str(shared_data / f"{name}.parquet"))) for name in ("etf_adjusted_daily", "etf_daily")
    )
    columns, found = closest(adjusted, traded)
    assert columns == ("close", "adj_close")
    apart = {item.symbol: item.num_apart for item in found}
    assert [apart[name] for name in ("SPY", "TLT", "IEF", "HYG")] == [0, 0, 1, 7]


@pytest.mark.realdata
def test_the_actions_are_those_that_the_bars_carry(shared_data: Path) -> None:
    report = of_files(shared_data, "corporate_actions", "daily_ohlcv")
    assert not report.findings
    assert report.summary == (
        "daily_ohlcv has 468 of 468 names",
        "dividends: 20,067 are the same in both, of the days that both cover",
        "splits: 180 are the same in both, of the days that both cover",
    )


@pytest.mark.realdata
def test_the_member_without_bars_is_named(shared_data: Path) -> None:
    report = of_files(shared_data, "constituents", "daily_ohlcv")
    assert report.findings[0].problem == "list 2021-04: daily_ohlcv lacks 1 of 505: BF.B"
    assert report.summary[1] == "list 2026-08: daily_ohlcv has 407 of 503 names"
