"""The fourteen technical features and MACD, with TA-Lib's conventions, for all symbols of a panel at once.

Sources: Wilder (1978), "New Concepts in Technical Trading Systems" (RSI, ATR); Bollinger (2001),
"Bollinger on Bollinger Bands"; Appel (1979), "The Moving Average Convergence-Divergence Trading
Method". An average is seeded by a plain mean and is NaN until it has seen
enough bars; Wilder's smoothing weighs the newest bar 1 / period, an EMA weighs it 2 / (period + 1).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.panel import bars_first, symbols_first
from components.market.rolling import merged

Floats = npt.NDArray[np.float64]

WARMUP_BARS: Final = 199
"""Bars at the start of a symbol that lack at least one feature: the slowest EMA needs 200."""

WILDER, FAST, SLOW = 14, 50, 200
MACD_FAST, MACD_SLOW, MACD_SIGNAL = 12, 26, 9
BAND_PARTS: Final = (5, 4)
"""The band's 20 bars, as five bars and then four of those fives."""
BAND_STDS: Final = 2.0
NO_WIDTH: Final = 1e-12  # of the price: below it a band is rounding, and its width means nothing


def technical(open: Floats, high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:  # noqa: A002
    """Return the features ``TECHNICAL``, [symbol, bar, 14], of candles given as [symbol, bar].

    Every symbol starts at bar 0 and has no gaps; the end of a shorter one is padded with NaN, which
    stays NaN. Row t is made from bars up to t only. Features are NaN until their warm-up is over.

    Raises:
        ValueError: If the arrays are not all of one shape [symbol, bar].
    """
    opens, highs, lows, closes, volumes = bars_first(open, high, low, close, volume)
    return symbols_first([opens, highs, lows, closes, volumes, *indicator_columns(highs, lows, closes)])


def indicator_columns(high: Floats, low: Floats, close: Floats) -> list[Floats]:
    """Return ``TECHNICAL`` without the prices, each [bar, symbol], of candles [bar, symbol]."""
    return [_rsi(close), _atr(high, low, close), _ema(close, FAST), _ema(close, SLOW), *band_columns(close)]


def macd(close: Floats) -> Floats:
    """Return the features ``MACD``, [symbol, bar, 3]: the line, its signal and their difference.

    The line is the EMA over 12 bars less that over 26, the signal the EMA of the line over 9. As in TA-Lib,
    both EMAs are seeded at bar 25, and all three are NaN before the signal's first value at bar 33.

    Raises:
        ValueError: If ``close`` is not [symbol, bar].
    """
    (closes,) = bars_first(close)
    return symbols_first(macd_columns(closes))


def macd_columns(close: Floats) -> list[Floats]:
    """Return ``MACD``, each [bar, symbol], of closes [bar, symbol]."""
    late = MACD_SLOW - MACD_FAST
    fast = smoothed(close, first=late, period=MACD_FAST, weight=2 / (MACD_FAST + 1))
    line = fast - _ema(close, MACD_SLOW)
    signal = smoothed(line, first=MACD_SLOW - 1, period=MACD_SIGNAL, weight=2 / (MACD_SIGNAL + 1))
    line[: MACD_SLOW + MACD_SIGNAL - 2] = np.nan
    return [line, signal, line - signal]


def smoothed(values: Floats, *, first: int, period: int, weight: float) -> Floats:
    """Return the exponential average along axis 0 of ``values[first:]``, seeded by the mean of ``period`` values.

    NaN before the seed; ``weight`` is that of the newest value.
    """
    result = np.full(values.shape, np.nan)
    seed = first + period - 1
    if seed >= len(values):
        return result
    # A running sum adds in one order whatever the number of symbols, so a panel equals its symbols bit for bit.
    result[seed] = np.cumsum(values[first : seed + 1] * (1 / period), axis=0)[-1]
    for bar in range(seed + 1, len(values)):
        result[bar] = (1 - weight) * result[bar - 1] + weight * values[bar]
    return result


def _ema(values: Floats, period: int) -> Floats:
    return smoothed(values, first=0, period=period, weight=2 / (period + 1))


def _wilder(values: Floats) -> Floats:
    """Smooth ``values``, whose first row, a difference to nothing, is left out."""
    return smoothed(values, first=1, period=WILDER, weight=1 / WILDER)


def _rsi(close: Floats) -> Floats:
    change = np.diff(close, axis=0, prepend=close[:1])
    gain = _wilder(np.maximum(change, 0))
    loss = _wilder(np.maximum(-change, 0))
    return strength(gain, loss)


def strength(gain: Floats, loss: Floats) -> Floats:
    """Return the relative strength index of average gains and losses, in percent; 0 where nothing moved."""
    total = gain + loss
    still = total == 0
    return np.where(still, 0.0, 100 * gain / np.where(still, 1.0, total))


def _atr(high: Floats, low: Floats, close: Floats) -> Floats:
    return _wilder(true_range(high, low, np.vstack([close[:1], close[:-1]])))


def true_range(high: Floats, low: Floats, before: Floats) -> Floats:
    """Return how far the price went in a bar, counted from ``before``, the close of the bar before it."""
    return np.maximum(high - low, np.maximum(np.abs(high - before), np.abs(low - before)))


def band_columns(close: Floats) -> list[Floats]:
    """Return Bollinger's five columns, each [bar, symbol], of closes [bar, symbol].

    They are middle, upper, lower, width (of the middle) and percent: 0 at the lower band, 1 at the upper. A flat
    price has exactly no width.
    """
    five, four = BAND_PARTS
    middle, square = merged(*merged(close, np.zeros_like(close), size=1, parts=five), size=five, parts=four)
    deviation = np.sqrt(square * (1 / (five * four)))
    upper, lower = middle + BAND_STDS * deviation, middle - BAND_STDS * deviation
    flat = upper - lower <= NO_WIDTH * np.abs(middle)
    percent = np.where(flat, 0.5, (close - lower) / np.where(flat, 1.0, upper - lower))
    return [middle, upper, lower, (upper - lower) / middle, percent]
