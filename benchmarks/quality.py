"""Reading and checking real bars: ``read_bars``, against pandas doing the same checks, vectorised.

Both read one parquet file of daily bars (symbol, date, OHLC, adj_close, volume), check every row for a bad symbol,
a future or empty date, prices and volume that are no numbers in range, highs below lows, open or close outside them and
repeated keys, and return a sorted table with knowledge times.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import measure

# isort: split
import numpy as np
import pandas as pd

from components.core.files import SYMBOL
from components.market.bars import OHLC, SCHEMA
from components.market.checks import OUTSIDE_TOLERANCE
from components.market.readers import read_bars

ROUNDS = 7
ASOF = datetime(2026, 1, 1, tzinfo=UTC)


def with_pandas(path: str) -> pd.DataFrame:
    """Return the sorted bars, or raise where a row is faulty."""
    columns = ["symbol", "date", *OHLC, "adj_close", "volume"]
    frame = pd.read_parquet(path, columns=columns).astype({"symbol": "category"})
    bad = ~frame["symbol"].isin([name for name in frame["symbol"].cat.categories if SYMBOL.fullmatch(name)])
    bad |= frame["date"].isna() | (frame["date"] > ASOF.replace(tzinfo=None))
    for name in (*OHLC, "adj_close"):
        bad |= ~(np.isfinite(frame[name]) & (frame[name] > 0))
    bad |= ~(np.isfinite(frame["volume"]) & (frame["volume"] >= 0)) | (frame["high"] < frame["low"])
    top, bottom = frame["high"] * (1 + OUTSIDE_TOLERANCE), frame["low"] * (1 - OUTSIDE_TOLERANCE)
    for name in ("open", "close"):
        bad |= (frame[name] > top) | (frame[name] < bottom)
    bad |= frame.duplicated(["symbol", "date"])
    if bad.any():
        raise SystemExit(f"{int(bad.sum())} faulty rows")
    frame = frame.sort_values(["symbol", "date"], ignore_index=True)
    frame["timestamp"] = frame.pop("date").astype("datetime64[us]").dt.tz_localize("UTC")
    return frame.assign(known_at=frame["timestamp"] + pd.Timedelta(hours=22))


def ours(path: str) -> object:
    """Return the checked bars."""
    return read_bars(path, asof=ASOF)


def main(path: str) -> None:
    """Measure and print."""
    table, peer = read_bars(path, asof=ASOF).table, with_pandas(path)
    for name in SCHEMA.names:
        np.testing.assert_array_equal(table[name].to_pandas().to_numpy(), peer[name].to_numpy(), err_msg=name)
    contenders = {"read_bars": ours, "pandas, vectorised": with_pandas}
    results = measure.measure(
        {
            title: measure.Contender(lambda run=run: run(path), table.num_rows, len(SCHEMA.names))
            for title, run in contenders.items()
        },
        rounds=ROUNDS,
    )
    title = f"Checked bars of {Path(path).name}: {table.num_rows} rows"
    measure.show(title, results, against={"read_bars": "pandas, vectorised"})
    for name, flag in (("read_bars", "--ours"), ("pandas, vectorised", "--pandas")):
        peak = measure.peak_alone_mib(__file__, flag, path)
        print(f"  peak of a process that does only this: {name} {peak:.0f} MiB")


if __name__ == "__main__":
    if len(sys.argv) == 3:  # noqa: PLR2004 - a job on its own, for its memory
        job = {"--ours": ours, "--pandas": with_pandas}[sys.argv[1]]
        measure.run_alone(lambda: job(sys.argv[2]))
    elif len(sys.argv) == 2:  # noqa: PLR2004
        main(sys.argv[1])
    else:
        raise SystemExit("usage: quality.py FILE.parquet")
