"""The columns ``OWN`` in numpy: the definition for whole histories, and how new bars continue one."""

import numpy as np
import numpy.typing as npt

from components.market.averages import AVERAGES, COEFFICIENTS, WARM_BARS, IndicatorState
from components.market.columns import OWN
from components.market.indicators import band_columns, indicator_columns, macd_columns, strength, true_range
from components.market.panel import bars_first
from components.market.returns import own_columns

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_BANDS, _MACD, _RETURNS = OWN.index("bb_middle"), OWN.index("macd"), OWN.index("return_1d")
_SHOWN = (0, 1, 2, 3, 4, 7, 7)  # the average whose first value a result waits for


def whole(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return the columns, [symbol, column, bar], of candles [symbol, bar] that start at their symbol's first bar."""
    highs, lows, closes = bars_first(high, low, close)
    columns = [*indicator_columns(highs, lows, closes), *macd_columns(closes), *own_columns(closes)]
    out = np.empty((close.shape[0], len(OWN), close.shape[1]))
    for place, values in enumerate(columns):
        out[:, place] = values.T
    return out


def advance(high: Floats, low: Floats, close: Floats, state: IndicatorState, out: Floats) -> None:
    """Fill ``out`` [symbol, column, bar] and move ``state``, in place, past the new candles."""
    depth, width = state.before.shape[1], close.shape[1]
    places: Counts = np.arange(width, dtype=np.int64)
    lengths: Counts = np.max(np.where(np.isfinite(close), places + 1, 0), axis=1, initial=0)
    joined = np.concatenate([state.before, close], axis=1)
    closes = np.ascontiguousarray(joined.T)
    for first, columns in ((_BANDS, band_columns(closes)), (_RETURNS, own_columns(closes))):
        for place, values in enumerate(columns, start=first):
            out[:, place] = values[depth:].T
    gain, loss, spread, fast, slow, line, signal = _averaged(high.T, low.T, closes[depth - 1 :], state, lengths)
    for place, values in enumerate((strength(gain, loss), spread, fast, slow)):
        out[:, place] = values.T
    for place, values in enumerate((line, signal, line - signal), start=_MACD):
        out[:, place] = values.T
    ended = places >= lengths[:, None]
    out[np.broadcast_to(ended[:, None], out.shape)] = np.nan
    kept: Counts = np.arange(depth, dtype=np.int64)
    state.before[:] = np.take_along_axis(joined, lengths[:, None] + kept, axis=1)
    state.bars[:] += lengths


def _averaged(high: Floats, low: Floats, close: Floats, state: IndicatorState, lengths: Counts) -> Floats:
    """Return gain, loss, range, both EMAs, MACD's line and signal, [7, bar, symbol]; move the averages.

    ``close`` starts one bar before the others.
    """
    change = np.diff(close, axis=0)
    inputs = np.stack([np.maximum(change, 0), np.maximum(-change, 0), true_range(high, low, close[:-1])], axis=-1)
    inputs[0, state.bars == 0] = 0.0  # a first bar has no bar before it
    result = np.full((len(_SHOWN), *change.shape), np.nan)
    seeds = np.array([AVERAGES[average].seed for average in _SHOWN])[:, None]
    averages = state.averages
    for bar, moves in enumerate(inputs):
        decays, weights = COEFFICIENTS[:, np.minimum(state.bars + bar, WARM_BARS)]
        values = np.hstack([moves, np.repeat(close[bar + 1, :, None], 4, axis=1)])
        moved = decays[:, :-1] * averages[:, :-1] + weights[:, :-1] * values
        line = moved[:, -2] - moved[:, -1]
        signal = decays[:, -1] * averages[:, -1] + weights[:, -1] * line
        going = bar < lengths
        averages[going] = np.column_stack([moved, signal])[going]
        shown = np.column_stack([moved[:, :-2], line, signal]).T
        result[:, bar] = np.where(state.bars + bar < seeds, np.nan, shown)
    return result
