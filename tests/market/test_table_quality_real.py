"""Every documented quirk of the real files that are no bars is found and counted; clean rows pass."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.market.option_chain import marked
from components.market.table_quality import TableQuality, assess_table
from components.market.table_rules import absent_days

pytestmark = pytest.mark.realdata

EXPECTED: dict[str, tuple[str, int, dict[tuple[str, str], int]]] = {
    "treasury_yields_daily": (
        "treasury yields", 3_843, {
            ("unpublished_yield", "y_1m"): 2_899,  # with the next: 2,991 zeros
            ("zero_yield", "y_1m"): 92,
            ("zero_yield", "y_3m"): 21,
            ("unpublished_yield", "y_20y"): 939,
            ("unpublished_yield", "y_30y"): 994,
            ("absent_day", "date"): 66,  # seven of them since 2017
        },
    ),
    "news_tone_daily": (
        "news tone", 1_569,
        {("absent_day", "date"): 3, ("empty_column", "market_vol"): 1, ("empty_column", "fed_vol"): 1},
    ),
    "news_sentiment_daily": ("news sentiment", 15_068, {("absent_day", "date"): 19}),  # documented: every day
    "options_chain_2025": (
        "option chain", 38_945, {
            ("not_a_session", "date"): 6,  # 2025-11-27, all six underlyings
            ("partial_snapshot", "date"): 6,  # 2025-11-28
            ("crossed", "bid"): 48,
            ("implied_vol_too_low", "implied_vol"): 3_156,
            ("implied_vol_too_high", "implied_vol"): 841,
            ("no_bid", "bid"): 10_811,
            ("no_ask", "ask"): 457,
            ("no_volume", "volume"): 3_595,
            ("stale_volume", "volume"): 59_898,
        },
    ),
    "options_top20_spy_2021": ("option chain", 0, {("narrow_chain", "date"): 167}),
    "options_ladder_2026": (
        "option chain", 56_424, {
            ("absent_snapshot", "date"): 7,  # documented: six names
            ("no_implied_vol", "implied_vol"): 50_130,
            ("no_bid", "bid"): 21_426,
            ("late_capture", "timestamp"): 27_950,
        },
    ),
    "spx_option_features_daily": ("option totals", 977, {("empty_totals", "total_open_interest"): 2}),
    "implied_vol_daily": ("implied volatility", 56_880, {}),
    "index_membership": (
        "index membership", 694,
        {("returned_symbol", "symbol"): 49, ("cut_start", "start_date"): 487},  # 48 symbols, COV twice
    ),
    "constituents": (
        "constituents", 464,
        {("no_identifier", "cik"): 505, ("free_text", "founded"): 39, ("in_two_lists", "symbol"): 408},
    ),
    "corporate_actions": ("corporate actions", 28_169, {("rounded_split", "value"): 33}),
    "volatility_index_daily": (
        "closes", 10_227, {
            ("outside_range", "open"): 48,  # VIX 47, VIX3M 1; none by its close
            ("missing_session", "time"): 4,
            ("off_calendar", "time"): 1,
            ("large_move", "close"): 22,
            ("starts_late", "time"): 1,
            ("flat_bar", "close"): 506,
        },
    ),
    "etf_adjusted_daily": (
        "closes", 67_275, {
            ("missing_session", "time"): 1,  # IEF 2011-02-17
            ("zero_volume", "volume"): 1,
            ("starts_late", "time"): 3,
            ("flat_bar", "close"): 7,
            ("fractional_volume", "volume"): 3_599,
        },
    ),
}  # fmt: skip
"""Kind, rows that no rule touches, and the count of every rule that is broken."""


@pytest.fixture(scope="module")
def judge(shared_data: Path) -> Callable[[str], TableQuality]:
    """Return a function that assesses a file, each file once."""
    known: dict[str, TableQuality] = {}

    def judged(name: str) -> TableQuality:
        if name not in known:
            known[name] = assess_table(pq.read_table(shared_data / f"{name}.parquet"), name=name)
        return known[name]

    return judged


@pytest.mark.parametrize("name", EXPECTED)
def test_every_quirk_and_every_clean_row_of_a_file_is_counted(judge: Callable[[str], TableQuality], name: str) -> None:
    kind, clean, quirks = EXPECTED[name]
    found = judge(name)
    assert (found.kind, found.clean) == (kind, clean)
    assert {(item.rule, item.column): item.count for item in found.findings} == quirks
    assert found.clean + sum(found.worst.values()) == found.rows
    assert found.facts()["clean"] == clean


def named(found: TableQuality, rule: str) -> tuple[str, ...]:
    return next(item.examples for item in found.findings if item.rule == rule)


def test_the_named_places_are_the_ones_found(judge: Callable[[str], TableQuality], shared_data: Path) -> None:
    assert named(judge("news_tone_daily"), "absent_day") == ("2017-12-01", "2017-12-02", "2020-10-20")
    assert named(judge("spx_option_features_daily"), "empty_totals") == ("2018-12-19", "2018-12-24")
    assert named(judge("options_chain_2025"), "not_a_session")[0] == "AAPL 2025-11-27"
    assert named(judge("options_chain_2025"), "partial_snapshot")[0] == "AAPL 2025-11-28"
    assert named(judge("options_ladder_2026"), "absent_snapshot")[0] == "AMGN 2026-04-13"
    yields = pq.read_table(shared_data / "treasury_yields_daily.parquet")
    recent = yields.filter(yields["date"].to_numpy() >= np.datetime64("2017-01-01"))
    assert absent_days(recent, "XNYS")[0].count == 7


def test_the_snapshot_of_the_holiday_is_left_out_with_and_without_a_calendar(
    judge: Callable[[str], TableQuality], shared_data: Path
) -> None:
    chain = pq.read_table(shared_data / "options_chain_2025.parquet")
    [holiday] = [item.rows for item in judge("options_chain_2025").findings if item.rule == "not_a_session"]
    assert np.array_equal(np.flatnonzero(marked(chain, file="chain")["repeated_snapshot"]), holiday)
