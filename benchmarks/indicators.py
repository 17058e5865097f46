"""The twenty columns ``OWN`` over 500 symbols x 1,260 days, against TA-Lib's loop and the package ``ta``."""

import os
import subprocess
import sys
import tempfile

import measure

# isort: split
import numpy as np
import numpy.typing as npt
import pandas as pd
import ta
import talib

from components.market import own, own_numpy
from components.market.columns import OWN

Floats = npt.NDArray[np.float64]

SYMBOLS, DAYS = 500, 1260
TA_SYMBOLS = 25
ROUNDS = 9
FIRST_CALL = """
import time
start, wall = time.process_time(), time.perf_counter()
from components.market import own
own.kernel()
print(f"{time.process_time() - start:.2f} cpu-s, {time.perf_counter() - wall:.2f} s")
"""


def candles(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return high, low and close, [symbol, bar]."""
    close = 80 * np.cumprod(1 + 0.015 * rng.standard_normal((SYMBOLS, DAYS)), axis=1)
    return close * (1 + 0.01 * rng.random(close.shape)), close * (1 - 0.01 * rng.random(close.shape)), close


def with_talib(high: Floats, low: Floats, close: Floats, out: Floats) -> Floats:
    """Fill ``out`` [symbol, column, bar] by a loop over the symbols."""
    scales = {bars: np.sqrt(252 * bars / (bars - 1)) for bars in (21, 63)}
    for h, l, c, row in zip(high, low, close, out, strict=True):  # noqa: E741
        row[0], row[1], row[2], row[3] = talib.RSI(c, 14), talib.ATR(h, l, c, 14), talib.EMA(c, 50), talib.EMA(c, 200)
        upper, middle, lower = talib.BBANDS(c, 20, 2.0, 2.0)
        row[4], row[5], row[6] = middle, upper, lower
        row[7], row[8] = (upper - lower) / middle, (c - lower) / (upper - lower)
        row[9], row[10], row[11] = talib.MACD(c, 12, 26, 9)
        row[12], row[13], row[14], row[15] = (talib.ROCP(c, bars) for bars in (1, 5, 21, 63))
        for place, bars in enumerate((21, 63)):
            row[16 + place, 0] = np.nan
            row[16 + place, 1:] = talib.STDDEV(row[12, 1:], bars) * scales[bars]
            row[18 + place] = c / talib.MAX(c, bars) - 1
    return out


def with_ta(high: Floats, low: Floats, close: Floats) -> list[list[pd.Series]]:
    """Return the sixteen columns that ``ta`` has, per symbol: all but volatility and drawdown."""
    result: list[list[pd.Series]] = []
    for h, l, c in zip(*(map(pd.Series, values[:TA_SYMBOLS]) for values in (high, low, close)), strict=True):  # noqa: E741
        bands = ta.volatility.BollingerBands(c, 20, 2)
        macd = ta.trend.MACD(c, 26, 12, 9)
        columns = [
            ta.momentum.RSIIndicator(c, 14).rsi(),
            ta.volatility.AverageTrueRange(h, l, c, 14).average_true_range(),
            *(ta.trend.EMAIndicator(c, bars).ema_indicator() for bars in (50, 200)),
            bands.bollinger_mavg(),
            bands.bollinger_hband(),
            bands.bollinger_lband(),
            bands.bollinger_wband(),
            bands.bollinger_pband(),
            macd.macd(),
            macd.macd_signal(),
            macd.macd_diff(),
            *(ta.momentum.ROCIndicator(c, bars).roc() for bars in (1, 5, 21, 63)),
        ]
        result.append(columns)
    return result


def first_calls() -> None:
    """Print what the first use of the kernel costs a process, without and with its compiled code in a cache."""
    with tempfile.TemporaryDirectory() as cache:
        for title in ("first use, compiled anew", "first use, from the cache"):
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
            found = subprocess.run(
                [sys.executable, "-c", FIRST_CALL], env=environment, check=True, capture_output=True, text=True
            )
            print(f"{title}: {found.stdout.strip()}")


def main() -> None:
    """Measure and print."""
    first_calls()
    high, low, close = candles(np.random.default_rng(0))
    kernel = own.kernel()
    if kernel is None:
        raise SystemExit("numba is not installed: pip install quantfoundry[bench]")
    shape, rows = (SYMBOLS, len(OWN), DAYS), SYMBOLS * DAYS
    mine, theirs = np.empty(shape), np.empty(shape)

    def again() -> None:
        kernel.advance(high, low, close, own.begin(SYMBOLS), mine)

    contenders = {
        "kernel, memory reused": measure.Contender(again, rows, len(OWN)),
        "TA-Lib loop, memory reused": measure.Contender(lambda: with_talib(high, low, close, theirs), rows, len(OWN)),
        "kernel, new memory (own_features)": measure.Contender(
            lambda: own.own_features(high, low, close), rows, len(OWN)
        ),
        "TA-Lib loop, new memory": measure.Contender(
            lambda: with_talib(high, low, close, np.empty(shape)), rows, len(OWN)
        ),
        "numpy definition": measure.Contender(lambda: own_numpy.whole(high, low, close), rows, len(OWN), 3),
        f"ta, {TA_SYMBOLS} symbols": measure.Contender(lambda: with_ta(high, low, close), TA_SYMBOLS * DAYS, 16),
    }
    results = measure.measure(contenders, rounds=ROUNDS)
    np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)
    pairs = {
        "kernel, memory reused": "TA-Lib loop, memory reused",
        "kernel, new memory (own_features)": "TA-Lib loop, new memory",
        "numpy definition": "TA-Lib loop, new memory",
    }
    measure.show(f"Indicators, {SYMBOLS} symbols x {DAYS} days, float64", results, against=pairs)
    slowest = f"ta, {TA_SYMBOLS} symbols"
    for name in ("kernel, memory reused", "kernel, new memory (own_features)"):
        print(f"  {name} / {slowest}: {measure.ratio(results[name], results[slowest]):.0f}x per cell")
    appended(high, low, close)


def appended(high: Floats, low: Floats, close: Floats) -> None:
    """Print what the last bars of all symbols cost when they are appended, and when all is computed anew."""
    contenders = {"recompute": measure.Contender(lambda: own.own_features(high, low, close), SYMBOLS)}
    for bars in (1, 5, 21, 63):
        _, state = own.append(own.begin(SYMBOLS), high[:, :-bars], low[:, :-bars], close[:, :-bars])
        new = [np.ascontiguousarray(values[:, -bars:]) for values in (high, low, close)]
        contenders[f"append {bars} bars"] = measure.Contender(
            lambda state=state, new=new: own.append(state, *new), SYMBOLS
        )
    results = measure.measure(contenders, rounds=25)
    print(f"\nNew bars of {SYMBOLS} symbols")
    for name, result in results.items():
        micros = 1e6 * sorted(result.cpu_s)[len(result.cpu_s) // 2]
        print(f"{name:20}{micros:10.0f} us   recompute / this: {measure.ratio(result, results['recompute']):.0f}x")


if __name__ == "__main__":
    main()
