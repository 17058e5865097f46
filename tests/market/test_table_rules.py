"""Tables that are no bars: what each rule finds, worked out by hand."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from quality_rows import sessions

from components.core.errors import DataError
from components.market.context_files import TONES
from components.market.option_chain import MAX_VOL, MIN_VOL, PARTIAL_SHARE, read_chain
from components.market.rules import RULES
from components.market.synthetic import MarketSpec
from components.market.synthetic_context import synthetic_context
from components.market.synthetic_options import option_chains
from components.market.table_catalogue import TABLE_RULES, unasked
from components.market.table_kinds import KINDS, kind_of
from components.market.table_quality import UNKNOWN, TableQuality, assess_table
from components.market.table_rules import yield_findings


def days(*texts: str) -> npt.NDArray[np.datetime64]:
    return np.array(texts, dtype="datetime64[ns]")


def assessed(**columns: Any) -> TableQuality:
    return assess_table(pa.table(columns), name="table")


def counts(found: TableQuality) -> dict[tuple[str, str], int]:
    return {(item.rule, item.column): item.count for item in found.findings}


def chain(num: int = 100, *texts: str) -> dict[str, npt.NDArray[Any]]:
    """Return a sound chain of ``num`` contracts on each of the days."""
    size = num * len(texts)
    return {
        "underlying": np.full(size, "AAPL"),
        "date": np.repeat(days(*texts), num),
        "expiration": np.full(size, np.datetime64("2026-01-16", "ns")),
        "type": np.full(size, "call"),
        "strike": np.tile(np.arange(1.0, num + 1), len(texts)),
        "bid": np.full(size, 1.0),
        "ask": np.full(size, 1.1),
        "implied_vol": np.full(size, 0.3),
        "underlying_price": np.full(size, 50.0),
    }


def test_a_zero_yield_is_missing_before_its_publication_and_true_after() -> None:
    found = yield_findings(
        pa.table({
            "date": days("2001-07-30", "2001-07-31", "2001-08-01"),
            "y_1m": [0.0, 0.0, 3.7],
            "y_10y": [5.0, 5.0, 0.0],
        })
    )  # fmt: skip
    assert [(item.rule, item.column, item.examples) for item in found] == [
        ("unpublished_yield", "y_1m", ("2001-07-30",)),
        ("zero_yield", "y_1m", ("2001-07-31",)),
        ("zero_yield", "y_10y", ("2001-08-01",)),
    ]


def test_each_row_counts_once_by_the_worst_that_touches_it() -> None:
    found = assessed(
        date=days("2001-07-27", "2001-07-30", "2001-07-31", "2001-08-01"),
        y_1m=[0.0, 0.0, 3.7, 3.7],
        y_2y=[0.0, 4.0, 0.0, np.nan],
        y_10y=[5.0, 5.0, 5.0, 5.0],
    )
    assert counts(found) == {
        ("unpublished_yield", "y_1m"): 2, ("missing_value", "y_2y"): 1, ("zero_yield", "y_2y"): 2
    }  # fmt: skip
    assert (found.rows, found.clean, found.worst) == (4, 0, {"error": 2, "warning": 1, "note": 1})
    assert found.span == ("2001-07-27", "2001-08-01")


def test_a_day_that_is_none_and_one_that_is_there_twice_are_named() -> None:
    found = assessed(date=["2024-01-01", "2024-01-02", None, "2024-01-02", "May"], news_sentiment=[0.1] * 5)
    assert counts(found) == {("bad_time", "date"): 2, ("repeated_key", "date"): 1}
    assert [item.rows.tolist() for item in found.findings] == [[2, 4], [3]]
    assert found.clean == 2


def test_a_table_without_a_single_day_has_no_clean_row() -> None:
    found = assessed(date=["?", "?"], news_sentiment=[0.1, 0.2])
    assert (counts(found), found.clean) == ({("bad_time", "date"): 2}, 0)


def test_a_chain_of_a_holiday_is_named_and_so_is_a_half_one() -> None:
    table = chain(100, "2025-11-25", "2025-11-26", "2025-11-27", "2025-11-28")
    kept = np.arange(400) < 300 + 69  # 69 of 100 on the last day
    found = assessed(**{name: values[kept] for name, values in table.items()})
    assert counts(found) == {("not_a_session", "date"): 1, ("partial_snapshot", "date"): 1}
    assert [len(item.rows) for item in found.findings] == [100, 69]
    assert found.findings[1].examples == ("AAPL 2025-11-28",)


def test_bad_quotes_are_told_by_what_is_wrong_with_them() -> None:
    table = chain(100, "2025-11-25")
    table["bid"][[0, 1]] = 0.0, 2.0
    table["ask"][[0]] = 0.0
    table["implied_vol"][[2, 3, 4, 5, 6]] = MIN_VOL / 2, MAX_VOL * 1.1, np.nan, MIN_VOL, MAX_VOL
    table["strike"][7] = np.nan
    table["expiration"][8] = np.datetime64("2025-11-24", "ns")
    table["strike"][99] = 99.0
    found = assessed(**table)
    assert counts(found) == {
        ("repeated_key", "underlying"): 1, ("bad_contract", "strike"): 1, ("expired", "expiration"): 1,
        ("crossed", "bid"): 1, ("implied_vol_too_low", "implied_vol"): 1, ("implied_vol_too_high", "implied_vol"): 1,
        ("no_implied_vol", "implied_vol"): 1, ("no_bid", "bid"): 1, ("no_ask", "ask"): 1,
    }  # fmt: skip
    assert found.clean == 100 - 8  # the contract without a bid has no ask either


def test_the_rows_are_those_of_the_table_whatever_its_order() -> None:
    table = chain(60, "2025-12-01")
    table["bid"][[3, 50]] = 2.0, 0.0
    shuffled = np.random.default_rng(0).permutation(60)
    found = assessed(**{name: values[shuffled] for name, values in table.items()})
    told = {item.rule: shuffled[item.rows].tolist() for item in found.findings}
    assert told == {"crossed": [3], "no_bid": [50]}


def test_the_report_marks_what_the_features_leave_out() -> None:
    size = round(100 * PARTIAL_SHARE)
    table = {
        name: values[: 200 + size - 1] for name, values in chain(100, *[f"2025-12-0{day}" for day in (1, 2, 3)]).items()
    }
    table["bid"][:7] = 0.0
    table["implied_vol"][5:9] = 9.0
    excluded = read_chain(pa.table(table), file="table").excluded
    found = {item.rule: len(item.rows) for item in assessed(**table).findings}
    reasons = {name: sum(excluded[name].to_pylist()) for name in excluded.column_names[3:]}
    assert found == {name: count for name, count in reasons.items() if count and name not in unasked(table)}
    assert found["partial_snapshot"] == size - 1


def test_absent_and_narrow_snapshots_are_named() -> None:
    one, other = chain(60, "2025-12-01", "2025-12-02"), chain(49, "2025-12-01")
    other["underlying"] = np.full(49, "MSFT")
    found = assessed(**{name: np.concatenate([one[name], other[name]]) for name in one})
    assert counts(found) == {("absent_snapshot", "date"): 1, ("narrow_chain", "date"): 1}
    assert [item.examples for item in found.findings] == [("MSFT 2025-12-02",), ("MSFT 2025-12-01",)]


def test_a_capture_after_midnight_is_later_than_its_date() -> None:
    table = chain(50, "2025-12-01")
    table["timestamp"] = np.full(50, np.datetime64("2025-12-02T00:19", "ns"))
    found = assessed(**table)
    assert counts(found) == {("late_capture", "timestamp"): 50}


def test_spans_that_overlap_end_early_or_return_are_told_apart() -> None:
    found = assessed(
        symbol=["A", "A", "B", "B", "C", "D", "D"],
        start_date=days(
            "1996-01-02", "2001-01-02", "1996-01-02", "1999-01-04", "2005-01-03", "2006-01-03", "2007-01-03"
        ),
        end_date=days("2000-01-03", "NaT", "1999-06-01", "NaT", "2004-01-02", "NaT", "NaT"),
    )
    told = {item.rule: item.rows.tolist() for item in found.findings}
    assert told == {"bad_span": [3, 4, 6], "returned_symbol": [1, 3, 6], "cut_start": [0, 2]}


def test_actions_that_are_none_and_rounded_splits_are_told_apart() -> None:
    found = assessed(
        symbol=["A"] * 6,
        date=days(*(f"2024-01-0{day}" for day in range(1, 7))),
        type=["split", "split", "split", "dividend", "spin-off", "dividend"],
        value=[2.0, 1.499999, 1.0, 0.0, 5.0, 0.3],
    )
    assert {item.rule: item.rows.tolist() for item in found.findings} == {
        "bad_action": [2, 3, 4], "rounded_split": [1]
    }  # fmt: skip


def test_lists_are_counted_apart() -> None:
    found = assessed(
        list=["old", "old", "new", "new"],
        symbol=["A", "B", "A", "C"],
        name=["a", "b", "a", "c"],
        sector=["Energy", "Energy", "Oil", "Utilities"],
        cik=pa.array([None, None, 1, 2], pa.int64()),
        founded=[None, None, "1999", "2013 (1888)"],
    )
    assert counts(found) == {
        ("unknown_sector", "sector"): 1, ("no_identifier", "cik"): 2, ("free_text", "founded"): 1,
        ("in_two_lists", "symbol"): 1,
    }  # fmt: skip


def test_closes_without_a_range_are_not_called_flat() -> None:
    dates = sessions("2024-01-02", "2024-12-31")
    dates = np.sort(np.append(dates, np.datetime64("2024-03-29")))
    found = assessed(symbol=["SPY"] * len(dates), date=dates, close=100 + np.sin(np.arange(len(dates))))
    assert found.kind == "closes"
    assert found.count("flat_bar") == 0
    assert found.count("off_calendar") == 1  # Good Friday
    assert "Nothing traded" not in found.absent
    assert counts(assessed(symbol=["SPY"] * 2, date=dates[:2], close=[100.0, -1.0])) == {
        ("bad_price", "close"): 1, ("short_history", "time"): 1
    }  # fmt: skip


def test_an_unknown_or_ambiguous_kind_is_said_and_nothing_is_asked() -> None:
    for columns in (("date", "price"), ("date", "news_sentiment", *TONES)):
        found = assessed(**{name: [1.0] for name in columns})
        assert (found.kind, found.clean, found.findings) == (UNKNOWN, 0, ())


def test_a_column_of_texts_where_numbers_belong_is_refused() -> None:
    with pytest.raises(DataError, match=r"news_sentiment.*holds string, not numbers"):
        assessed(date=["2024-01-02"], news_sentiment=["high"])


def test_a_day_that_is_text_is_refused_and_an_empty_column_of_any_type_is_named() -> None:
    with pytest.raises(DataError, match=r"end_date.*holds string that is no day"):
        assessed(symbol=["A"], start_date=["2024-01-02"], end_date=["soon"])
    open_spans = assessed(symbol=["A"], start_date=["2024-01-02"], end_date=[None])
    assert (open_spans.clean, open_spans.findings) == (1, ())
    assert counts(assessed(date=["2024-01-02"], news_sentiment=[None])) == {("empty_column", "news_sentiment"): 1}


def test_the_days_of_a_symbol_count_from_its_first_to_its_last() -> None:
    dates = days("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-02", "2024-01-04")
    found = assessed(symbol=["A"] * 4 + ["B"] * 2, date=dates, implied_vol=[0.2] * 6)
    assert [item.examples for item in found.findings] == [("B 2024-01-03",)]


def test_the_tables_of_a_synthetic_market_keep_its_calendar() -> None:
    spec = MarketSpec(symbols=1, days=300)
    tables = synthetic_context(spec) | {"chains": option_chains(spec, days=40)}
    found = {name: assess_table(table, name=name, market="24/5") for name, table in tables.items()}
    assert {item.kind for item in found.values()} == {"closes", "treasury yields", "news tone", "option chain"}
    assert not any(item.worst["error"] for item in found.values())
    assert assess_table(tables["chains"], name="chains").count("not_a_session") == 2  # Thanksgiving and Christmas


def test_every_kind_is_told_by_its_own_columns_and_asks_known_rules() -> None:
    for kind in KINDS:
        assert kind_of(kind.columns) is kind
        assert set(kind.rules) <= TABLE_RULES.keys() | RULES.keys()
        assert len(set(kind.rules)) == len(kind.rules)
    asked = {rule for kind in KINDS for rule in kind.rules}
    assert asked >= TABLE_RULES.keys()
