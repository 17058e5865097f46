"""``qf probe data`` of tables that are no bars, and of two sources: what is printed, and the code it leaves with."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from cli.main import qf
from components.core.errors import BAD_DATA, DataError

DAYS = pd.date_range("2024-01-01", periods=5)


def written(folder: Path, file: str, **columns: object) -> str:
    path = folder / f"{file}.parquet"
    pq.write_table(pa.table(columns), path)
    return str(path)


def probe(*arguments: str) -> Result:
    return CliRunner().invoke(qf, ["probe", "data", *arguments])


def test_quirks_are_printed_with_counts_examples_and_the_clean_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "news", date=DAYS.delete(2), news_sentiment=[0.1, 0.2, np.nan, 0.4])
    result = probe(path)
    assert result.exit_code == BAD_DATA
    lines = result.output.splitlines()
    assert lines[0] == (
        f"{path}: news sentiment, 4 rows: 3 clean, 0 with an error, 1 with a warning, 0 with only a note"
    )
    assert (
        f"{path}: warning absent_day: column 'date': Day of the calendar without a row: 1, first 2024-01-03. "
        "Carry the last value, and say so"
    ) in lines
    assert any("warning missing_value: row 3, column 'news_sentiment'" in line for line in lines)


def test_notes_alone_leave_with_nought(tmp_path: Path) -> None:
    days = pd.to_datetime(["2010-01-04", "2010-01-05"])
    path = written(tmp_path, "yields", date=days, y_1m=[0.0, 0.1], y_2y=[1.0, 1.0], y_10y=[3.0, 3.0])
    result = probe(path)
    assert result.exit_code == 0
    assert f"note {path}: zero_yield: row 1, column 'y_1m': Yield of 0.00 %: 1, first" in result.output


def test_a_list_without_times_is_probed_by_its_kind(tmp_path: Path) -> None:
    path = written(tmp_path, "list", list=["a", "a"], symbol=["X", "X"], name=["x", "x"], sector=["Energy"] * 2)
    result = probe(path)
    assert result.exit_code == BAD_DATA
    assert "error repeated_key: row 2, column 'list': Row with the key of an earlier one: 1, first a X" in (
        result.output
    )


def test_contracts_of_a_chain_are_told_apart_without_being_asked(tmp_path: Path) -> None:
    num = 60
    path = written(
        tmp_path, "chain", date=["2024-01-02"] * num, underlying=["X"] * num, expiration=["2024-02-16"] * num,
        type=["call"] * num, strike=np.arange(1.0, num + 1), bid=[1.0] * num, ask=[1.1] * num,
        underlying_price=[50.0] * num,
    )  # fmt: skip
    result = probe(path)
    assert (result.exit_code, result.output.splitlines()[0]) == (
        0, f"{path}: option chain, 60 rows: 60 clean, 0 with an error, 0 with a warning, 0 with only a note"
    )  # fmt: skip


def test_an_unknown_kind_is_said(tmp_path: Path) -> None:
    result = probe(written(tmp_path, "other", date=DAYS, price=np.arange(5.0)))
    assert result.exit_code == 0
    assert "of no known kind of table" in result.output


def test_two_sources_are_compared_with_the_summary_first(tmp_path: Path) -> None:
    closes = np.array([10.0, 11.0, 12.0, 13.0, 14.0])
    one = written(
        tmp_path, "one", symbol=["A"] * 5 + ["B"] * 5, date=DAYS.append(DAYS), close=np.tile(closes, 2)
    )  # fmt: skip
    split = closes * np.array([2, 2, 2, 1, 1])
    two = written(
        tmp_path, "two", symbol=["A"] * 5 + ["C"] * 5, date=DAYS.append(DAYS), close=np.concatenate([split, closes])
    )
    result = probe(one, "--against", two)
    assert result.exit_code == BAD_DATA
    assert result.output.splitlines() == [
        f"{one}: {two} has 1 of 2 names",
        f"{one}: closes (close against close) of 1 shared symbols, 5 rows: 40.0% equal within 0.1 %, returns apart by "
        "more than 0.5 % on 1; symbols: 0 another series, 1 a factor parts them, 0 equal on nearly all days",
        f"{one}: against: column 'symbol': {two} lacks 1 of 2: B. Load them, or leave them out of the list",
        f"{one}: against: column 'close': A: a factor parts them, 5 days, 40.0% equal, factor 0.5, returns apart on 1. "
        "One source takes a split, spin-off or dividend into account: adjust both alike",
        f"note {one}: {two} alone has 1: C",
        f"checked {one}: 10 rows against 10, shared names: 1",
        "2 findings",
    ]
    assert probe(one, "--against", one).exit_code == 0


def test_a_table_without_names_cannot_be_compared(tmp_path: Path) -> None:
    news = written(tmp_path, "news", date=DAYS, news_sentiment=np.zeros(5))
    with pytest.raises(DataError, match="no column symbol or underlying"):
        raise probe(news, "--against", news).exception or AssertionError


def test_actions_with_a_day_that_is_none_and_files_that_are_not_alike_are_refused(tmp_path: Path) -> None:
    bars = written(tmp_path, "bars", symbol=["A"] * 5, date=DAYS, close=np.arange(1.0, 6), dividend=np.zeros(5))
    actions = written(
        tmp_path, "actions", symbol=["A"] * 2, date=["2024-01-02", "May"], type=["dividend"] * 2, value=[1.0, 1.0]
    )
    assert "row 2, column 'date': not a day" in str(probe(actions, "--against", bars).exception)
    folder = tmp_path / "unlike"
    folder.mkdir()
    written(folder, "one", symbol=["A"], close=[1.0])
    written(folder, "two", symbol=["A"], close=["high"])
    assert "the files are not alike" in str(probe(str(folder), "--against", bars).exception)


def test_an_empty_column_is_told_once_by_the_rules_of_its_kind(tmp_path: Path) -> None:
    tones = {f"{theme}_tone": np.zeros(5) for theme in ("market", "fed", "macro", "trade_geo", "big_tech", "ai_chips")}
    lines = probe(written(tmp_path, "tone", date=DAYS, **tones, fed_vol=np.full(5, np.nan))).output.splitlines()
    [told] = [line for line in lines if "'fed_vol'" in line]
    assert "warning empty_column" in told
    assert lines[-1] == "1 finding"
    [plain] = [
        line
        for line in probe(written(tmp_path, "other", date=DAYS, a=np.full(5, np.nan))).output.splitlines()
        if "'a'" in line
    ]
    assert "empty in every row" in plain
