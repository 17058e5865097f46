"""The data probe: each planted fault is named with its column and row, and clean tables pass."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cli.shipped import technical
from components.core.errors import DataError
from components.market.labels import next_direction, next_open_return
from components.market.probes import Finding
from components.market.probes.data import data
from components.market.probes.tables import tables
from components.market.synthetic import MarketSpec, market

ASOF = datetime(2025, 1, 1, tzinfo=UTC)
BARS = market(MarketSpec(symbols=3, days=300))
FEATURES = technical(BARS)


def found(table: pa.Table, **options: object) -> list[Finding]:
    return list(data(table, **({"asof": ASOF, "name": "table"} | options)).findings)


def only(table: pa.Table, **options: object) -> tuple[str, int | None, str]:
    [finding] = found(table, **options)
    assert finding.remedy
    return finding.column, finding.row, finding.problem


def changed(table: pa.Table, column: str, change: Callable[[pd.Series], object]) -> pa.Table:
    frame = table.to_pandas()
    frame[column] = change(frame[column])
    return pa.Table.from_pandas(frame, preserve_index=False)


def with_value(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    values = table[column].to_pylist()
    values[row - 1] = value
    field = table.schema.field(column)
    return table.set_column(table.column_names.index(column), field, pa.array(values, type=field.type))


def retyped(table: pa.Table, column: str, kind: pa.DataType) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, table[column].cast(kind))


@pytest.mark.parametrize("table", [BARS, FEATURES], ids=["bars", "features"])
def test_clean_tables_pass(table: pa.Table) -> None:
    report = data(table, asof=ASOF, name="table")
    assert not report.findings
    assert report.checked[0].startswith("900 rows, times timestamp, ")
    assert "against 11 labels and 5 later closes" in report.checked[1]


def test_a_naive_timestamp_is_named() -> None:
    column, row, problem = only(retyped(FEATURES, "timestamp", pa.timestamp("us")))
    assert (column, row) == ("timestamp", 1)
    assert "no time zone" in problem


def test_nanoseconds_are_named_where_the_store_reads_microseconds() -> None:
    column, row, problem = only(retyped(FEATURES, "event_timestamp", pa.timestamp("ns", tz="UTC")))
    assert (column, row) == ("event_timestamp", 1)
    assert problem == "nanoseconds: holds timestamp[ns, tz=UTC]"


def test_a_part_of_a_microsecond_is_named_in_any_file() -> None:
    whole = retyped(BARS.drop_columns(["known_at"]), "timestamp", pa.timestamp("ns", tz="UTC"))
    assert not found(whole)
    odd = whole["timestamp"].cast(pa.int64()).to_numpy().copy()
    odd[41] += 1
    column, row, problem = only(whole.set_column(1, "timestamp", pa.array(odd).cast(whole["timestamp"].type)))
    assert (column, row) == ("timestamp", 42)
    assert "not a whole microsecond" in problem


def test_another_zone_is_named_in_our_tables() -> None:
    _, _, problem = only(retyped(FEATURES, "created", pa.timestamp("us", tz="America/New_York")))
    assert "not whole microseconds in UTC" in problem


def test_a_date_with_a_clock_and_a_text_that_is_no_day_are_named() -> None:
    clock = pa.table({"symbol": ["A", "A"], "date": np.array(["2024-01-02", "2024-01-03T16:00"], "datetime64[us]")})
    assert only(clock)[:2] == ("date", 2)
    text = pa.table({"symbol": ["A", "A"], "date": ["2024-01-02", "01/03/2024"]})
    assert only(text)[:2] == ("date", 2)
    number = pa.table({"symbol": ["A", "A"], "date": [20240102, 20240103]})
    assert only(number)[2] == "holds int64"


def test_what_is_known_before_it_happened_is_named() -> None:
    early = FEATURES["event_timestamp"][6].as_py() - pd.Timedelta(hours=1)
    column, row, problem = only(with_value(FEATURES, "created", 7, early))
    assert (column, row) == ("created", 7)
    assert "known before its event_timestamp" in problem


def test_future_rows_are_named() -> None:
    late = datetime(2024, 12, 30, tzinfo=UTC)
    findings = found(FEATURES, asof=late)
    assert [(finding.column, finding.row) for finding in findings] == [
        ("timestamp", 300), ("event_timestamp", 299), ("created", 299)
    ]  # fmt: skip
    assert all("future-dated" in finding.problem for finding in findings)


def test_a_repeated_row_is_named_and_a_restated_one_is_not() -> None:
    again = FEATURES.slice(10, 1)
    column, row, problem = only(pa.concat_tables([FEATURES, again]))
    assert (column, row) == ("timestamp", 901)
    assert "duplicate" in problem
    later = with_value(again, "created", 1, again["created"][0].as_py() + pd.Timedelta(days=9))
    assert not found(pa.concat_tables([FEATURES, later]))


def test_keys_tell_the_contracts_of_one_day_apart() -> None:
    chain = pa.table({"date": ["2024-01-02"] * 4, "type": ["C", "C", "P", "P"], "strike": [1.0, 2.0, 1.0, 2.0]})
    assert only(chain)[:2] == ("date", 2)
    assert not found(chain, keys=("type", "strike"))
    with pytest.raises(DataError, match="no column expiry"):
        found(chain, keys=("expiry",))


def test_symbols_that_are_paths_are_named() -> None:
    assert only(with_value(BARS, "symbol", 5, "../../x"))[:2] == ("symbol", 5)
    assert only(with_value(BARS, "symbol", 5, None))[:2] == ("symbol", 5)


@pytest.mark.parametrize("value", [float("nan"), 0.0, -1.0, float("inf"), None])
def test_a_price_that_is_none_is_named(value: float | None) -> None:
    assert only(with_value(BARS, "low", 17, value))[:2] == ("low", 17)


def test_gaps_count_after_the_warm_up_only() -> None:
    assert not found(FEATURES)  # 199 rows of each symbol lack ema_200
    gaps = changed(FEATURES, "rsi_14", lambda rsi: rsi.where(np.arange(len(rsi)) % 10 != 5))
    column, row, problem = only(gaps)
    assert (column, row) == ("rsi_14", 16)  # rows 6, 16, ...: the first value is in row 15
    assert problem.startswith("10.1% empty after its first value (at most 5%)")
    assert not found(gaps, max_empty_share=0.2)
    assert only(changed(FEATURES, "rsi_14", lambda _: np.nan))[2].startswith("empty in every row")
    assert only(with_value(FEATURES, "bb_width", 50, float("inf")))[:2] == ("bb_width", 50)


def ahead(bars: int) -> pd.Series:
    frame = BARS.to_pandas()
    return frame.groupby("symbol")["close"].shift(-bars)


CLOSE = BARS.to_pandas()["close"]
PANEL = CLOSE.to_numpy().reshape(3, 300)

DISGUISES: dict[str, tuple[object, str]] = {
    "a later close": (ahead(1), "holds the close of bar t + 1 in 100% of the rows"),
    "a close three bars later": (ahead(3), "holds the close of bar t + 3"),
    "the next return": (ahead(1) / CLOSE - 1, "follows the return of the next 1 bars (rank correlation 1.00"),
    "a scaled, noisy next return": (
        3 - 100 * (ahead(1) / CLOSE - 1) + np.random.default_rng(0).normal(0, 0.1, 900), "the return of the next 1 bar"
    ),
    "the return of next week": (ahead(5) / CLOSE, "follows the return of the next 5 bars"),
    "a shifted return": (ahead(3) / ahead(2), "follows the return of bar t + 3"),
    "the label": (next_direction(PANEL).ravel(), "follows the direction of the next close"),
    "what the decision earns": (
        next_open_return(BARS["open"].to_numpy().reshape(3, 300)).ravel(), "follows the return from the next open"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DISGUISES)
def test_a_label_in_disguise_is_named(name: str) -> None:
    values, says = DISGUISES[name]
    column, row, problem = only(BARS.append_column("signal", pa.array(np.asarray(values, dtype=np.float64))))
    assert (column, row) == ("signal", 1)
    assert says in problem


def test_a_feature_that_repeats_the_label_column_is_named() -> None:
    label = pa.array(np.random.default_rng(1).integers(0, 2, 900).astype(float))
    table = BARS.select(["symbol", "timestamp"]).append_column("label", label).append_column("signal", label)
    assert only(table)[2].startswith("follows the column 'label' (rank correlation 1.00")


def test_the_row_is_that_of_the_table_whatever_its_order() -> None:
    table = BARS.append_column("signal", pa.array(ahead(1).to_numpy()))
    column, row, _ = only(table.take(np.arange(899, -1, -1)))
    assert (column, row) == ("signal", 2)


def test_a_strong_planted_signal_is_not_taken_for_the_label() -> None:
    assert not found(market(MarketSpec(symbols=3, days=600, strength=2.0)))


def test_past_returns_and_constant_columns_are_no_labels() -> None:
    past = CLOSE / BARS.to_pandas().groupby("symbol")["close"].shift(1)
    table = BARS.append_column("past", pa.array(past.to_numpy())).append_column("zero", pa.array(np.zeros(900)))
    assert not found(table)


def test_every_file_of_a_folder_is_read_and_named(tmp_path: Path) -> None:
    frame = BARS.to_pandas().drop(columns="known_at")
    frame["Date"] = frame.pop("timestamp").dt.strftime("%Y-%m-%d")
    for symbol, part in frame.groupby("symbol"):
        part.drop(columns="symbol").to_csv(tmp_path / f"{symbol}.csv", index=False)
    read = tables(str(tmp_path))
    assert [Path(name).name for name in read] == ["SYN000.csv", "SYN001.csv", "SYN002.csv"]
    for name, table in read.items():
        assert not data(table, asof=ASOF, name=name).findings
        assert set(table["symbol"].to_pylist()) == {Path(name).stem}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.parquet", b"PAR1 no more", "cannot be read"),
        ("a.csv", b"", "cannot be read"),
        ("a.csv", b"date,close\n", "no rows"),
        ("a.csv", b"date,Close,close\n2024-01-02,1,2\n", "columns close are there twice"),
        ("a.txt", b"x", "holds no .parquet or .csv"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        tables(str(tmp_path / name))


REAL = {
    "daily_ohlcv_5yr": {"open": "(11 rows)", "high": "(8 rows)", "low": "(8 rows)"},
    "intraday_1min": {"timestamp": "(5,075 rows)", "open": "nan", "high": "nan", "low": "nan", "close": "nan"},
    "intraday_5min": {"timestamp": "no time zone"},
    "fx_eurusd_1h": {"timestamp": "no time zone"},
    "news_tone_daily": {"market_vol": "empty in every row", "fed_vol": "empty in every row"},
    "real_sample": {},
    "crypto_btcusdt_1h": {},
    "etf_daily": {},
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", REAL)
def test_known_faults_of_real_files_are_found_and_no_others(shared_data: Path, name: str) -> None:
    [(path, table)] = tables(str(shared_data / f"{name}.parquet")).items()
    findings = {finding.column: finding.problem for finding in found(table, name=path, asof=datetime.now(UTC))}
    assert findings.keys() == REAL[name].keys()
    assert all(says in findings[column] for column, says in REAL[name].items())
