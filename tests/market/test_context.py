"""The context says what was known: each value from its own time on, and nothing earlier."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.core.errors import DataError
from components.market.columns import CONTEXT
from components.market.context import FUNDS, FUNDS_FILE, TONE_FILE, YIELDS_FILE, context_table
from components.market.context_files import TONES, read_yields

DAYS = pd.bdate_range("2019-01-01", "2019-06-28").drop(pd.Timestamp("2019-05-27"))
FIRST, LAST = date(2019, 1, 1), date(2019, 12, 31)


def write(folder: Path, funds: pd.DataFrame, yields: pd.DataFrame, tone: pd.DataFrame) -> Path:
    folder.mkdir(exist_ok=True)
    for frame, name in ((funds, FUNDS_FILE), (yields, YIELDS_FILE), (tone, TONE_FILE)):
        frame.to_parquet(folder / name)
    return folder


def sources(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    funds = pd.concat(
        pd.DataFrame(
            {"symbol": name, "date": DAYS, "close": 100 * np.cumprod(1 + 0.01 * rng.standard_normal(len(DAYS)))}
        )
        for name in FUNDS
    )
    curve = pd.DataFrame({"date": DAYS, "y_2y": 2 + rng.random(len(DAYS)), "y_10y": 3 + rng.random(len(DAYS))})
    nights = pd.date_range("2018-12-25", "2019-06-30")
    return funds, curve, pd.DataFrame({"date": nights, **{name: rng.standard_normal(len(nights)) for name in TONES}})


def read(folder: Path) -> pd.DataFrame:
    return context_table(folder, first=FIRST, last=LAST).to_pandas().set_index("date")


@pytest.mark.promise("S1-28")
def test_every_column_equals_its_definition(tmp_path: Path) -> None:
    funds, curve, tone = sources()
    got = read(write(tmp_path, funds, curve, tone))
    assert tuple(got.columns[3:]) == CONTEXT
    close = funds.pivot_table(index="date", columns="symbol", values="close")
    daily = close["SPY"].pct_change()
    tones = tone.set_index("date")[list(TONES)].mean(axis=1)
    expected = pd.DataFrame(
        {
            "spy_return_1d": daily,
            "spy_return_21d": close["SPY"].pct_change(21),
            "spy_vol_21d": daily.rolling(21).std() * 252**0.5,
            "yield_slope": (curve.set_index("date")["y_10y"] - curve.set_index("date")["y_2y"]).shift(1),
            "credit_spread_proxy": (close["HYG"] / close["IEF"]).pct_change(21),
            "vixy_return_21d": close["VIXY"].pct_change(21),
            "risk_off_proxy": (close["TLT"] / close["SPY"]).pct_change(21),
            "gdelt_avg_tone": tones.shift(1).reindex(close.index),
        }
    )
    np.testing.assert_allclose(got[list(CONTEXT)], expected, rtol=1e-9, atol=1e-12, equal_nan=True)
    assert (got["market"] == "US").all()
    assert (got["event_timestamp"].dt.strftime("%H:%M %Z") == "22:00 UTC").all()
    assert (got["created"] <= got["event_timestamp"]).all()


@pytest.mark.promise("S1-28")
def test_later_rows_of_the_sources_change_no_bit_of_the_context(tmp_path: Path) -> None:
    tables = sources()
    before = read(write(tmp_path / "a", *tables))
    for day in pd.to_datetime(["2019-01-09", "2019-03-15", "2019-05-28"]):
        changed = [table.copy() for table in tables]
        for table in changed:
            later = table["date"] > day
            numbers = table.columns.drop(["date", "symbol"], errors="ignore")
            table.loc[later, numbers] = table.loc[later, numbers] * 1.5 + 1
        # What a session sees of the curve and the tone is older still: their own day is not known yet.
        for table in changed[1:]:
            table.loc[table["date"] == day, table.columns.drop("date")] = 99.0
        after = read(write(tmp_path / "b", *changed))
        until = before.index <= day.date()
        assert until.any()
        pd.testing.assert_frame_equal(after[until], before[until], check_exact=True)


@pytest.mark.promise("S1-28")
def test_the_tone_of_a_day_is_seen_from_the_next_day_on(tmp_path: Path) -> None:
    funds, curve, tone = sources()
    tone = tone.assign(**dict.fromkeys(TONES, np.arange(len(tone), dtype=np.float64)))
    got = read(write(tmp_path, funds, curve, tone))["gdelt_avg_tone"]
    place = {day.date(): number for number, day in enumerate(tone["date"])}
    assert all(value == place[day] - 1 for day, value in got.items())  # a Monday sees its Sunday


def test_a_missing_day_keeps_the_last_value_until_it_is_too_old(tmp_path: Path) -> None:
    funds, curve, tone = sources()
    tone = tone.assign(**dict.fromkeys(TONES, np.arange(len(tone), dtype=np.float64)))
    gap = pd.date_range("2019-03-04", "2019-03-08")  # a week of days
    curve = curve[~curve["date"].isin(gap)]
    tone = tone[~tone["date"].isin(gap)]
    got = read(write(tmp_path, funds, curve, tone)).loc[date(2019, 3, 4) : date(2019, 3, 11)]
    # The tone of Sunday the 3rd counts from Monday 00:00 for three days, the curve of Friday the 1st for five.
    assert np.isfinite(got["gdelt_avg_tone"]).tolist() == [True, True, True, False, False, True]
    assert np.isfinite(got["yield_slope"]).tolist() == [True, True, True, False, False, False]


def test_a_fund_that_lacks_a_session_leaves_gaps_there_and_a_month_later(tmp_path: Path) -> None:
    funds, curve, tone = sources()
    missing = (funds["symbol"] == "IEF") & (funds["date"] == DAYS[60])
    got = read(write(tmp_path, funds[~missing], curve, tone))["credit_spread_proxy"]
    assert np.flatnonzero(np.isnan(got)).tolist() == [*range(21), 60, 81]


def test_a_zero_yield_is_a_yield_except_where_none_was_published(tmp_path: Path) -> None:
    days = pd.to_datetime(["2001-07-30", "2001-07-31", "2004-01-02", "2011-08-04"])
    pd.DataFrame({"date": days, "y_1m": 0.0, "y_30y": 0.0}).to_parquet(tmp_path / "curve.parquet")
    got = read_yields(tmp_path / "curve.parquet", ("y_1m", "y_30y")).data
    np.testing.assert_array_equal(got, [[np.nan, 0.0], [0.0, 0.0], [0.0, np.nan], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda funds, curve, tone: (funds[funds["symbol"] != "VIXY"], curve, tone), "no rows of VIXY"),
        (lambda funds, curve, tone: (pd.concat([funds, funds.tail(1)]), curve, tone), "TLT has two rows of 2019-06-28"),
        (lambda funds, curve, tone: (funds.assign(close=0.0), curve, tone), "a price must be above 0"),
        (lambda funds, curve, tone: (funds, curve.drop(columns="y_10y"), tone), "no column y_10y"),
        (lambda funds, curve, tone: (funds, curve, tone.assign(date=pd.NaT)), "a day is empty"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(tmp_path: Path, break_it, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(write(tmp_path, *break_it(*sources())))


def test_a_missing_file_a_damaged_one_and_a_range_without_sessions_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"etf_adjusted_daily\.parquet: no such file"):
        read(tmp_path)
    folder = write(tmp_path, *sources())
    with pytest.raises(DataError, match="no session 2030-01-01 to 2030-02-01"):
        context_table(folder, first=date(2030, 1, 1), last=date(2030, 2, 1))
    (folder / TONE_FILE).write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"news_tone_daily\.parquet: cannot be read"):
        read(folder)


def test_before_the_first_tone_there_is_none_and_the_rest_counts(tmp_path: Path) -> None:
    funds, curve, tone = sources()
    whole, without = (
        read(write(tmp_path / "a", funds, curve, tone)),
        read(write(tmp_path / "b", funds, curve, tone[:0])),
    )
    assert without["gdelt_avg_tone"].isna().all()
    kept = [name for name in whole.columns if name not in {"gdelt_avg_tone", "created"}]
    pd.testing.assert_frame_equal(without[kept], whole[kept])
    assert (without["created"] <= without["event_timestamp"]).all()
