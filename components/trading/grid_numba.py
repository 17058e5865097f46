"""The engine's rules for one symbol and one signal, from event to event instead of bar by bar; compiled.

Between two orders a position only changes its value. Whether its levels are reached there, and whether its equity
makes a new high or a deeper drawdown, is asked of tables that hold the extremes of 1, 2, 4 ... 64 bars from every
bar on; the squares that the Sharpe ratio needs are differences of one running sum. So the time goes with the number
of trades, and nothing is kept but sums.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false, reportUnknownArgumentType=false

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.compiled import jit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

RESULTS: Final = 4
"""Total return, sum of squared gains, deepest drawdown, trades."""
_LEVELS: Final = 7
_LONGEST: Final = 1 << (_LEVELS - 1)
_LOW, _HIGH, _BOTTOM, _TOP = range(4)
"""Rows of the tables: lowest low, highest high, lowest close, highest close."""


@jit
def _fill_tables(candles: Floats, tables: Floats, squares: Floats) -> None:
    """Fill the extremes of 2**level bars from every bar on, and the running sum of squared moves of the close."""
    high, low, close = candles[1], candles[2], candles[3]
    bars = close.size
    squares[0] = 0.0
    for t in range(1, bars):
        squares[t] = squares[t - 1] + (close[t] - close[t - 1]) ** 2
    tables[_LOW, 0], tables[_HIGH, 0], tables[_BOTTOM, 0], tables[_TOP, 0] = low, high, close, close
    for level in range(1, _LEVELS):
        half = 1 << (level - 1)
        for row in range(4):
            shorter, longer = tables[row, level - 1], tables[row, level]
            if row in (_LOW, _BOTTOM):
                for t in range(bars - 2 * half + 1):
                    longer[t] = min(shorter[t], shorter[t + half])
            else:
                for t in range(bars - 2 * half + 1):
                    longer[t] = max(shorter[t], shorter[t + half])


@jit
def _first_hit(tables: Floats, start: int, end: int, lower: float, upper: float) -> int:
    """Return the first bar of [start, end) whose low is at ``lower`` or below, or high at ``upper`` or above."""
    level = 0
    t = start
    while t < end:  # larger steps as long as nothing is reached, then smaller ones
        while level and t + (1 << level) > end:
            level -= 1
        if tables[_LOW, level, t] > lower and tables[_HIGH, level, t] < upper:
            t += 1 << level
            level = min(level + 1, _LEVELS - 1)
        elif level:
            level -= 1
        else:
            return t
    return end


@jit
def _marked(
    tables: Floats, start: int, end: int, cash: float, quantity: float, peak: float, deepest: float
) -> tuple[float, float]:
    """Return the highest equity and the deepest drawdown after the closes of [start, end)."""
    level = _LEVELS - 1
    t = start
    best_row, worst_row = (_TOP, _BOTTOM) if quantity > 0 else (_BOTTOM, _TOP)
    while t < end:
        while t + (1 << level) > end:
            level -= 1
        best = max(peak, cash + quantity * tables[best_row, level, t])
        worst = cash + quantity * tables[worst_row, level, t]
        if level == 0 or worst >= best * (1 + deepest):  # whatever the order, no deeper drawdown
            if level == 0:
                deepest = min(deepest, worst / best - 1)
            peak = best
            t += 1 << level
            level = min(level + 1, _LEVELS - 1)
        else:
            level -= 1
    return peak, deepest


@jit
def simulate(
    candles: Floats, tables: Floats, squares: Floats, orders: tuple[Ints, Floats, int], settings: Floats, out: Floats
) -> None:
    """Trade one symbol; fill ``out`` with ``RESULTS``.

    ``orders`` are the bars at whose open the signal is another than before, the signals, and their number;
    ``settings`` capital, stake, cost, slippage, stop (infinite: none) and target.
    """
    opens, high, low, close = candles[0], candles[1], candles[2], candles[3]
    at, signals, num_orders = orders
    capital, stake, cost, slippage, stop_loss, take_profit = settings
    last = close.size - 1
    cash = before = peak = capital  # before: equity at the close before
    quantity = entry = deepest = sum_squares = 0.0
    num_trades = 0
    stopped = 0.0
    for k in range(num_orders):
        t = at[k]
        end = at[k + 1] if k + 1 < num_orders else last + 1
        signal = signals[k]
        side = np.sign(signal)
        quoted = opens[t]
        if quantity != 0 and side * quantity <= 0:
            cash += quantity * quoted - cost * abs(quantity) * quoted
            quantity = 0.0
            num_trades += 1
        if side != stopped:
            stopped = 0.0
        if side != 0 and stopped == 0:
            change = signal * stake / quoted - quantity
            if quantity * change >= 0:
                if change != 0:
                    price = quoted * (1 + slippage * np.sign(change))
                    entry = (quantity * entry + change * price) / (quantity + change) if quantity != 0 else price
            else:
                num_trades += 1
            quantity += change
            cash -= change * quoted + cost * abs(change) * quoted
        lower, upper = -math.inf, math.inf
        if quantity > 0:
            lower, upper = entry * (1 - stop_loss), entry * (1 + take_profit)
        elif quantity < 0:
            lower, upper = entry * (1 - take_profit), entry * (1 + stop_loss)
        # The bar of the order, the bars that only mark, and the bar that ends it, each where there is one.
        hit = end
        if quantity != 0:
            hit = _first_hit(tables, t, end, lower, upper)
        final = min(hit, last)
        if t < final or quantity == 0:
            equity = cash + quantity * close[t]
            sum_squares += (equity - before) ** 2
            before = equity
            peak = max(peak, equity)
            deepest = min(deepest, equity / peak - 1)
        if quantity == 0:
            continue
        marked = min(final, end)
        if t + 1 < marked:
            sum_squares += quantity * quantity * (squares[marked - 1] - squares[t])
            peak, deepest = _marked(tables, t + 1, marked, cash, quantity, peak, deepest)
            before = cash + quantity * close[marked - 1]
        if hit == end and end <= last:
            continue
        price = close[last]
        if hit < end:
            if opens[hit] <= lower or opens[hit] >= upper:
                price = opens[hit]
            elif quantity > 0:
                price = lower if low[hit] <= lower else upper
            else:
                price = upper if high[hit] >= upper else lower
            stopped = side
        cash += quantity * price - cost * abs(quantity) * price
        quantity = 0.0
        num_trades += 1
        sum_squares += (cash - before) ** 2
        before = cash
        peak = max(peak, cash)
        deepest = min(deepest, cash / peak - 1)
    out[0], out[1], out[2], out[3] = cash / capital - 1, sum_squares / (capital * capital), deepest, num_trades


@jit
def _symbol(prices: tuple[Floats, Floats, Floats, Floats], symbol: int, candles: Floats) -> None:
    for row, values in enumerate(prices):
        candles[row] = values[symbol]


@jit
def _changes(signal: Floats, delay: int, at: Ints, signals: Floats) -> int:
    """Fill the bars at whose open a new signal is filled, and that signal; return their number."""
    count = 0
    before = 0.0
    for t in range(signal.size - delay):
        at[count] = t + delay
        signals[count] = signal[t]
        count += signal[t] != before
        before = signal[t]
    return count


@jit
def _crossings(fast: Floats, slow: Floats, first: int, delay: int, above: Flags, at: Ints) -> int:
    """Fill the bars after which ``fast`` went above ``slow``, or below, in turn; return their number."""
    bars = fast.size - delay
    for t in range(first, bars):
        above[t] = fast[t] > slow[t]
    count = 0
    before = np.uint8(0)
    for t in range(first, bars):
        at[count] = t + delay
        count += above[t] ^ before
        before = above[t]
    return count


@jit
def averages(close: Floats, windows: Ints, lines: Floats) -> None:
    """Fill ``lines`` [window, bar] with the mean close of so many bars; of the first bars they are not to be read."""
    bars = close.size
    total = np.zeros(bars + 1)
    for t in range(bars):
        total[t + 1] = total[t] + close[t]
    for line in range(windows.size):
        window = windows[line]
        row = lines[line]
        for t in range(window - 1, bars):
            row[t] = (total[t + 1] - total[t + 1 - window]) / window


@jit
def sweep_signals(
    prices: tuple[Floats, Floats, Floats, Floats], signals: Floats, delay: int, settings: Floats, out: Floats
) -> None:
    """Fill ``out`` [symbol, set, result] for signals [symbol, set, bar]."""
    num_symbols, num_sets, bars = signals.shape
    candles, squares, tables = np.empty((4, bars)), np.empty(bars), np.empty((4, _LEVELS, bars))
    at, values = np.empty(bars + 1, dtype=np.int64), np.empty(bars + 1)
    for symbol in range(num_symbols):
        _symbol(prices, symbol, candles)
        _fill_tables(candles, tables, squares)
        for place in range(num_sets):
            count = _changes(signals[symbol, place], delay, at, values)
            simulate(candles, tables, squares, (at, values, count), settings[place], out[symbol, place])


@jit
def sweep_crossovers(
    prices: tuple[Floats, Floats, Floats, Floats],
    rules: tuple[Ints, Ints, float],
    delay: int,
    settings: Floats,
    out: Floats,
) -> None:
    """Fill ``out`` [symbol, set, result]; ``rules``: windows, places of fast and slow [set, 2], signal when below."""
    windows, pairs, below = rules
    num_symbols, bars = prices[0].shape
    candles, squares, tables = np.empty((4, bars)), np.empty(bars), np.empty((4, _LEVELS, bars))
    lines, above = np.empty((windows.size, bars)), np.empty(bars, dtype=np.uint8)
    at, in_turn = np.empty(bars + 1, dtype=np.int64), np.empty(bars + 1)
    in_turn[0::2] = 1.0
    in_turn[1::2] = below
    for symbol in range(num_symbols):
        _symbol(prices, symbol, candles)
        _fill_tables(candles, tables, squares)
        averages(candles[3], windows, lines)
        for place in range(len(pairs)):
            fast, slow = pairs[place]
            first = max(windows[fast], windows[slow]) - 1
            count = _crossings(lines[fast], lines[slow], first, delay, above, at)
            simulate(candles, tables, squares, (at, in_turn, count), settings[place], out[symbol, place])
