"""The quality gate: each planted fault is found and counted, and a quiet market is left alone."""

from dataclasses import replace

import numpy as np
import pytest
from quality_rows import ASOF, Times, chosen, minutes, planted, rows, scaled, sessions

from components.market.calendars import calendar, detected
from components.market.checks import Rows
from components.market.quality import Assessment, assess
from components.market.readers import read_rows
from components.market.rules import RULES

YEAR = sessions("2023-01-03", "2023-12-29")  # 250 sessions


@pytest.fixture
def two() -> Rows:
    return rows({"AAA": YEAR, "BBB": YEAR})


def judged(*parts: Rows) -> Assessment:
    return assess(parts, asof=ASOF)


def only(found: Assessment, rule: str) -> tuple[str, str, int | None]:
    """Return symbol, time and row of the one finding of the one rule that is broken."""
    assert list(found.counts()) == [rule]
    [finding] = found.findings()
    assert finding.remedy == RULES[rule].remedy
    return finding.symbol, finding.time, finding.row


def test_a_quiet_market_scores_1_and_nothing_is_set_aside(two: Rows) -> None:
    found = judged(two)
    assert (found.score, found.counts(), found.calendar) == (1.0, {}, "XNYS")
    assert not found.rows_set_aside.any()
    assert [(item.symbol, item.score, item.num_rows) for item in found.symbols] == [
        ("AAA", 1.0, 250),
        ("BBB", 1.0, 250),
    ]


def test_the_synthetic_market_is_clean() -> None:
    found = assess(read_rows("synthetic://planted?symbols=4&days=900"), asof=ASOF)
    assert (found.score, found.counts()) == (1.0, {})


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"close": np.nan}, "bad_price"),
        ({"low": 0.0}, "bad_price"),
        ({"volume": -1.0}, "bad_volume"),
        ({"high": 1.0, "low": 2.0}, "high_below_low"),
        ({"high": 100.0, "open": 101.0}, "outside_range"),
        ({"volume": 0.0}, "zero_volume"),
    ],
)
def test_one_faulty_row_is_found_and_costs_one_row_of_score(two: Rows, values: dict[str, float], rule: str) -> None:
    found = judged(planted(two, 300, **values))
    symbol, time, row = only(found, rule)
    assert (symbol, time, row) == ("BBB", str(YEAR[50])[:10], 301)
    assert found.score == pytest.approx(499 / 500)
    assert found.symbols[1].score == pytest.approx(249 / 250)
    assert found.rows_set_aside.sum() == (RULES[rule].scope == "row")


def test_equal_rows_are_counted_and_contradicting_ones_are_all_set_aside(two: Rows) -> None:
    again = np.concatenate([np.arange(500), [10, 10, 400]])
    double = planted(chosen(two, again), 502, volume=5.0)
    found = judged(double)
    assert found.counts() == {"conflict": 2, "duplicate": 2}
    assert np.flatnonzero(found.rows_set_aside).tolist() == [400, 500, 501, 502]
    assert found.symbols[0].score == 1.0
    assert found.symbols[1].score == pytest.approx(249 / 251)  # a duplicate is no expected row, a contradiction is


def test_a_broken_copy_does_not_condemn_the_sound_row(two: Rows) -> None:
    broken = planted(chosen(two, np.concatenate([np.arange(500), [10]])), 500, close=np.nan)
    found = judged(broken)
    assert found.counts() == {"bad_price": 1}
    assert np.flatnonzero(found.rows_set_aside).tolist() == [500]


def test_a_missing_session_is_named_and_a_holiday_is_not_missed(two: Rows) -> None:
    assert np.datetime64("2023-07-04", "us") not in YEAR
    found = judged(chosen(two, np.delete(np.arange(500), [100, 101])))
    assert found.counts() == {"missing_session": 2}
    names = [(item.symbol, item.time, item.row) for item in found.findings()]
    assert names == [("AAA", str(day)[:10], None) for day in YEAR[100:102]]
    assert found.symbols[0].num_lacking == 2
    assert found.score == pytest.approx(498 / 500)


def test_a_bar_on_a_closed_day_is_named() -> None:
    days = np.sort(np.append(YEAR, np.datetime64("2023-07-04", "us")))
    assert only(judged(rows({"AAA": days})), "off_calendar")[:2] == ("AAA", "2023-07-04")


def test_a_series_that_ends_early_or_starts_late_is_named() -> None:
    found = judged(rows({"AAA": YEAR[:-3], "BBB": YEAR, "CCC": YEAR[80:]}))
    assert found.counts() == {"ends_early": 1, "starts_late": 1}
    assert [(item.symbol, item.time) for item in found.findings()] == [
        ("AAA", str(YEAR[-4])[:10]),
        ("CCC", str(YEAR[80])[:10]),
    ]


@pytest.mark.promise("S0-52")
def test_a_symbol_of_59_days_is_set_aside_and_one_of_60_is_not() -> None:
    found = judged(rows({"AAA": YEAR, "BBB": YEAR[-59:], "CCC": YEAR[-60:]}))
    assert found.count("short_history") == 1
    assert {item.symbol: item.set_aside for item in found.symbols} == {
        "AAA": (),
        "BBB": ("short_history",),
        "CCC": (),
    }
    assert found.rows_set_aside.sum() == 59


def test_a_price_that_leaps_and_comes_back_is_a_bad_tick(two: Rows) -> None:
    assert only(judged(scaled(two, slice(120, 121), 1.3)), "bad_tick") == ("AAA", str(YEAR[120])[:10], 121)


def test_a_wild_day_that_half_recovers_is_a_move_and_no_tick(two: Rows) -> None:
    crash = scaled(two, slice(120, 250), 0.55)
    crash = scaled(crash, slice(121, 250), 1.3)
    found = judged(planted(crash, 120, high=float(two.numbers["high"][119])))  # it fell during the day
    assert found.counts() == {"large_move": 1}


@pytest.mark.parametrize("factor", [1 / 2, 1 / 4, 10.0])
def test_an_unbooked_split_sets_the_symbol_aside(two: Rows, factor: float) -> None:
    found = judged(scaled(two, slice(120, 250), factor))
    assert found.counts() == {"unadjusted_split": 1, "large_move": 1}
    assert [item.set_aside for item in found.symbols] == [("unadjusted_split",), ()]
    assert found.rows_set_aside.sum() == 250
    assert found.score == pytest.approx(250 / 500)


def booked(two: Rows, factor: float, *, seen: float) -> Rows:
    """Return a split of AAA booked on its bar 120 as ``factor``, while the price moved by 1 / ``seen``."""
    split, none = np.ones(500), np.zeros(500)
    split[120] = factor
    with_events = replace(two, events={"split_factor": split, "dividend": none})
    traded = scaled(with_events, slice(120, 250), 1 / seen, but=("volume", "adj_close"))
    return scaled(traded, slice(120, 250), factor / seen, but=("volume", "open", "high", "low", "close"))


def test_a_booked_split_explains_its_move_and_costs_nothing(two: Rows) -> None:
    found = judged(booked(two, 2.0, seen=2.0))
    assert (found.counts(), found.score) == ({"move_on_split": 1}, 1.0)


def test_a_split_of_three_booked_as_one_of_two_sets_the_symbol_aside(two: Rows) -> None:
    found = judged(booked(two, 2.0, seen=3.0))
    assert {"wrong_split", "move_on_split"} <= found.counts().keys()
    assert found.symbols[0].set_aside == ("wrong_split",)


def test_a_vendors_rounding_of_a_split_is_a_note(two: Rows) -> None:
    assert judged(booked(two, 7.000007, seen=7.0)).counts() == {"move_on_split": 1, "rounded_split": 1}


def test_a_spin_off_booked_as_a_dividend_explains_its_move(two: Rows) -> None:
    dividend = np.zeros(500)
    close = two.numbers["close"]
    dividend[120] = close[119] * 0.5
    spun = replace(two, events={"dividend": dividend, "split_factor": np.ones(500)})
    spun = scaled(spun, slice(120, 250), 0.5, but=("volume", "adj_close"))
    assert judged(spun).counts() == {"move_on_dividend": 1}


@pytest.mark.parametrize(("error", "rule"), [(1.02, "adjustment_gap"), (1.08, "adjustment_break")])
def test_an_adjusted_close_that_follows_from_nothing_is_named(two: Rows, error: float, rule: str) -> None:
    events = {"dividend": np.zeros(500), "split_factor": np.ones(500)}
    off = scaled(replace(two, events=events), slice(120, 250), error, but=("volume", "open", "high", "low", "close"))
    assert only(judged(off), rule) == ("AAA", str(YEAR[120])[:10], 121)


def test_a_ticker_that_comes_back_at_another_price_is_reused(two: Rows) -> None:
    gone = chosen(scaled(two, slice(150, 250), 3.7), np.delete(np.arange(500), np.arange(100, 150)))
    found = judged(gone)
    assert found.count("ticker_reuse") == 1
    assert found.symbols[0].set_aside == ("ticker_reuse",)
    back = chosen(two, np.delete(np.arange(500), np.arange(100, 150)))
    assert judged(back).count("ticker_reuse") == 0  # the same company after a halt


def test_a_bar_that_repeats_ten_times_is_stale_and_nine_times_is_not(two: Rows) -> None:
    def held(num: int) -> Rows:
        numbers = {name: column.copy() for name, column in two.numbers.items()}
        for column in numbers.values():
            column[100 : 100 + num] = column[100]
        return replace(two, numbers=numbers)

    assert judged(held(9)).counts() == {}
    assert judged(held(10)).counts() == {"stale_run": 10}


def days_of_minutes(*days: tuple[str, int]) -> Times:
    return np.concatenate([minutes(day, num) for day, num in days])


def test_a_partial_day_lacks_its_bars_and_an_early_close_is_whole() -> None:
    # 24 December 2019 closed at 13:00 in New York: 210 minutes of 390
    times = days_of_minutes(("2019-12-20", 390), ("2019-12-23", 200), ("2019-12-24", 210), ("2019-12-26", 390))
    found = judged(rows({"SPY": times}, is_session=False))
    assert found.calendar == "XNYS"
    assert only(found, "partial_day")[1] == "2019-12-23T14:30:00"
    assert found.symbols[0].num_lacking == 190  # the median day has 390
    assert found.score == pytest.approx(1189 / 1380)  # the day's first bar carries the warning


def test_an_intraday_print_far_from_its_bar_is_named() -> None:
    times = days_of_minutes(("2019-12-20", 390))
    clean = rows({"SPY": times}, is_session=False)
    assert only(judged(planted(clean, 50, high=70.0)), "stray_extreme")[2] == 51


@pytest.mark.parametrize(
    ("times", "is_session", "name"),
    [
        (YEAR, True, "XNYS"),
        (np.arange("2023-01-02", "2023-12-30", dtype="datetime64[D]").astype("datetime64[us]"), True, "24/7"),
        (np.busday_offset("2023-01-02", np.arange(250)).astype("datetime64[us]"), True, "24/5"),
        (np.arange("2023-01-02", "2023-12-30", 7, dtype="datetime64[D]").astype("datetime64[us]"), True, "data"),
        (np.arange("2023-01-02T00", "2023-03-01T00", dtype="datetime64[h]").astype("datetime64[us]"), False, "24/7"),
        (YEAR[:0], True, "data"),
    ],
)
def test_the_calendar_is_the_one_that_the_days_keep(times: Times, is_session: bool, name: str) -> None:
    assert detected(times, is_session=is_session) == name


def test_the_calendar_can_be_named_instead() -> None:
    weekly = rows({"AAA": YEAR[::5]})
    assert assess([weekly], asof=ASOF).count("missing_session") == 0
    assert assess([weekly], asof=ASOF, calendar_name="XNYS").count("missing_session") == 4 * 49


def test_a_session_that_closes_early_counts_for_less() -> None:
    book = calendar("XNYS", np.array(["2019-12-23", "2019-12-26"], dtype="datetime64[D]"))
    assert book.days.astype(str).tolist() == ["2019-12-23", "2019-12-24", "2019-12-26"]
    np.testing.assert_allclose(book.open_share, [1, 210 / 390, 1])


def test_files_of_a_folder_are_judged_as_one_dataset(two: Rows) -> None:
    parts = [replace(rows({name: YEAR}, seed=seed), file=f"{name}.csv") for seed, name in enumerate(("BBB", "AAA"))]
    found = judged(planted(parts[0], 7, close=np.nan), planted(parts[1], 9, volume=-1))
    assert [(item.file, item.symbol, item.row) for item in found.findings()] == [
        ("BBB.csv", "BBB", 8),
        ("AAA.csv", "AAA", 10),
    ]
    assert [item.symbol for item in found.symbols] == ["AAA", "BBB"]
