"""Option chains: what is put aside is counted by its reason, and what is left lies in order."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import DataError
from components.market.option_chain import CALL, PUT, Chain, read_chain

DAY = pd.Timestamp("2024-03-01")


def contract(**changed: Any) -> dict[str, Any]:
    usual = {
        "date": DAY,
        "underlying": "AAA",
        "expiration": DAY + pd.Timedelta(days=30),
        "type": "call",
        "strike": 100.0,
        "bid": 1.0,
        "ask": 1.2,
        "volume": 5.0,
        "open_interest": 7.0,
        "implied_vol": 0.3,
        "underlying_price": 101.0,
    }
    return usual | changed


def chain(rows: list[dict[str, Any]], **given: Any) -> Chain:
    return read_chain(pa.Table.from_pandas(pd.DataFrame(rows)), file="test", **given)


def reasons(found: Chain) -> dict[str, int]:
    frame = found.excluded.to_pandas().drop(columns=["underlying", "date", "rows"]).sum()
    return {name: int(number) for name, number in frame.items() if number}


def test_contracts_are_sorted_and_calls_stand_beside_puts() -> None:
    later = DAY + pd.Timedelta(days=60)
    found = chain(
        [
            contract(underlying="BBB", strike=50.0),
            contract(expiration=later, type="put"),
            contract(strike=110.0, bid=0.5),
            contract(type="put", bid=2.0, ask=2.5),
            contract(),
        ]
    )
    assert found.symbol.tolist() == ["AAA", "BBB"]
    assert found.days.tolist() == [30, 60, 30]
    assert found.snapshot.tolist() == [0, 0, 1]
    assert found.slice.tolist() == [0, 0, 1, 2]
    assert found.strike.tolist() == [100, 110, 100, 50]
    np.testing.assert_array_equal(found.bid, [[1, 2], [0.5, np.nan], [np.nan, 1], [1, np.nan]])
    assert found.priced.tolist() == [[True, True], [True, False], [False, True], [True, False]]
    assert reasons(found) == {}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"bid": 0.0}, {"no_bid": 1}),
        ({"bid": np.nan}, {"no_bid": 1}),
        ({"ask": 0.0}, {"no_ask": 1}),
        ({"bid": 1.3}, {"crossed": 1}),
        ({"implied_vol": 0.00001}, {"implied_vol_too_low": 1}),
        ({"implied_vol": 3.5}, {"implied_vol_too_high": 1}),
        ({"implied_vol": np.nan}, {"no_implied_vol": 1}),
    ],
)
def test_a_bad_quote_goes_and_its_contract_stays(changed: dict[str, float], expected: dict[str, int]) -> None:
    found = chain([contract(), contract(type="put", **changed)])
    assert reasons(found) == expected
    assert np.isnan(found.vol[0, PUT])
    assert found.vol[0, CALL] == 0.3
    assert found.open_interest[0, PUT] == 7
    quote_is_usable = "implied_vol" in changed
    assert np.isfinite(found.bid[0, PUT]) == quote_is_usable
    assert found.unbid[0, PUT] == ("no_bid" in expected)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"strike": 0.0}, "bad_contract"),
        ({"strike": np.nan}, "bad_contract"),
        ({"type": "straddle"}, "bad_contract"),
        ({"underlying_price": np.nan, "underlying": "CCC"}, "bad_contract"),
        ({"underlying": None}, "bad_contract"),
        ({"date": pd.NaT}, "bad_contract"),
        ({"expiration": DAY - pd.Timedelta(days=1)}, "expired"),
        ({"bid": 0.9}, "duplicate"),
    ],
)
def test_a_row_that_is_no_contract_goes(changed: dict[str, Any], reason: str) -> None:
    found = chain([contract(), contract(**changed)])
    assert reasons(found)[reason] == 1
    assert len(found.strike) == 1
    assert found.bid[0, CALL] == 1.0


def test_the_expiration_day_itself_is_no_reason_to_go() -> None:
    found = chain([contract(expiration=DAY)])
    assert found.days.tolist() == [0]


def test_a_volume_from_an_earlier_day_is_not_todays() -> None:
    today = pd.Timestamp("2024-03-01 19:00", tz="UTC")
    rows = [contract(last_trade_time=today), contract(type="put", last_trade_time=today - pd.Timedelta(days=2))]
    found = chain(rows)
    assert found.volume[0, CALL] == 5
    assert np.isnan(found.volume[0, PUT])
    assert reasons(found) == {"stale_volume": 1}


def snapshots(*contracts_per_day: int) -> list[dict[str, Any]]:
    return [
        contract(
            date=DAY + pd.Timedelta(days=day), strike=100.0 + number, open_interest=5.0 + day, underlying_price=90.0
        )
        for day, contracts in enumerate(contracts_per_day)
        for number in range(contracts)
    ]


def test_a_snapshot_with_too_few_contracts_loses_its_sums_and_keeps_its_quotes() -> None:
    found = chain(snapshots(10, 7, 6, 10))
    assert reasons(found) == {"partial_snapshot": 6}
    whole = np.isfinite(found.open_interest[:, CALL])
    assert whole.tolist() == [True] * 17 + [False] * 6 + [True] * 10
    assert np.isfinite(found.bid[:, CALL]).all()


def test_a_market_that_stays_smaller_is_whole_again_after_five_snapshots() -> None:
    found = chain(snapshots(10, 5, 5, 5, 5, 5, 5))
    partial = found.excluded["partial_snapshot"].to_pylist()
    assert partial == [0, 5, 5, 5, 5, 5, 0]


def test_a_snapshot_that_repeats_the_day_before_goes_whole() -> None:
    rows = [contract(date=DAY + pd.Timedelta(days=day), type=kind) for day in range(2) for kind in ("call", "put")]
    found = chain(rows)
    assert found.date.tolist() == [DAY.date()]
    assert reasons(found) == {"repeated_snapshot": 2}
    moved = rows[:2] + [{**row, "open_interest": 8.0} for row in rows[2:]]
    assert len(chain(moved).date) == 2


def test_the_calendar_names_the_days_that_count() -> None:
    rows = [contract(date=DAY + pd.Timedelta(days=day), open_interest=5.0 + day) for day in range(3)]
    sessions = np.array(["2024-03-01", "2024-03-03"], dtype="datetime64[D]")
    found = chain(rows, sessions=sessions)
    assert found.date.tolist() == [DAY.date(), pd.Timestamp("2024-03-03").date()]
    assert reasons(found) == {"not_a_session": 1}


def test_a_table_without_strikes_or_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="no column strike"):
        read_chain(pa.Table.from_pandas(pd.DataFrame([contract()])).drop_columns(["strike"]), file="x.parquet")
    with pytest.raises(DataError, match="none of 1 rows"):
        chain([contract(strike=-1.0)])


@pytest.mark.realdata
def test_every_quirk_of_the_2025_chains_is_counted_as_documented(shared_data: Path) -> None:
    found = read_chain(pq.read_table(shared_data / "options_chain_2025.parquet"), file="options_chain_2025.parquet")
    documented = {  # ../shared/data/README.md
        "no_volume": 3595,
        "no_bid": 10_811,
        "implied_vol_too_low": 3156,
        "implied_vol_too_high": 841,
        "crossed": 48,
    }
    counted = reasons(found)
    assert {name: counted[name] for name in documented} == documented
    by_day = found.excluded.to_pandas().groupby("date")[["rows", "repeated_snapshot", "partial_snapshot"]].sum()
    holiday, half = pd.Timestamp("2025-11-27"), pd.Timestamp("2025-11-28")
    by_day.index = pd.to_datetime(by_day.index)
    assert by_day.index[by_day["repeated_snapshot"] > 0].tolist() == [holiday]
    assert by_day.loc[holiday, "repeated_snapshot"] == by_day.loc[holiday, "rows"]
    assert by_day.index[by_day["partial_snapshot"] > 0].tolist() == [half]
    assert by_day.loc[half, "partial_snapshot"] == by_day.loc[half, "rows"]
    assert {name for name in counted if name not in documented} == {
        "no_ask",
        "repeated_snapshot",
        "partial_snapshot",
        "stale_volume",
    }


@pytest.mark.realdata
def test_unquoted_contracts_of_the_ladder_are_counted(shared_data: Path) -> None:
    found = read_chain(pq.read_table(shared_data / "options_ladder_2026.parquet"), file="options_ladder_2026.parquet")
    assert reasons(found) == {
        "no_bid": 21_426,
        "no_implied_vol": 50_130,
        "no_volume": 124_656,
        "no_open_interest": 124_656,
    }
