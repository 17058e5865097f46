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

Floats = npt.NDArray[np.float64]

WARMUP_BARS: Final = 199
"""Bars at the start of a symbol that lack at least one feature: the slowest EMA needs 200."""

_WILDER, _FAST, _SLOW = 14, 50, 200
_MACD_FAST, _MACD_SLOW, _MACD_SIGNAL = 12, 26, 9
_BAND, _BAND_STDS = 20, 2.0
_NO_WIDTH = 1e-12  # of the price: below it a band is rounding, and its width means nothing


def technical(open: Floats, high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:  # noqa: A002
    """Return the features ``TECHNICAL``, [symbol, bar, 14], of candles given as [symbol, bar].

    Every symbol starts at bar 0 and has no gaps; the end of a shorter one is padded with NaN, which
    stays NaN. Row t is made from bars up to t only. Features are NaN until their warm-up is over.

    Raises:
        ValueError: If the arrays are not all of one shape [symbol, bar].
    """
    opens, highs, lows, closes, volumes = bars_first(open, high, low, close, volume)
    return symbols_first(
        [
            opens,
            highs,
            lows,
            closes,
            volumes,
            _rsi(closes),
            _atr(highs, lows, closes),
            _ema(closes, _FAST),
            _ema(closes, _SLOW),
            *_bands(closes),
        ]
    )


def macd(close: Floats) -> Floats:
    """Return the features ``MACD``, [symbol, bar, 3]: the line, its signal and their difference.

    The line is the EMA over 12 bars less that over 26, the signal the EMA of the line over 9. As in TA-Lib,
    both EMAs are seeded at bar 25, and all three are NaN before the signal's first value at bar 33.

    Raises:
        ValueError: If ``close`` is not [symbol, bar].
    """
    (closes,) = bars_first(close)
    late = _MACD_SLOW - _MACD_FAST
    fast = _smoothed(closes, first=late, period=_MACD_FAST, weight=2 / (_MACD_FAST + 1))
    line = fast - _ema(closes, _MACD_SLOW)
    signal = _smoothed(line, first=_MACD_SLOW - 1, period=_MACD_SIGNAL, weight=2 / (_MACD_SIGNAL + 1))
    line[: _MACD_SLOW + _MACD_SIGNAL - 2] = np.nan
    return symbols_first([line, signal, line - signal])


def _smoothed(values: Floats, *, first: int, period: int, weight: float) -> Floats:
    """Return the exponential average along axis 0 of ``values[first:]``, seeded by the mean of ``period`` values."""
    result = np.full(values.shape, np.nan)
    seed = first + period - 1
    if seed >= len(values):
        return result
    # A running sum adds in one order whatever the number of symbols, so a panel equals its symbols bit for bit.
    result[seed] = np.cumsum(values[first : seed + 1], axis=0)[-1] / period
    for bar in range(seed + 1, len(values)):
        result[bar] = result[bar - 1] + weight * (values[bar] - result[bar - 1])
    return result


def _ema(values: Floats, period: int) -> Floats:
    return _smoothed(values, first=0, period=period, weight=2 / (period + 1))


def _wilder(values: Floats) -> Floats:
    """Smooth ``values``, whose first row, a difference to nothing, is left out."""
    return _smoothed(values, first=1, period=_WILDER, weight=1 / _WILDER)


def _rsi(close: Floats) -> Floats:
    change = np.diff(close, axis=0, prepend=close[:1])
    gain = _wilder(np.maximum(change, 0))
    loss = _wilder(np.maximum(-change, 0))
    total = gain + loss
    still = total == 0  # TA-Lib: no move at all is an RSI of 0
    return np.where(still, 0.0, 100 * gain / np.where(still, 1.0, total))


def _atr(high: Floats, low: Floats, close: Floats) -> Floats:
    before = np.vstack([close[:1], close[:-1]])
    return _wilder(np.maximum(high - low, np.maximum(np.abs(high - before), np.abs(low - before))))


def _bands(close: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return Bollinger's middle, upper, lower, width (of the middle) and percent (0 at the lower band, 1 at the upper).

    The window is summed as differences from its last close, so a flat price has exactly no width.
    """
    middle, deviation = np.full(close.shape, np.nan), np.full(close.shape, np.nan)
    last = close[_BAND - 1 :]
    if len(last) > 0:
        offsets = [close[start : start + len(last)] - last for start in range(_BAND)]
        mean: Floats = sum(offsets, np.zeros_like(last)) / _BAND
        variance: Floats = sum(((offset - mean) ** 2 for offset in offsets), np.zeros_like(last)) / _BAND
        middle[_BAND - 1 :] = last + mean
        deviation[_BAND - 1 :] = np.sqrt(variance)
    upper, lower = middle + _BAND_STDS * deviation, middle - _BAND_STDS * deviation
    flat = upper - lower <= _NO_WIDTH * np.abs(middle)
    percent = np.where(flat, 0.5, (close - lower) / np.where(flat, 1.0, upper - lower))
    return middle, upper, lower, (upper - lower) / middle, percent
