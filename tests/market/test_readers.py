"""Reading bars: what is accepted, and that whatever is wrong is named by file, row, column and remedy."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import DataError, UsageError
from components.market.bars import SCHEMA
from components.market.readers import read_bars
from components.market.synthetic import MarketSpec, market

ASOF = datetime(2024, 1, 31, tzinfo=UTC)
HEADER = "date,open,high,low,close,volume\n"
DAY = "2024-01-02,10,11,9,10.5,100\n"
DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5)]


def frame(**changes: object) -> dict[str, object]:
    """Return four good daily rows: AAPL 2 and 3 January, MSFT 2 and 3 January."""
    good: dict[str, object] = {
        "symbol": ["AAPL", "AAPL", "MSFT", "MSFT"],
        "date": [DAYS[0], DAYS[1], DAYS[0], DAYS[1]],
        "open": [10.0, 11.0, 20.0, 21.0],
        "high": [12.0, 12.0, 22.0, 22.0],
        "low": [9.0, 10.0, 19.0, 20.0],
        "close": [11.0, 11.5, 21.0, 21.5],
        "volume": [100, 200, 300, 0],
    }
    return {name: values for name, values in (good | changes).items() if values is not None}


def saved(folder: Path, columns: dict[str, object], name: str = "bars.parquet") -> str:
    pq.write_table(pa.table(columns), folder / name)
    return str(folder / name)


def written(folder: Path, text: str, name: str = "AAPL.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def refusal(source: str, asof: datetime = ASOF) -> DataError:
    with pytest.raises(DataError) as caught:
        read_bars(source, asof=asof)
    return caught.value


def test_daily_parquet_becomes_sorted_bars_known_at_22_utc(tmp_path: Path) -> None:
    columns = frame(symbol=["MSFT", "MSFT", "AAPL", "AAPL"], date=[DAYS[1], DAYS[0], DAYS[1], DAYS[0]])
    bars = read_bars(saved(tmp_path, columns), asof=ASOF)
    assert (bars.interval, bars.bar_seconds) == ("daily", 86_400)
    assert bars.table.schema.equals(SCHEMA)
    first = bars.table.slice(0, 1).to_pylist()[0]
    assert first == {
        "symbol": "AAPL",
        "timestamp": datetime(2024, 1, 2, tzinfo=UTC),
        "known_at": datetime(2024, 1, 2, 22, tzinfo=UTC),
        "open": 21.0,
        "high": 22.0,
        "low": 20.0,
        "close": 21.5,
        "volume": 0.0,
        "adj_close": 21.5,
    }
    assert bars.table["symbol"].to_pylist() == ["AAPL", "AAPL", "MSFT", "MSFT"]


def test_intraday_csv_is_known_when_the_bar_of_median_length_is_over(tmp_path: Path) -> None:
    rows = ["14:30:00Z", "15:30:00+01:00", "14:31:00Z", "14:32:00+00:00", "14:40:00Z"]
    text = "Timestamp,Name,Open,High,Low,Close,Volume,Adj Close\n"
    text += "".join(f"2024-01-02T{clock},{'AB'[n == 1]},10,11,9,10.5,100,5.25\n" for n, clock in enumerate(rows))
    bars = read_bars(written(tmp_path, text), asof=ASOF)
    assert (bars.interval, bars.bar_seconds) == ("intraday", 60)  # gaps of 60, 60 and 480 s
    table = bars.table.to_pydict()
    assert table["symbol"] == ["A", "A", "A", "A", "B"]
    assert table["timestamp"][4] == datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
    assert all(
        known - start == timedelta(seconds=60)
        for start, known in zip(table["timestamp"], table["known_at"], strict=True)
    )
    assert table["adj_close"] == [5.25] * 5


@pytest.mark.parametrize(
    ("time", "column"),
    [
        ("date", pa.array(["2024-01-02", "2024-01-03"] * 2)),
        ("DATE", pa.array(["2024-01-02", "2024-01-03"] * 2).dictionary_encode().cast(pa.large_string())),
        ("date", pa.array([date(2024, 1, 2), date(2024, 1, 3)] * 2, pa.date64())),
        ("date", pa.array([datetime(2024, 1, 2), datetime(2024, 1, 3)] * 2, pa.timestamp("ns"))),  # noqa: DTZ001
        ("datetime", pa.array([datetime(2024, 1, 2), datetime(2024, 1, 3)] * 2, pa.timestamp("s", "UTC"))),  # noqa: DTZ001
        ("timestamp", pa.array(["2024-01-01 19:00-05:00", "2024-01-03T00:00:00.000000Z"] * 2)),
    ],
)
def test_every_declared_form_of_time_is_read(tmp_path: Path, time: str, column: pa.Array) -> None:
    bars = read_bars(saved(tmp_path, {**frame(date=None), time: column}), asof=ASOF)
    assert bars.table["timestamp"].to_pylist()[:2] == [datetime(2024, 1, day, tzinfo=UTC) for day in (2, 3)]


def test_columns_of_other_number_types_and_spellings_are_read(tmp_path: Path) -> None:
    columns = frame(symbol=None, close=None, open=None) | {
        "Ticker": pa.array(["AAPL", "AAPL", "MSFT", "MSFT"]).dictionary_encode(),
        "CLOSE": pa.array([Decimal("11.5")] * 2 + [Decimal("21.5")] * 2),
        "open": pa.array([11, 11, 20, 21], pa.int32()),
        "adjusted_close": [5.0, 6.0, 7.0, 8.0],
        "sector": ["x"] * 4,
    }
    table = read_bars(saved(tmp_path, columns), asof=ASOF).table
    assert table["close"].to_pylist() == [11.5, 11.5, 21.5, 21.5]
    assert table["adj_close"].to_pylist() == [5.0, 6.0, 7.0, 8.0]


def test_a_folder_holds_one_csv_per_symbol_named_by_the_file(tmp_path: Path) -> None:
    written(tmp_path, HEADER + DAY, "msft.csv")
    written(tmp_path, "\ufeff" + HEADER + DAY, "brk.b.CSV")
    written(tmp_path, "no bars here", "notes.txt")
    assert read_bars(str(tmp_path), asof=ASOF).table["symbol"].to_pylist() == ["BRK.B", "MSFT"]


def test_the_ticker_na_is_a_symbol_and_not_a_missing_value(tmp_path: Path) -> None:
    text = HEADER.replace("date", "date,symbol") + DAY.replace("-02,", "-02,NA,")
    assert read_bars(written(tmp_path, text), asof=ASOF).table["symbol"].to_pylist() == ["NA"]


def test_synthetic_sources_are_read_as_they_were_made() -> None:
    bars = read_bars("synthetic://planted?symbols=3&days=40", asof=datetime(2025, 1, 1, tzinfo=UTC))
    assert bars.table.equals(market(MarketSpec(symbols=3, days=40)))


def test_synthetic_bars_after_asof_are_refused_too() -> None:
    assert "future-dated" in str(refusal("synthetic://planted?symbols=3&days=40"))


def test_chosen_symbols_are_selected_and_others_are_not_checked(tmp_path: Path) -> None:
    source = saved(tmp_path, frame(close=[np.nan, 11.5, 21.0, 21.5]))
    bars = read_bars(source, symbols=("MSFT",), asof=ASOF)
    assert bars.table["symbol"].to_pylist() == ["MSFT", "MSFT"]
    source = saved(tmp_path, frame(close=[11.0, 11.5, 21.0, np.nan]))
    with pytest.raises(DataError, match="row 4, column 'close'"):
        read_bars(source, symbols=("MSFT",), asof=ASOF)


def test_a_symbol_that_is_none_is_refused_whatever_was_chosen(tmp_path: Path) -> None:
    source = saved(tmp_path, frame(symbol=["AAPL", "../../x", "MSFT", "MSFT"]))
    with pytest.raises(DataError, match="row 2, column 'symbol'"):
        read_bars(source, symbols=("MSFT",), asof=ASOF)


def test_a_symbol_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no symbol TSLA\. There is AAPL, MSFT"):
        read_bars(saved(tmp_path, frame()), symbols=("AAPL", "TSLA"), asof=ASOF)
    with pytest.raises(DataError, match=r"'\.\./x' is not allowed"):
        read_bars(saved(tmp_path, frame()), symbols=("../x",), asof=ASOF)


def test_asof_without_a_time_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="time zone"):
        read_bars(saved(tmp_path, frame()), asof=ASOF.replace(tzinfo=None))


@pytest.mark.parametrize("source", ["ftp://host/bars.parquet", "redis://x/y.csv"])
def test_a_source_of_another_kind_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match="no such kind of source"):
        read_bars(source, asof=ASOF)


@pytest.mark.parametrize(
    ("changes", "row", "column", "says"),
    [
        ({"symbol": ["AAPL", "AAPL", "../../x", "MSFT"]}, 3, "symbol", "not allowed"),
        ({"symbol": ["AAPL", None, "MSFT", "MSFT"]}, 2, "symbol", "not allowed"),
        ({"symbol": ["AAPL", "AAPL\n", "MSFT", "MSFT"]}, 2, "symbol", "not allowed"),
        ({"open": [10.0, np.nan, 20.0, 21.0]}, 2, "open", "must be a number > 0, was nan"),
        ({"open": [10.0, 11.0, None, 21.0]}, 3, "open", "must be a number > 0, was nan"),
        ({"high": [12.0, 12.0, np.inf, 22.0]}, 3, "high", "must be a number > 0, was inf"),
        ({"low": [9.0, 0.0, 19.0, 20.0]}, 2, "low", r"must be a number > 0, was 0\.0"),
        ({"close": [-11.0, 11.5, 21.0, 21.5]}, 1, "close", r"must be a number > 0, was -11\.0"),
        ({"adj_close": [1.0, 1.0, 1.0, np.nan]}, 4, "adj_close", "must be a number > 0, was nan"),
        ({"volume": [100, 200, -1, 0]}, 3, "volume", r"must be a number >= 0, was -1\.0"),
        ({"volume": [100.0, np.nan, 1.0, 0.0]}, 2, "volume", "must be a number >= 0, was nan"),
        ({"high": [12.0, 12.0, 18.0, 22.0]}, 3, "high", r"high is below low, was 18\.0"),
        ({"close": [11.0, 12.1, 21.0, 21.5]}, 2, "close", "close is outside low to high"),
        ({"open": [8.9, 11.0, 20.0, 21.0]}, 1, "open", "open is outside low to high"),
        ({"date": [DAYS[0], DAYS[0], DAYS[0], DAYS[1]]}, 2, "date", "duplicate"),
        ({"date": [DAYS[0], date(2024, 2, 1), DAYS[0], DAYS[1]]}, 2, "date", "future-dated"),
        ({"date": [DAYS[0], None, DAYS[0], DAYS[1]]}, 2, "date", "empty"),
        ({"date": [DAYS[0], date(1653, 1, 3), DAYS[0], DAYS[1]]}, 2, "date", "no market had bars then"),
        ({"date": ["2024-01-02", "2024-02-30", "2024-01-02", "2024-01-03"]}, 2, "date", "not a day, was '2024-02-30'"),
        ({"date": ["2024-01-02", "20240103", "2024-01-02", "2024-01-03"]}, 2, "date", "not a day"),
        ({"date": ["2024-01-02", "2024-01-03 09:30", "2024-01-02", "2024-01-03"]}, 2, "date", "not a day"),
        ({"date": pa.array([0, 1, 2, 3], pa.timestamp("s"))}, 2, "date", "no time of day"),
        ({"date": None, "timestamp": pa.array([0, 1, 2, 3], pa.timestamp("s"))}, 1, "timestamp", "no time zone"),
        ({"date": None, "timestamp": ["2024-01-02T09:30:00"] * 4}, 1, "timestamp", "no time zone"),
        ({"date": None, "timestamp": ["2024-01-02T09:30Z", "9:30Z", "x", ""]}, 2, "timestamp", "not an ISO 8601 time"),
        (
            {"date": None, "timestamp": pa.array([0, -(10**10), 0, 1], pa.timestamp("s", "UTC"))},
            2,
            "timestamp",
            "no market had bars then",
        ),
    ],
)
def test_a_faulty_row_is_named(tmp_path: Path, changes: dict[str, object], row: int, column: str, says: str) -> None:
    source = saved(tmp_path, frame(**changes))
    with pytest.raises(DataError, match=says) as caught:
        read_bars(source, asof=ASOF)
    assert (caught.value.file, caught.value.row, caught.value.column) == (source, row, column)
    assert caught.value.remedy


def test_of_several_faults_the_first_row_is_named_and_all_are_counted(tmp_path: Path) -> None:
    columns = frame(volume=[100, 200, 300, -1], high=[12.0, 1.0, 22.0, 22.0], symbol=["AAPL", "AAPL", "MSFT", "../x"])
    error = refusal(saved(tmp_path, columns))
    assert (error.row, error.column) == (2, "high")
    assert "(2 faulty rows in this file)" in str(error)


def test_a_rounded_price_just_outside_the_bar_passes(tmp_path: Path) -> None:
    float32 = np.float32([11.1, 11.5, 21.0, 21.5])  # 11.1 becomes 11.1000004
    assert float(float32[0]) > 11.1
    columns = frame(close=float32, high=[11.1, 12.0, 22.0, 22.0])
    assert read_bars(saved(tmp_path, columns), asof=ASOF).table.num_rows == 4


def test_a_daily_bar_needs_asof_on_its_day_and_an_intraday_bar_its_end(tmp_path: Path) -> None:
    daily = saved(tmp_path, frame())
    assert read_bars(daily, asof=datetime(2024, 1, 3, 1, tzinfo=UTC)).table.num_rows == 4
    assert "future-dated" in str(refusal(daily, datetime(2024, 1, 2, 23, tzinfo=UTC)))
    hours = [datetime(2024, 1, 2, hour, tzinfo=UTC) for hour in (14, 15, 14, 15)]
    hourly = saved(tmp_path, frame(date=None) | {"timestamp": hours}, "hourly.parquet")
    assert read_bars(hourly, asof=datetime(2024, 1, 2, 16, tzinfo=UTC)).bar_seconds == 3600
    assert refusal(hourly, datetime(2024, 1, 2, 15, 59, tzinfo=UTC)).row == 2


def test_intraday_bars_without_a_spacing_are_refused(tmp_path: Path) -> None:
    text = HEADER.replace("date", "timestamp") + DAY.replace("-02,", "-02T00:00Z,")
    assert "no symbol has two bars" in str(refusal(written(tmp_path, text)))


def test_a_missing_column_lists_what_is_there_and_what_is_wanted(tmp_path: Path) -> None:
    message = str(refusal(saved(tmp_path, frame(close=None, date=None))))
    assert "no column date or timestamp or datetime, close; found symbol, open, high, low, volume" in message
    assert "Name the columns" in message


@pytest.mark.parametrize("extra", ["Name", "timestamp", "Close", "Adj Close"])
def test_two_columns_that_mean_the_same_are_refused(tmp_path: Path, extra: str) -> None:
    columns = frame(adj_close=[1.0] * 4) | {extra: ["x"] * 4}
    assert "could all be" in str(refusal(saved(tmp_path, columns)))


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"close": ["11", "11", "21", "21"]}, "close"),
        ({"volume": [True] * 4}, "volume"),
        ({"symbol": [1, 1, 2, 2]}, "symbol"),
        ({"date": [20240102, 20240103, 20240102, 20240103]}, "date"),
        ({"date": pa.array([0, 1, 0, 1], pa.timestamp("s", "UTC"))}, "date"),
        ({"date": pa.array([0, 2**62 // 1000, 0, 1], pa.timestamp("s"))}, "date"),
    ],
)
def test_a_column_of_the_wrong_type_is_named(tmp_path: Path, changes: dict[str, object], column: str) -> None:
    assert refusal(saved(tmp_path, frame(**changes))).column == column
