"""Files that are missing, damaged, too large or not what they say: refused with the file, and the row if known."""

import struct
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import DataError
from components.market import readers
from components.market.readers import read_bars

ASOF = datetime(2024, 1, 31, tzinfo=UTC)
HEADER = "date,open,high,low,close,volume\n"
DAY = "2024-01-02,10,11,9,10.5,100\n"


def one_bar() -> pa.Table:
    return pa.table(
        {"symbol": ["AAPL"], "date": [datetime(2024, 1, 2)]}  # noqa: DTZ001
        | {name: [10.0] for name in ("open", "high", "low", "close", "volume")}
    )


def written(folder: Path, text: str, name: str = "AAPL.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def refusal(source: str) -> DataError:
    with pytest.raises(DataError) as caught:
        read_bars(source, asof=ASOF)
    return caught.value


@pytest.mark.parametrize("name", ["bars.parquet", "AAPL.csv"])
def test_a_file_that_is_missing_or_empty_is_named(tmp_path: Path, name: str) -> None:
    assert "no such file" in str(refusal(str(tmp_path / name)))
    (tmp_path / name).touch()
    error = refusal(str(tmp_path / name))
    assert "0 bytes" in str(error)
    assert error.file == str(tmp_path / name)


def test_files_without_rows_are_refused(tmp_path: Path) -> None:
    assert "no rows" in str(refusal(written(tmp_path, HEADER)))
    pq.write_table(one_bar().slice(0, 0), tmp_path / "bars.parquet")
    assert "no rows" in str(refusal(str(tmp_path / "bars.parquet")))


def test_truncated_parquet_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "bars.parquet"
    pq.write_table(one_bar(), source)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    assert "truncated, damaged or not parquet" in str(refusal(str(source)))


def test_a_flipped_bit_in_a_price_is_refused_where_the_file_has_checksums(tmp_path: Path) -> None:
    source = tmp_path / "bars.parquet"
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(one_bar(), source, write_page_checksum=True, **plain)
    content = bytearray(source.read_bytes())
    content[content.index(struct.pack("<d", 10.0))] ^= 1  # the last bit of the first price: still a fine number
    source.write_bytes(content)
    assert "CRC" in str(refusal(str(source)))


def test_text_that_calls_itself_parquet_is_refused(tmp_path: Path) -> None:
    assert "not parquet" in str(refusal(written(tmp_path, HEADER + DAY, "bars.parquet")))


def test_a_small_file_that_declares_a_huge_table_is_refused_before_it_is_read(tmp_path: Path) -> None:
    source = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({f"column{n}": pa.nulls(1_000_000) for n in range(210)}), source)
    assert source.stat().st_size < 400_000
    assert "210000000 cells, at most 200000000 are read" in str(refusal(str(source)))


def test_csv_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "AAPL.csv").open("wb") as file:
        file.truncate(readers.MAX_CSV_BYTES + 1)  # sparse: takes no space
    assert "Save it as parquet" in str(refusal(str(tmp_path / "AAPL.csv")))
    assert "Save it as parquet" in str(refusal(str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "row", "says"),
    [
        (HEADER + DAY + "2024-01-03,10,11\n", 2, "Expected 6 columns, got 3"),
        (HEADER + DAY + DAY.replace("-02,10,", "-03,ten,"), 2, "invalid value 'ten'"),
        (HEADER + DAY + DAY.replace("-02,10,", "-03,,"), 2, "a price must be a number > 0"),
        (HEADER + DAY.replace("2024-01-02", "02.01.2024"), 1, "not a day"),
        (HEADER + '"2024-01-02,10,11\n', 1, "Expected 6 columns"),
    ],
)
def test_a_broken_csv_row_is_named(tmp_path: Path, text: str, row: int, says: str) -> None:
    error = refusal(written(tmp_path, text))
    assert error.row == row
    assert says in str(error)


@pytest.mark.parametrize(
    ("content", "row"),
    [((HEADER + DAY).encode("utf-16"), None), ((HEADER + DAY + DAY).encode() + "é,,,".encode("latin-1"), 3)],
)
def test_csv_that_is_not_utf8_is_refused(tmp_path: Path, content: bytes, row: int | None) -> None:
    (tmp_path / "AAPL.csv").write_bytes(content)
    error = refusal(str(tmp_path / "AAPL.csv"))
    assert "UTF-8" in str(error)
    assert error.row == row


def test_a_folder_with_one_bad_file_names_that_file(tmp_path: Path) -> None:
    written(tmp_path, HEADER + DAY, "AAPL.csv")
    bad = written(tmp_path, HEADER + DAY + DAY.replace("-02", "-03").replace("100", "-5"), "MSFT.csv")
    written(tmp_path, HEADER + DAY, "TSLA.csv")
    error = refusal(str(tmp_path))
    assert (error.file, error.row, error.column) == (bad, 2, "volume")


def test_a_folder_whose_files_contradict_each_other_is_refused(tmp_path: Path) -> None:
    assert "no .csv file" in str(refusal(str(tmp_path)))
    both = HEADER.replace("date", "date,symbol") + DAY.replace("-02,", "-02,AAPL,")
    written(tmp_path, both, "one.csv")
    second = written(tmp_path, both, "two.csv")
    error = refusal(str(tmp_path))
    assert error.file == second
    assert "symbol AAPL is also in" in str(error)
    written(tmp_path, both.replace("date", "timestamp").replace("-02,", "-02T00:00Z,"), "two.csv")
    assert "Keep daily and intraday files apart" in str(refusal(str(tmp_path)))


def test_a_file_name_that_is_no_symbol_is_refused(tmp_path: Path) -> None:
    assert "'STOCK PRICES' is not allowed" in str(refusal(written(tmp_path, HEADER + DAY, "stock prices.csv")))
    assert "not a kind of file" in str(refusal(written(tmp_path, HEADER + DAY, "AAPL.txt")))


@settings(deadline=None, derandomize=True)
@given(content=st.binary(max_size=300), parquet=st.booleans(), headed=st.booleans())
def test_any_bytes_are_read_or_refused_as_data(tmp_path_factory, content: bytes, parquet: bool, headed: bool) -> None:
    path = tmp_path_factory.getbasetemp() / f"AAPL.{'parquet' if parquet else 'csv'}"
    path.write_bytes((HEADER.encode() if headed else b"") + content)
    try:
        bars = read_bars(str(path), asof=ASOF)
    except DataError:
        return
    assert bars.table.num_rows > 0


_CLOCKS = st.sampled_from(
    ["T00:00:00Z", " 23:59:59.999999+01:00", "T24:00Z", "T09:30", "Z", "", "T09:30:00-0500", "t1"]
)


@settings(deadline=None, derandomize=True)
@given(day=st.dates() | st.text("0123456789-", max_size=11), clock=_CLOCKS)
def test_any_text_is_a_time_or_refused_and_python_agrees(tmp_path_factory, day: object, clock: str) -> None:
    path = tmp_path_factory.getbasetemp() / "TIME.csv"
    rows = HEADER.replace("date", "timestamp") + DAY.replace("2024-01-02", "2023-01-02T00:00Z")
    path.write_text(rows + DAY.replace("2024-01-02", f"{day}{clock}"), encoding="utf-8")
    try:
        table = read_bars(str(path), asof=datetime(2200, 1, 1, tzinfo=UTC)).table
    except DataError:
        return
    assert datetime.fromisoformat(f"{day}{clock}") in table["timestamp"].to_pylist()
