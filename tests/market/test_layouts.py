"""Vendors' files as vendors write them: told by their header, reported, and refused where two readings fit."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import DataError, UsageError
from components.market.bars import Bars
from components.market.layout import LAYOUTS, declared
from components.market.readers import read_bars

ASOF = datetime(2025, 6, 1, tzinfo=UTC)

YAHOO = """Date,Open,High,Low,Close,Adj Close,Volume
2024-01-02,187.149994,188.440002,183.889999,185.639999,184.532089,82488700
2024-01-16,182.160004,184.259995,180.929993,183.630005,182.534073,65603000
"""
ALPHA_VANTAGE = """timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient
2021-04-21,132.3600,133.7500,131.3001,133.5000,133.50,68847136,0.0000,1.0
2021-04-20,135.0200,135.5300,131.8100,133.1100,133.11,94264215,0.2050,1.0
"""
KAGGLE = """date,open,high,low,close,volume,Name
2013-02-08,15.07,15.12,14.63,14.75,8407500,AAL
2013-02-11,14.89,15.01,14.26,14.46,8882000,AAL
"""
YFINANCE_3 = """Price,Close,High,Low,Open,Volume
Ticker,AAPL,AAPL,AAPL,AAPL,AAPL
Date,,,,,
2024-01-02,184.7,187.5,182.9,186.2,82488700
2024-01-16,182.7,183.3,180.0,181.2,65603000
"""
YFINANCE_2 = """Date,Adj Close,Close,High,Low,Open,Volume
,AAPL,AAPL,AAPL,AAPL,AAPL,AAPL
2024-01-02,184.7,185.6,188.4,183.8,187.1,82488700
"""
YFINANCE_TWO_TICKERS = """Price,Adj Close,Adj Close,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume
Ticker,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT
Date,,,,,,,,,,,,
2024-01-02,184.5,366.0,185.6,370.8,188.4,375.9,183.8,366.7,187.1,373.8,82488700,25258600
2024-01-03,,366.1,,370.6,,373.2,,368.5,,369.0,,23083500
"""
US = """Date,Open,High,Low,Close,Volume
01/02/2024,10,11,9,10.5,100
1/16/2024,10,11,9,10.5,100
"""
KLINES = f"""{",".join(declared("binance").header)}
1704067200000,42283.58,42554.57,42261.02,42475.23,1271.68,1704070799999,53957248.97,47134,682.57,28957416.81,0
1704070800000,42475.23,42775.00,42431.65,42613.56,1196.37,1704074399999,50984655.96,50396,609.65,25976894.48,0
"""
BARE_KLINES = "".join(line + "\n" for line in KLINES.splitlines()[1:])
MICROSECONDS = BARE_KLINES.replace("00000,4", "00000000,4")
EPOCH = """timestamp,open,high,low,close,volume
1704067200000,10,11,9,10.5,100
1704070800000000,10,11,9,10.5,100
"""


def written(folder: Path, text: str, name: str = "AAPL.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def read(folder: Path, text: str, *, layout: str = "") -> Bars:
    return read_bars(written(folder, text), asof=ASOF, layout=layout)


def refusal(folder: Path, text: str, *, layout: str = "") -> DataError:
    with pytest.raises(DataError) as caught:
        read(folder, text, layout=layout)
    return caught.value


@pytest.mark.parametrize(
    ("text", "layout", "first"),
    [
        (YAHOO, "yahoo", ("AAPL", datetime(2024, 1, 2, tzinfo=UTC), 187.149994, 184.532089)),
        (ALPHA_VANTAGE, "alpha-vantage", ("AAPL", datetime(2021, 4, 20, tzinfo=UTC), 135.02, 133.11)),
        (KAGGLE, "kaggle-5yr", ("AAL", datetime(2013, 2, 8, tzinfo=UTC), 15.07, 14.75)),
        (YFINANCE_3, "yfinance", ("AAPL", datetime(2024, 1, 2, tzinfo=UTC), 186.2, 184.7)),
        (YFINANCE_2, "yfinance", ("AAPL", datetime(2024, 1, 2, tzinfo=UTC), 187.1, 184.7)),
        (YFINANCE_TWO_TICKERS, "yfinance", ("AAPL", datetime(2024, 1, 2, tzinfo=UTC), 187.1, 184.5)),
        (US, "us-dates", ("AAPL", datetime(2024, 1, 2, tzinfo=UTC), 10.0, 10.5)),
        (US.replace("1/16", "16/1"), "day-first-dates", ("AAPL", datetime(2024, 1, 16, tzinfo=UTC), 10.0, 10.5)),
        (YAHOO.replace("2024-01-02", "01/02/2024").replace("2024-01-16", "01/16/2024"), "us-dates",
         ("AAPL", datetime(2024, 1, 2, tzinfo=UTC), 187.149994, 184.532089)),
        (KLINES, "binance", ("AAPL", datetime(2024, 1, 1, tzinfo=UTC), 42283.58, 42475.23)),
        (BARE_KLINES, "binance", ("AAPL", datetime(2024, 1, 1, tzinfo=UTC), 42283.58, 42475.23)),
        (MICROSECONDS, "binance", ("AAPL", datetime(2024, 1, 1, tzinfo=UTC), 42283.58, 42475.23)),
        (EPOCH, "epoch", ("AAPL", datetime(2024, 1, 1, tzinfo=UTC), 10.0, 10.5)),
        (US.replace("/2024", "").replace("01/02", "2024-01-02").replace("1/16", "2024-01-16"), "plain",
         ("AAPL", datetime(2024, 1, 2, tzinfo=UTC), 10.0, 10.5)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["as it is", "with a byte order mark and CRLF", "in quotes"])
def test_a_vendors_file_is_told_by_its_header_and_read(
    tmp_path: Path, text: str, layout: str, first: tuple[object, ...], form: str
) -> None:
    if form == "with a byte order mark and CRLF":
        text = "\ufeff" + text.replace("\n", "\r\n")
    if form == "in quotes":
        text = "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines())
    bars = read(tmp_path, text)
    row = sorted(bars.table.to_pylist(), key=lambda row: row["symbol"])[0]
    if layout == "day-first-dates":
        row = bars.table.to_pylist()[0]
    assert (row["symbol"], row["timestamp"], row["open"], row["adj_close"]) == first
    assert [item.layout for item in bars.inputs] == [layout]
    assert bars.inputs[0].note == ""


def test_every_declared_layout_is_read_by_a_test_above_and_by_its_name(tmp_path: Path) -> None:
    texts = {
        "plain": KAGGLE, "yahoo": YAHOO, "alpha-vantage": ALPHA_VANTAGE, "kaggle-5yr": KAGGLE, "yfinance": YFINANCE_3,
        "us-dates": US, "day-first-dates": US.replace("1/16", "1/3"), "epoch": EPOCH, "binance": BARE_KLINES,
    }  # fmt: skip
    assert texts.keys() == {layout.name for layout in LAYOUTS}
    for name, text in texts.items():
        assert read(tmp_path, text, layout=name).inputs[0].layout == name


def test_the_inputs_tell_name_layout_rows_bytes_and_digest(tmp_path: Path) -> None:
    written(tmp_path, YAHOO, "AAPL.csv")
    written(tmp_path, ALPHA_VANTAGE, "MSFT.csv")
    inputs = read_bars(str(tmp_path), asof=ASOF).inputs
    assert [(Path(item.name).name, item.layout, item.rows) for item in inputs] == [
        ("AAPL.csv", "yahoo", 2),
        ("MSFT.csv", "alpha-vantage", 2),
    ]
    assert inputs[0].num_bytes == len(YAHOO)
    assert len(inputs[0].sha256) == 64


def test_two_tickers_side_by_side_become_rows_and_an_empty_cell_is_no_bar(tmp_path: Path) -> None:
    table = read(tmp_path, YFINANCE_TWO_TICKERS).table
    assert table["symbol"].to_pylist() == ["AAPL", "MSFT", "MSFT"]
    assert table["close"].to_pylist() == [185.6, 370.8, 370.6]
    assert table["volume"].to_pylist() == [82488700.0, 25258600.0, 23083500.0]


def test_a_faulty_cell_of_a_wide_file_is_named_by_its_row(tmp_path: Path) -> None:
    error = refusal(tmp_path, YFINANCE_TWO_TICKERS.replace("370.6,,373.2", "370.6,,-1"))
    assert (error.row, error.column) == (2, "high")
    error = refusal(tmp_path, YFINANCE_TWO_TICKERS.replace("370.6,,373.2", "370.6,,high"))
    assert error.row == 2


def test_rows_in_another_order_than_the_vendors_are_noted(tmp_path: Path) -> None:
    lines = ALPHA_VANTAGE.splitlines(keepends=True)
    bars = read(tmp_path, "".join([lines[0], lines[2], lines[1]]))
    assert bars.inputs[0].note == "its rows are not newest first, as those of alpha-vantage are"
    assert bars.table.equals(read(tmp_path, ALPHA_VANTAGE).table)


def test_days_that_could_be_either_are_refused_until_named(tmp_path: Path) -> None:
    text = US.replace("1/16", "3/4")
    error = refusal(tmp_path, text)
    assert "MM/DD or DD/MM" in str(error)
    assert "--layout us-dates or --layout day-first-dates" in str(error)
    assert read(tmp_path, text, layout="us-dates").table["timestamp"][1].as_py().date() == date(2024, 3, 4)
    assert read(tmp_path, text, layout="day-first-dates").table["timestamp"][1].as_py().date() == date(2024, 4, 3)


@pytest.mark.promise("S0-49")
def test_days_that_contradict_each_other_name_the_row_and_the_column(tmp_path: Path) -> None:
    error = refusal(tmp_path, US + "17/1/2024,10,11,9,10.5,100\n")
    assert (error.row, error.column) == (3, "Date")
    assert "has no month, read month-first" in str(error)
    error = refusal(tmp_path, US, layout="day-first-dates")
    assert (error.row, error.column) == (2, "Date")


def test_a_day_in_a_timestamp_column_is_refused_with_both_candidates(tmp_path: Path) -> None:
    text = US.replace("Date", "timestamp").replace("01/02/2024", "2024-01-02").replace("1/16/2024", "2024-01-16")
    error = refusal(tmp_path, text)
    assert "plain (instants) and alpha-vantage (days)" in str(error)
    assert "--layout alpha-vantage" in str(error)
    assert read(tmp_path, text, layout="alpha-vantage").interval == "daily"


@pytest.mark.parametrize("value", ["170406720000", "1704067200", "17040672000000", "9704067200000", "", "x"])
def test_a_number_that_is_no_time_of_this_century_is_named(tmp_path: Path, value: str) -> None:
    error = refusal(tmp_path, EPOCH.replace("1704070800000000", value))
    assert (error.row, error.column) == (2, "timestamp")
    assert "not a Unix time" in str(error)


def test_parquet_with_whole_numbers_for_times_is_read_as_epoch(tmp_path: Path) -> None:
    columns = {"symbol": ["BTCUSDT"] * 2, "timestamp": [1704067200000, 1704070800000]}
    columns |= {name: np.full(2, 10.0) for name in ("open", "high", "low", "close", "volume")}
    pq.write_table(pa.table(columns), tmp_path / "bars.parquet")
    bars = read_bars(str(tmp_path / "bars.parquet"), asof=ASOF)
    assert (bars.inputs[0].layout, bars.bar_seconds) == ("epoch", 3600)
    assert bars.table["timestamp"][0].as_py() == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_layout_that_does_not_exist_or_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such layout\. There is plain, yahoo"):
        read(tmp_path, YAHOO, layout="yaho")
    with pytest.raises(UsageError, match="no such layout"):
        declared("")
    assert "no column timestamp" in str(refusal(tmp_path, YAHOO, layout="alpha-vantage"))
    assert "no header rows of yfinance" in str(refusal(tmp_path, YAHOO, layout="yfinance"))


def test_a_wide_file_without_a_field_names_field_and_ticker(tmp_path: Path) -> None:
    assert "no column Volume of AAPL" in str(refusal(tmp_path, YFINANCE_3.replace("Volume", "Vol")))


@settings(deadline=None, derandomize=True)
@given(days=st.lists(st.dates(date(1990, 1, 1), date(2024, 12, 31)), min_size=1, max_size=30, unique=True))
def test_slashed_days_are_read_right_or_refused_never_swapped(tmp_path_factory, days: list[date]) -> None:
    rows = "".join(f"{day.month:02d}/{day.day:02d}/{day.year},10,11,9,10.5,100\n" for day in days)
    path = tmp_path_factory.getbasetemp() / "SLASH.csv"
    path.write_text(US.splitlines(keepends=True)[0] + rows, encoding="utf-8")
    if all(day.day <= 12 for day in days):
        with pytest.raises(DataError, match="MM/DD or DD/MM"):
            read_bars(str(path), asof=ASOF)
        return
    table = read_bars(str(path), asof=ASOF).table
    assert [moment.date() for moment in table["timestamp"].to_pylist()] == sorted(days)


@pytest.mark.realdata
@pytest.mark.parametrize("layout", ["alpha-vantage", "kaggle-5yr", "yfinance", "us-dates"])
def test_real_candles_in_a_vendors_layout_are_the_same_bars(tmp_path: Path, shared_data: Path, layout: str) -> None:
    frame = pq.read_table(shared_data / "real_sample.parquet", filters=[("symbol", "=", "AAPL")]).to_pandas()
    names = {"date": "Date", "open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}
    path = tmp_path / "AAPL.csv"
    if layout == "alpha-vantage":
        renamed = {"date": "timestamp", "adj_close": "adjusted_close", "dividend": "dividend_amount",
                   "split_factor": "split_coefficient"}  # fmt: skip
        columns = [*declared(layout).header]
        frame.rename(columns=renamed)[columns].iloc[::-1].to_csv(path, index=False)
    elif layout == "kaggle-5yr":
        frame.rename(columns={"symbol": "Name"})[[*declared(layout).header]].to_csv(path, index=False)
    elif layout == "us-dates":
        frame.rename(columns=names)[[*names.values()]].to_csv(path, index=False, date_format="%m/%d/%Y")
    else:
        wide = frame.rename(columns=names).set_index("Date")[[*names.values()][1:]]
        wide.columns = wide.columns.map(lambda name: (name, "AAPL"))
        wide.columns.names = ["Price", "Ticker"]
        wide.to_csv(path)
    whole = read_bars(str(shared_data / "real_sample.parquet"), symbols=("AAPL",), asof=ASOF).table
    bars = read_bars(str(path), asof=ASOF)
    assert bars.inputs[0].layout == layout
    for name in ("symbol", "timestamp", "open", "high", "low", "close", "volume"):
        assert bars.table[name].equals(whole[name]), name
