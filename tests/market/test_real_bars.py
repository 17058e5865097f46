"""Real market data passes the checks, and what is wrong in it is found."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from components.core.errors import DataError
from components.market.adjust import Candles, forward_adjusted
from components.market.readers import read_bars

pytestmark = pytest.mark.realdata
ASOF = datetime(2022, 1, 1, tzinfo=UTC)


def test_hourly_bitcoin_is_read_whole(shared_data: Path) -> None:
    bars = read_bars(str(shared_data / "crypto_btcusdt_1h.parquet"), asof=ASOF)
    assert (bars.table.num_rows, bars.interval, bars.bar_seconds) == (38_348, "intraday", 3_600)
    assert bars.table["timestamp"][0].as_py() == datetime(2017, 8, 17, 4, tzinfo=UTC)


def test_thirty_stocks_are_read_whole(shared_data: Path) -> None:
    bars = read_bars(str(shared_data / "real_sample.parquet"), asof=ASOF)
    assert (bars.table.num_rows, bars.interval, bars.bar_seconds) == (103_947, "daily", 86_400)
    assert len(bars.table["symbol"].unique()) == 30


def test_half_a_century_of_stock_years_is_read_whole(shared_data: Path) -> None:
    bars = read_bars(str(shared_data / "daily_ohlcv.parquet"), asof=ASOF)
    assert bars.table.num_rows == 1_690_852


def test_the_seven_for_one_split_of_apple_leaves_no_jump(shared_data: Path) -> None:
    table = read_bars(str(shared_data / "real_sample.parquet"), symbols=("AAPL",), asof=ASOF).table
    traded = Candles(*(table[name].to_numpy()[None] for name in Candles._fields))
    adjusted = forward_adjusted(traded, table["adj_close"].to_numpy()[None])
    split = int(np.searchsorted(table["timestamp"].to_numpy(), np.datetime64("2014-06-09")))
    assert traded.close[0, split] / traded.close[0, split - 1] < 0.2
    assert adjusted.close[0, split] / adjusted.close[0, split - 1] == pytest.approx(1.016, abs=0.001)
    assert abs(np.diff(np.log(adjusted.close[0]))).max() < 0.2


@pytest.mark.parametrize(
    ("name", "row", "column", "says"),
    [
        ("daily_ohlcv_5yr.parquet", 54_262, "high", "high is below low"),
        ("intraday_1min.parquet", 1_939, "open", "must be a number > 0, was nan"),
        ("intraday_5min.parquet", 1, "timestamp", "no time zone"),
        ("volatility_index_daily.parquet", None, None, "no column volume"),
    ],
)
def test_known_faults_are_found(shared_data: Path, name: str, row: int | None, column: str | None, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read_bars(str(shared_data / name), asof=datetime(2027, 1, 1, tzinfo=UTC))
    assert (caught.value.row, caught.value.column) == (row, column)
