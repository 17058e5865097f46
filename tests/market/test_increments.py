"""A second ingest: what is new is added, what is restated is refused or recorded."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.core.errors import DataError
from components.market.bars import SCHEMA
from components.market.increments import Increment, merge
from components.market.readers import read_bars
from components.market.synthetic import MarketSpec, market

ASOF = datetime(2025, 3, 1, tzinfo=UTC)
WHOLE = market(MarketSpec(symbols=3, days=400))
DAY = np.tile(np.arange(400), 3)


def days(first: int, last: int, table: pa.Table = WHOLE) -> pa.Table:
    return table.filter(pa.array((first <= DAY) & (last > DAY)))


def edited(table: pa.Table, **values: object) -> pa.Table:
    """Return the table with columns changed by functions of the frame."""
    frame = table.to_pandas()
    return pa.Table.from_pandas(frame.assign(**values), schema=SCHEMA, preserve_index=False)


def merged(previous: pa.Table, new: pa.Table, **options: object) -> Increment:
    return merge(previous, new, **({"asof": ASOF, "file": "new.parquet"} | options))


def test_a_longer_file_adds_only_what_is_new() -> None:
    added, restated, withdrawn = merged(days(0, 390), WHOLE)
    assert added.equals(days(390, 400))
    assert (restated.num_rows, withdrawn.num_rows) == (0, 0)


def test_the_same_file_adds_nothing_and_a_single_new_day_adds_itself() -> None:
    assert [table.num_rows for table in merged(WHOLE, WHOLE)] == [0, 0, 0]
    assert merged(days(0, 399), days(399, 400)).added.equals(days(399, 400))


def test_a_new_symbol_is_added_whole() -> None:
    known = WHOLE.filter(pa.array(WHOLE["symbol"].to_numpy(zero_copy_only=False) != "SYN001"))
    assert merged(known, WHOLE).added["symbol"].unique().to_pylist() == ["SYN001"]


def corrected(table: pa.Table, row: int, by: float = 1.01) -> pa.Table:
    return edited(table, high=lambda frame: frame["high"].where(np.arange(len(frame)) != row, frame["high"] * by))


def test_a_corrected_bar_is_recorded_as_known_from_now() -> None:
    added, restated, _ = merged(days(0, 390), corrected(WHOLE, 500))
    assert added.num_rows == 30
    assert restated.select(["symbol", "timestamp"]).equals(WHOLE.slice(500, 1).select(["symbol", "timestamp"]))
    assert restated["known_at"][0].as_py() == ASOF
    assert restated["high"][0].as_py() == WHOLE["high"][500].as_py() * 1.01
    # The next ingest of the same file compares with the correction, and finds nothing.
    known = pa.concat_tables([days(0, 390), added, restated])
    assert [table.num_rows for table in merged(known, corrected(WHOLE, 500))] == [0, 0, 0]


def test_another_history_is_refused_unless_allowed() -> None:
    other = edited(WHOLE, volume=lambda frame: frame["volume"] + (np.arange(len(frame)) % 100 == 7))
    with pytest.raises(DataError, match=r"12 of 1170 past rows restated and 0 withdrawn \(at most 0\.10%\)") as caught:
        merged(days(0, 390), other)
    assert caught.value.column == "volume"
    assert f"SYN000 {WHOLE['timestamp'][7].as_py():%Y-%m-%dT%H:%M}Z was" in str(caught.value)
    assert "allow restated rows" in str(caught.value)
    added, restated, _ = merged(days(0, 390), other, allow_restated=True)
    assert (added.num_rows, restated.num_rows) == (30, 12)
    assert merged(days(0, 390), other, max_restated_share=0.02).restated.num_rows == 12


def test_bars_that_vanish_inside_the_new_file_are_refused() -> None:
    gaps = WHOLE.filter(pa.array(~np.isin(DAY, (200, 201))))
    with pytest.raises(DataError, match="0 of 1200 past rows restated and 6 withdrawn"):
        merged(WHOLE, gaps)
    assert merged(WHOLE, gaps, allow_restated=True).withdrawn.num_rows == 6
    assert merged(WHOLE, days(10, 390)).withdrawn.num_rows == 0  # a shorter file withdraws nothing


def rescaled(factor: float) -> pa.Table:
    """Return the market after a dividend on its last days: all adjusted closes before day 395 move together."""
    return edited(WHOLE, adj_close=lambda frame: (frame["close"] * np.where(DAY < 395, factor, 1.0)).round(4))


def test_a_dividend_moves_the_whole_series_and_restates_nothing() -> None:
    added, restated, _ = merged(days(0, 390), rescaled(0.98))
    assert restated.num_rows == 0
    joined = pa.concat_tables([days(0, 390), added]).to_pandas().sort_values(["symbol", "timestamp"])
    moves = joined.groupby("symbol")["adj_close"].pct_change().to_numpy()
    truth = rescaled(0.98).to_pandas().groupby("symbol")["adj_close"].pct_change().to_numpy()
    np.testing.assert_allclose(moves, truth, atol=3e-5)  # prices near 5 with four decimals
    assert np.nanmax(np.abs(moves - WHOLE.to_pandas().groupby("symbol")["close"].pct_change())) > 0.019


def test_an_adjusted_close_that_moves_alone_is_restated() -> None:
    other = edited(WHOLE, adj_close=lambda frame: frame["adj_close"].where(DAY != 100, frame["adj_close"] * 1.05))
    with pytest.raises(DataError, match=r"3 of 1200 .* was .*, is ") as caught:
        merged(WHOLE, other)
    assert caught.value.column == "adj_close"


def test_adjusted_closes_without_a_bar_in_common_are_refused() -> None:
    with pytest.raises(DataError, match=r"SYN000, SYN001, SYN002: no bar in common.*overlaps by a bar"):
        merged(days(0, 399, rescaled(0.98)), days(399, 400, rescaled(0.98)))


@pytest.mark.realdata
def test_real_stocks_grow_by_a_day(shared_data: Path) -> None:
    bars = read_bars(str(shared_data / "real_sample.parquet"), asof=datetime(2022, 1, 1, tzinfo=UTC)).table
    last = bars["timestamp"].to_numpy().max()
    before = bars.filter(pa.array(bars["timestamp"].to_numpy() < last))
    added, restated, withdrawn = merged(before, bars)
    assert (added.num_rows, restated.num_rows, withdrawn.num_rows) == (30, 0, 0)
    assert added.equals(bars.filter(pa.array(bars["timestamp"].to_numpy() == last)))
    assert pd.Timestamp(last).date().isoformat() == "2021-04-21"
