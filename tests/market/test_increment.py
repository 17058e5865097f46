"""A second ingest adds what is new; a restated past is found, value by value, and what was known stays known."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.market.bars import SCHEMA
from components.market.increment import compare, merged, newest
from components.market.readers import read_bars

EMPTY = SCHEMA.empty_table()
MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
LATER = datetime(2024, 6, 1, tzinfo=UTC)

Key = tuple[str, int]


def table(bars: dict[Key, float], *, adjusted: dict[Key, float] | None = None) -> pa.Table:
    """Return bars with this close for each (symbol, day), whose other prices follow from it."""
    rows = [
        {
            "symbol": symbol,
            "timestamp": MONDAY + timedelta(days=day),
            "known_at": MONDAY + timedelta(days=day, hours=22),
            "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 100.0,
            "adj_close": (adjusted or bars)[symbol, day],
        }
        for (symbol, day), close in sorted(bars.items())
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def days(symbol: str, *numbers: int) -> dict[Key, float]:
    return {(symbol, day): 10.0 + day for day in numbers}


def keys(found: pa.Table) -> list[Key]:
    return [(row["symbol"], (row["timestamp"] - MONDAY).days) for row in found.to_pylist()]


def test_a_longer_file_adds_its_new_bars_and_changes_none() -> None:
    old = table(days("AAPL", 0, 1, 2))
    new = table(days("AAPL", 0, 1, 2, 3, 4) | days("MSFT", 1))
    change = compare(old, new)
    assert keys(change.added) == [("AAPL", 3), ("AAPL", 4), ("MSFT", 1)]
    assert (change.late.num_rows, change.restated.num_rows, change.removed.num_rows) == (0, 0, 0)
    assert (change.num_compared, change.share_restated) == (3, 0.0)
    bars, later = merged(old, EMPTY, change, moment=LATER)
    assert bars.equals(new)
    assert later.num_rows == 0


def test_a_restated_value_is_told_with_its_column_old_and_new() -> None:
    old = table(days("AAPL", 0, 1, 2, 3))
    row = compare(old, table(days("AAPL", 0, 1, 2, 3) | {("AAPL", 1): 99.0}, adjusted=days("AAPL", 0, 1, 2, 3)))
    values = {item["column"]: (item["old"], item["new"]) for item in row.restated.to_pylist()}
    assert values == {"open": (11.0, 99.0), "high": (12.0, 100.0), "low": (10.0, 98.0), "close": (11.0, 99.0)}
    assert keys(row.revised) == [("AAPL", 1)]
    assert row.share_restated == 0.25
    assert row.facts()["restated_by_column"] == {"open": 1, "high": 1, "low": 1, "close": 1}


def test_what_was_known_stays_and_the_correction_is_a_later_version() -> None:
    old = table(days("AAPL", 0, 1, 2))
    corrected = table(days("AAPL", 0, 1, 2, 3) | {("AAPL", 1): 99.0})
    bars, later = merged(old, EMPTY, compare(old, corrected), moment=LATER)
    assert bars["close"].to_pylist() == [10.0, 11.0, 12.0, 13.0]
    assert later["close"].to_pylist() == [99.0]
    assert later["known_at"].to_pylist() == [LATER]
    known = newest(bars, later)
    assert known["close"].to_pylist() == [10.0, 99.0, 12.0, 13.0]
    again = compare(known, corrected)
    assert (again.added.num_rows, again.restated.num_rows) == (0, 0)


def test_a_second_correction_is_a_third_version() -> None:
    first = table(days("AAPL", 0, 1, 2))
    bars, later = merged(first, EMPTY, compare(first, table(days("AAPL", 0, 1, 2) | {("AAPL", 1): 99.0})), moment=LATER)
    third = table(days("AAPL", 0, 1, 2) | {("AAPL", 1): 50.0})
    moment = LATER + timedelta(days=1)
    bars, later = merged(bars, later, compare(newest(bars, later), third), moment=moment)
    assert later["close"].to_pylist() == [99.0, 50.0]
    assert later["known_at"].to_pylist() == [LATER, moment]
    assert newest(bars, later)["close"].to_pylist() == [10.0, 50.0, 12.0]


def test_a_bar_that_was_missing_was_not_known_at_its_time() -> None:
    old = table(days("AAPL", 0, 1, 4))
    change = compare(old, table(days("AAPL", 0, 1, 2, 4, 5)))
    assert keys(change.late) == [("AAPL", 2)]
    assert keys(change.added) == [("AAPL", 5)]
    bars, later = merged(old, EMPTY, change, moment=LATER)
    assert keys(bars) == [("AAPL", day) for day in (0, 1, 4, 5)]
    assert keys(later) == [("AAPL", 2)]
    assert later["known_at"].to_pylist() == [LATER]


def test_bars_that_are_gone_and_symbols_that_are_gone_are_reported_and_kept() -> None:
    old = table(days("AAPL", 0, 1, 2) | days("VAR", 0, 1))
    change = compare(old, table(days("AAPL", 0, 2)))
    assert keys(change.removed) == [("AAPL", 1)]
    assert change.removed_symbols == ("VAR",)
    assert (change.num_compared, change.share_restated) == (3, pytest.approx(1 / 3))
    assert merged(old, EMPTY, change, moment=LATER)[0].equals(old)


def test_a_file_of_the_last_days_only_says_nothing_about_the_days_before() -> None:
    change = compare(table(days("AAPL", *range(10))), table(days("AAPL", 8, 9, 10)))
    assert (change.removed.num_rows, change.num_compared, change.added.num_rows) == (0, 2, 1)


def test_a_file_that_ends_earlier_than_before_has_lost_bars() -> None:
    assert keys(compare(table(days("AAPL", 0, 1, 2)), table(days("AAPL", 0, 1))).removed) == [("AAPL", 2)]


def test_a_new_dividend_rescales_the_adjusted_close_and_restates_nothing() -> None:
    raw = {("KO", day): 100.0 + day for day in range(4)}
    before = {key: value * 0.98 for key, value in raw.items()}
    after = {key: round(value * 0.98 * 0.995, 4) for key, value in raw.items()} | {("KO", 4): 104.0}
    old, new = table(raw, adjusted=before), table(raw | {("KO", 4): 104.0}, adjusted=after)
    change = compare(old, new)
    assert change.restated.num_rows == 0
    assert change.rescaled == {"KO": pytest.approx(0.995, rel=1e-5)}
    bars, later = merged(old, EMPTY, change, moment=LATER)
    assert bars.slice(0, 4).equals(old)
    returns_new = after["KO", 4] / after["KO", 3]
    adjusted = bars["adj_close"].to_pylist()
    assert adjusted[4] / adjusted[3] == pytest.approx(returns_new, rel=1e-5)
    again = compare(newest(bars, later), new)
    assert (again.restated.num_rows, again.added.num_rows) == (0, 0)


def test_a_dividend_slipped_into_the_past_is_a_restatement() -> None:
    raw = {("KO", day): 100.0 for day in range(5)}
    after = {("KO", day): 95.0 if day < 2 else 100.0 for day in range(5)}
    change = compare(table(raw), table(raw, adjusted=after))
    assert keys(change.restated) == [("KO", 0), ("KO", 1)]
    assert set(change.restated["column"].to_pylist()) == {"adj_close"}


def test_nothing_in_common_compares_nothing() -> None:
    change = compare(table(days("AAPL", 0)), table(days("MSFT", 0)))
    assert (change.num_compared, change.share_restated, change.removed_symbols) == (0, 0.0, ("AAPL",))


def oracle(old: dict[Key, float], new: dict[Key, float]) -> dict[str, list[Key]]:
    """The same by looking at each bar by itself."""
    first_new = {s: min(d for t, d in new if t == s) for s, _ in new}
    span = {s: (min(d for t, d in old if t == s), max(d for t, d in old if t == s)) for s, _ in old}
    fresh = sorted(new.keys() - old.keys())
    late = [(s, d) for s, d in fresh if s in span and span[s][0] < d < span[s][1]]
    return {
        "added": [key for key in fresh if key not in late],
        "late": late,
        "revised": sorted(key for key in new.keys() & old.keys() if old[key] != new[key]),
        "removed": sorted((s, d) for s, d in old.keys() - new.keys() if s in first_new and d >= first_new[s]),
    }


_TABLES = st.dictionaries(
    st.tuples(st.sampled_from(["A", "B", "BRK.B"]), st.integers(0, 12)), st.sampled_from([10.0, 11.0]), min_size=1
)


@settings(deadline=None, derandomize=True)
@given(old=_TABLES, new=_TABLES)
def test_any_two_tables_compare_as_bar_by_bar(old: dict[Key, float], new: dict[Key, float]) -> None:
    one = dict.fromkeys([*old, *new], 1.0)
    before, after = table(old, adjusted=one), table(new, adjusted=one)
    change = compare(before, after)
    found = {name: keys(getattr(change, name)) for name in ("added", "late", "revised", "removed")}
    assert found == oracle(old, new)
    bars, later = merged(before, EMPTY, change, moment=LATER)
    again = compare(newest(bars, later), after)
    assert (again.added.num_rows, again.late.num_rows, again.revised.num_rows) == (0, 0, 0)
    kept = dict(zip(keys(bars), bars.to_pylist(), strict=True))
    assert all(kept[key]["close"] == close for key, close in old.items())


@pytest.mark.realdata
def test_real_candles_extended_by_a_year(shared_data: Path) -> None:
    new = read_bars(str(shared_data / "real_sample.parquet"), asof=datetime(2022, 1, 1, tzinfo=UTC)).table
    cut = np.datetime64("2020-04-21")
    old = new.filter(pa.array(new["timestamp"].to_numpy() <= cut))
    change = compare(old, new)
    assert change.added.num_rows == new.num_rows - old.num_rows == 30 * 252
    assert (change.restated.num_rows, change.removed.num_rows, change.rescaled) == (0, 0, {})
    assert merged(old, EMPTY, change, moment=LATER)[0].equals(new)


@pytest.mark.realdata
def test_a_year_of_real_dividends_rescales_and_restates_nothing(shared_data: Path) -> None:
    new = read_bars(str(shared_data / "real_sample.parquet"), asof=datetime(2022, 1, 1, tzinfo=UTC)).table
    frame = new.to_pandas()
    old = frame[frame["timestamp"] <= "2020-04-21"].copy()
    last = old.groupby("symbol").tail(1).set_index("symbol")
    old["adj_close"] *= old["symbol"].map(last["close"] / last["adj_close"])  # as a vendor showed it on that day
    before = pa.Table.from_pandas(old, schema=SCHEMA, preserve_index=False)
    change = compare(before, new)
    assert (change.restated.num_rows, change.removed.num_rows) == (0, 0)
    coke = pd.read_parquet(shared_data / "real_sample.parquet", filters=[("symbol", "=", "KO")])
    paid = (1 - coke["dividend"] / coke["close"].shift())[coke["date"] > "2020-04-21"]
    assert change.rescaled["KO"] == pytest.approx(paid.prod(), rel=1e-4)  # four dividends, 3.3 %
    assert "AMZN" not in change.rescaled  # which paid none
    bars = merged(before, EMPTY, change, moment=LATER)[0].to_pandas()
    ours = bars.groupby("symbol")["adj_close"].pct_change()
    np.testing.assert_allclose(ours, frame.groupby("symbol")["adj_close"].pct_change(), rtol=1e-9, atol=1e-12)
