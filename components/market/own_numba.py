"""The columns ``OWN`` by a compiled kernel: the same operations, in the same order, as the numpy definition.

A symbol's bars pass in tiles that fit the cache, behind the last bars of the tile before. What has no
memory is computed for 4 or 8 bars at once; of each average only the recurrence itself is left to one
scalar loop over all of them. No fast-math: results equal the definition's bit for bit.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false, reportUnknownArgumentType=false

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.market.averages import AVERAGES, COEFFICIENTS, WARM_BARS, IndicatorState
from components.market.columns import OWN
from components.market.compiled import jit as _jit
from components.market.indicators import BAND_PARTS, BAND_STDS, NO_WIDTH
from components.market.returns import BARS_PER_YEAR, MONTH, QUARTER, RETURN_BARS, SEVEN

Floats = npt.NDArray[np.float64]

BEFORE: Final = QUARTER
"""Closes of earlier bars that the longest window needs."""
_TILE: Final = 1280
_WIDTH: Final = BEFORE + _TILE
_ROWS: Final = tuple(row * _WIDTH for row in range(17))
_CLOSE, _MOVE, _GAIN, _LOSS, _RANGE, _TOP7, _TOP21, *_MOMENTS = _ROWS
_MEAN5, _SQUARE5, _MEAN20, _SQUARE20, _MEAN7, _SQUARE7, _MEAN21, _SQUARE21, _MEAN63, _SQUARE63 = _MOMENTS
_FIVE, _FOUR = BAND_PARTS
_THREE: Final = MONTH // SEVEN
_SEVENS_BACK: Final = QUARTER - SEVEN
_MONTHS_BACK: Final = QUARTER - MONTH
"""How long before a bar the first seven, and the first month, of its 63 end."""
_WEEK: Final = RETURN_BARS[1]
_MONTH_YEAR, _QUARTER_YEAR = BARS_PER_YEAR / (MONTH - 1), BARS_PER_YEAR / (QUARTER - 1)
_W14, _, _, _W50, _W200, _W12, _W26, _W9 = (average.weight for average in AVERAGES)
_SEEDS: Final = np.array([average.seed for average in AVERAGES])
_RSI, _ATR, _E50, _E200, _MIDDLE, _UPPER, _LOWER, _BWIDTH, _PERCENT, _LINE, _SIGNAL, _HIST = range(12)
_R1, _R5, _R21, _R63, _V21, _V63, _D21, _D63 = range(12, len(OWN))
_WAITS: Final = np.array([[_RSI, 0], [_ATR, 2], [_E50, 3], [_E200, 4], [_LINE, 7], [_SIGNAL, 7], [_HIST, 7]])
"""Columns that are NaN until an average has its first value."""


@_jit
def _larger(one: float, other: float) -> float:
    """Return the larger; NaN if one is, as ``np.maximum`` does."""
    return one if (one > other or math.isnan(one)) else other


def _merging(source: tuple[int, int], target: tuple[int, int], *, size: int, parts: int, start: int) -> Any:
    """Return ``rolling.merged`` over rows of the work space, for the positions from ``start``.

    Each has a name of its own: numba numbers the kernels of one name in its cache, and two processes that
    compile at the same time give one number to different kernels.
    """
    means, squares = source
    new_means, new_squares = target
    share = 1 / parts

    def merge(work: Floats, count: int) -> None:
        for i in range(BEFORE - start + count):
            p = start + i
            newest = work[means + p]
            total = work[squares + p] if size > 1 else 0.0
            shift = 0.0
            spread = 0.0
            for part in range(1, parts):
                difference = work[means + p - part * size] - newest
                shift += difference
                spread += difference * difference
                if size > 1:
                    total += work[squares + p - part * size]
            shift *= share
            work[new_means + p] = newest + shift
            work[new_squares + p] = total + size * (spread - parts * shift * shift)

    merge.__qualname__ = f"merge_{size}_{parts}"
    return _jit(merge)


_fives = _merging((_CLOSE, _CLOSE), (_MEAN5, _SQUARE5), size=1, parts=_FIVE, start=BEFORE - (_FOUR - 1) * _FIVE)
_twenties = _merging((_MEAN5, _SQUARE5), (_MEAN20, _SQUARE20), size=_FIVE, parts=_FOUR, start=BEFORE)
_sevens = _merging((_MOVE, _MOVE), (_MEAN7, _SQUARE7), size=1, parts=SEVEN, start=BEFORE - _SEVENS_BACK)
_months = _merging((_MEAN7, _SQUARE7), (_MEAN21, _SQUARE21), size=SEVEN, parts=_THREE, start=BEFORE - _MONTHS_BACK)
_quarters = _merging((_MEAN21, _SQUARE21), (_MEAN63, _SQUARE63), size=MONTH, parts=_THREE, start=BEFORE)


@_jit
def _bands(work: Floats, out: Floats, start: int, count: int) -> None:
    """Fill ``out`` [column, bar] with Bollinger's columns."""
    middles = out[_MIDDLE, start:]
    uppers = out[_UPPER, start:]
    lowers = out[_LOWER, start:]
    widths = out[_BWIDTH, start:]
    percents = out[_PERCENT, start:]
    for i in range(count):
        p = BEFORE + i
        middle = work[_MEAN20 + p]
        deviation = math.sqrt(work[_SQUARE20 + p] * (1 / (_FIVE * _FOUR)))
        upper = middle + BAND_STDS * deviation
        lower = middle - BAND_STDS * deviation
        width = upper - lower
        middles[i] = middle
        uppers[i] = upper
        lowers[i] = lower
        widths[i] = width / middle
        percents[i] = 0.5 if width <= NO_WIDTH * abs(middle) else (work[_CLOSE + p] - lower) / width


@_jit
def _returns(work: Floats, out: Floats, start: int, count: int) -> None:
    """Fill ``out`` with the returns and volatilities."""
    day = out[_R1, start:]
    week = out[_R5, start:]
    month = out[_R21, start:]
    quarter = out[_R63, start:]
    for i in range(count):
        p = BEFORE + i
        close = work[_CLOSE + p]
        day[i] = work[_MOVE + p]
        week[i] = close / work[_CLOSE + p - _WEEK] - 1
        month[i] = close / work[_CLOSE + p - MONTH] - 1
        quarter[i] = close / work[_CLOSE + p - QUARTER] - 1
    month, quarter = out[_V21, start:], out[_V63, start:]
    for i in range(count):
        p = BEFORE + i
        month[i] = math.sqrt(work[_SQUARE21 + p] * _MONTH_YEAR)
        quarter[i] = math.sqrt(work[_SQUARE63 + p] * _QUARTER_YEAR)


@_jit
def _tops(work: Floats, out: Floats, start: int, count: int) -> None:
    """Fill ``out`` with the drawdowns; a maximum over 63 bars is that of three over 21, each of three over 7."""
    month = out[_D21, start:]
    quarter = out[_D63, start:]
    for i in range(_SEVENS_BACK + count):
        p = BEFORE - _SEVENS_BACK + i
        early = _larger(_larger(work[_CLOSE + p - 6], work[_CLOSE + p - 5]), work[_CLOSE + p - 4])
        late = _larger(_larger(work[_CLOSE + p - 3], work[_CLOSE + p - 2]), work[_CLOSE + p - 1])
        work[_TOP7 + p] = _larger(_larger(early, late), work[_CLOSE + p])
    for i in range(_MONTHS_BACK + count):
        p = BEFORE - _MONTHS_BACK + i
        work[_TOP21 + p] = _larger(_larger(work[_TOP7 + p], work[_TOP7 + p - SEVEN]), work[_TOP7 + p - 2 * SEVEN])
    for i in range(count):
        p = BEFORE + i
        top = work[_TOP21 + p]
        month[i] = work[_CLOSE + p] / top - 1
        top = _larger(_larger(top, work[_TOP21 + p - MONTH]), work[_TOP21 + p - 2 * MONTH])
        quarter[i] = work[_CLOSE + p] / top - 1


@_jit
def _moves(work: Floats, high: Floats, low: Floats, count: int, bars: int) -> None:
    """Compute one-bar returns, gains, losses and true ranges; at a symbol's first bar the last three count for 0."""
    for i in range(BEFORE - 1 + count):
        work[_MOVE + 1 + i] = work[_CLOSE + 1 + i] / work[_CLOSE + i] - 1
    for i in range(count):
        p = BEFORE + i
        before = work[_CLOSE + p - 1]
        change = work[_CLOSE + p] - before
        work[_GAIN + p] = 0.0 if change < 0 else change
        work[_LOSS + p] = 0.0 if change > 0 else -change
        reach = _larger(abs(high[i] - before), abs(low[i] - before))
        work[_RANGE + p] = _larger(high[i] - low[i], reach)
    if bars == 0:
        work[_GAIN + BEFORE] = 0.0
        work[_LOSS + BEFORE] = 0.0
        work[_RANGE + BEFORE] = 0.0


@_jit
def _warm(work: Floats, out: Floats, count: int, bars: int, state: Floats) -> int:
    """Run the averages up to ``WARM_BARS``, bar by bar with their coefficients; return how many bars that were."""
    num = min(count, max(0, WARM_BARS - bars))
    if num == 0:  # an append of one bar would pay more for the array below than for its averages
        return 0
    decays, weights = COEFFICIENTS
    values = np.zeros(len(AVERAGES))
    for i in range(num):
        p = BEFORE + i
        values[0], values[1], values[2] = work[_GAIN + p], work[_LOSS + p], work[_RANGE + p]
        values[3:7] = work[_CLOSE + p]
        for average in range(7):
            state[average] = decays[bars + i, average] * state[average] + weights[bars + i, average] * values[average]
        values[7] = state[5] - state[6]
        state[7] = decays[bars + i, 7] * state[7] + weights[bars + i, 7] * values[7]
        work[_GAIN + p], work[_LOSS + p] = state[0], state[1]
        out[_ATR, i], out[_E50, i], out[_E200, i] = state[2], state[3], state[4]
        out[_LINE, i], out[_SIGNAL, i] = values[7], state[7]
    return num


@_jit
def _steady(work: Floats, out: Floats, start: int, span: tuple[int, int], state: Floats) -> None:
    """Run the averages over the bars of ``span``: eight recurrences at once hide each other's latency."""
    ranges = out[_ATR, start:]
    fast = out[_E50, start:]
    slow = out[_E200, start:]
    lines = out[_LINE, start:]
    signals = out[_SIGNAL, start:]
    gain, loss, spread, e50, e200, e12, e26, signal = state
    for i in range(span[0], span[1]):
        p = BEFORE + i
        close = work[_CLOSE + p]
        gain = (1 - _W14) * gain + _W14 * work[_GAIN + p]
        loss = (1 - _W14) * loss + _W14 * work[_LOSS + p]
        spread = (1 - _W14) * spread + _W14 * work[_RANGE + p]
        e50 = (1 - _W50) * e50 + _W50 * close
        e200 = (1 - _W200) * e200 + _W200 * close
        e12 = (1 - _W12) * e12 + _W12 * close
        e26 = (1 - _W26) * e26 + _W26 * close
        line = e12 - e26
        signal = (1 - _W9) * signal + _W9 * line
        work[_GAIN + p] = gain
        work[_LOSS + p] = loss
        ranges[i] = spread
        fast[i] = e50
        slow[i] = e200
        lines[i] = line
        signals[i] = signal
    state[0], state[1], state[2], state[3] = gain, loss, spread, e50
    state[4], state[5], state[6], state[7] = e200, e12, e26, signal


@_jit
def _averaged(work: Floats, out: Floats, start: int, count: int, bars: int) -> None:
    """Fill ``out`` with what is made of the averages; NaN until they have a value."""
    strengths = out[_RSI, start:]
    lines = out[_LINE, start:]
    signals = out[_SIGNAL, start:]
    gaps = out[_HIST, start:]
    for i in range(count):
        total = work[_GAIN + BEFORE + i] + work[_LOSS + BEFORE + i]
        strengths[i] = 0.0 if total == 0 else 100 * work[_GAIN + BEFORE + i] / total
    for i in range(count):
        gaps[i] = lines[i] - signals[i]
    for column, average in _WAITS:
        out[column, start : start + max(0, min(count, _SEEDS[average] - bars))] = np.nan


@_jit
def _tile(work: Floats, candles: tuple[Floats, Floats], out: Floats, start: int, state: tuple[int, Floats]) -> None:
    """Fill ``out`` [column, bar] for one tile of a symbol, given its bars before and its averages."""
    high, low = candles
    bars, averages = state
    count = len(high)
    _moves(work, high, low, count, bars)
    _fives(work, count)
    _twenties(work, count)
    _bands(work, out, start, count)
    _sevens(work, count)
    _months(work, count)
    _quarters(work, count)
    _returns(work, out, start, count)
    _tops(work, out, start, count)
    done = _warm(work, out[:, start:], count, bars, averages)
    _steady(work, out, start, (done, count), averages)
    _averaged(work, out, start, count, bars)


@_jit
def advance(high: Floats, low: Floats, close: Floats, state: IndicatorState, out: Floats) -> None:
    """Fill ``out`` [symbol, column, bar] and move ``state``, in place, past the new candles."""
    num_symbols, width = close.shape
    work = np.zeros(len(_ROWS) * _WIDTH)
    for symbol in range(num_symbols):
        length = width
        while length > 0 and not math.isfinite(close[symbol, length - 1]):
            length -= 1
        work[_CLOSE : _CLOSE + BEFORE] = state.before[symbol]
        for start in range(0, length, _TILE):
            stop = min(start + _TILE, length)
            count = stop - start
            work[_CLOSE + BEFORE : _CLOSE + BEFORE + count] = close[symbol, start:stop]
            candles = high[symbol, start:stop], low[symbol, start:stop]
            _tile(work, candles, out[symbol], start, (state.bars[symbol], state.averages[symbol]))
            for place in range(_CLOSE, _CLOSE + BEFORE):
                work[place] = work[place + count]
            state.bars[symbol] += count
        state.before[symbol] = work[_CLOSE : _CLOSE + BEFORE]
        out[symbol, :, length:] = np.nan
