"""The engine's rules for one symbol and one signal, from event to event instead of bar by bar; compiled.

Between two orders a position only changes its value. Whether its levels are reached there, and whether its equity
makes a new high or a deeper drawdown, is asked of tables that hold the extremes of 1, 2, 4 ... 64 bars from every
bar on; the squares that the Sharpe ratio needs are differences of one running sum. So the time goes with the number
of trades, and nothing is kept but sums.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false, reportUnknownArgumentType=false

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.compiled import jit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Prices = tuple[Floats, Floats, Floats, Floats]
"""Open, high, low and close, each [symbol, bar]."""
Flags = npt.NDArray[np.uint8]

RESULTS: Final = 4
"""Total return, sum of squared gains, deepest drawdown, trades."""
_LEVELS: Final = 7
_LONGEST: Final = 1 << (_LEVELS - 1)
_LEVEL_OF: Final = np.array([max(count, 1).bit_length() - 1 for count in range(2 * _LONGEST)])
"""The level whose bars, taken twice, cover so many."""
_LOW, _HIGH, _BOTTOM, _TOP = range(4)
"""Rows of the tables: lowest low, highest high, lowest close, highest close."""


@jit
def _fill_tables(prices: Prices, symbol: int, tables: Floats, squares: Floats) -> None:
    """Fill the extremes of 2**level bars from every bar on, fewer at the end, and the sum of squared moves so far."""
    high, low, close = prices[1][symbol], prices[2][symbol], prices[3][symbol]
    bars = close.size
    squares[0] = 0.0
    for t in range(1, bars):
        squares[t] = squares[t - 1] + (close[t] - close[t - 1]) ** 2
    tables[_LOW, 0], tables[_HIGH, 0], tables[_BOTTOM, 0], tables[_TOP, 0] = low, high, close, close
    for level in range(1, _LEVELS):
        half = 1 << (level - 1)
        for row in range(4):
            longer = tables[row, level]
            early, late = tables[row, level - 1], tables[row, level - 1, min(half, bars) :]
            longer[late.size :] = early[late.size :]
            for t in range(late.size):
                longer[t] = min(early[t], late[t]) if row in (_LOW, _BOTTOM) else max(early[t], late[t])


@jit
def _first_hit(tables: Floats, start: int, end: int, lower: float, upper: float) -> int:
    """Return the first bar of [start, end) whose low is at ``lower`` or below, or high at ``upper`` or above."""
    low, high = tables[_LOW], tables[_HIGH]
    t = start
    while t + _LONGEST <= end and low[_LEVELS - 1, t] > lower and high[_LEVELS - 1, t] < upper:
        t += _LONGEST
    if t == end:
        return t
    level = _LEVEL_OF[min(end - t, _LONGEST)]
    late = max(end - (1 << level), t)
    if (min(low[level, t], low[level, late]) > lower) & (max(high[level, t], high[level, late]) < upper):
        return end
    for step in range(level, -1, -1):
        clear = (low[step, t] > lower) & (high[step, t] < upper)
        t += clear << step
    return t


@jit
def _marked(
    tables: Floats, span: tuple[int, int], held: tuple[float, float], extremes: tuple[float, float]
) -> tuple[float, float]:
    """Return the highest equity and the deepest drawdown after the closes of ``span``, its end left out.

    ``held`` is cash and shares, ``extremes`` what there was before.
    """
    t, end = span
    cash, quantity = held
    peak, deepest = extremes
    rows = (_TOP, _BOTTOM) if quantity > 0 else (_BOTTOM, _TOP)
    bests, worsts = tables[rows[0]], tables[rows[1]]
    if end - t < 2 * _LONGEST:
        level = _LEVEL_OF[end - t]
        late = end - (1 << level)  # two windows that overlap hold all of it
        best = max(cash + quantity * bests[level, t], cash + quantity * bests[level, late])
        worst = min(cash + quantity * worsts[level, t], cash + quantity * worsts[level, late])
        if best <= peak:
            return peak, min(deepest, worst / peak - 1)
        if worst >= best * (1 + deepest):
            return best, deepest
    level = _LEVELS - 1
    while t < end:
        while t + (1 << level) > end:
            level -= 1
        best = max(peak, cash + quantity * bests[level, t])
        worst = cash + quantity * worsts[level, t]
        if level and best > peak and worst < best * (1 + deepest):
            level -= 1  # a new high and a new low: which came first matters
            continue
        deepest = min(deepest, worst / best - 1)
        peak = best
        t += 1 << level
        level = min(level + 1, _LEVELS - 1)
    return peak, deepest


@jit
def _side(number: float) -> float:
    return 1.0 * (number > 0) - 1.0 * (number < 0)


@jit
def _ordered(
    signal: float, quoted: float, held: tuple[float, float, float], free: bool, settings: Floats
) -> tuple[float, float, float, int]:
    """Return cash, shares, entry price and trades ended after the order of ``signal``, filled at ``quoted``."""
    cash, quantity, entry = held
    _, stake, cost, slippage, _, _ = settings
    side = _side(signal)
    ended = 0
    if quantity != 0 and side * quantity <= 0:
        cash += quantity * quoted - cost * abs(quantity) * quoted
        quantity = 0.0
        ended = 1
    if side != 0 and free:
        change = signal * stake / quoted - quantity
        if quantity * change < 0:
            ended += 1
        elif change != 0:
            price = quoted * (1 + slippage * _side(change))
            entry = (quantity * entry + change * price) / (quantity + change) if quantity != 0 else price
        quantity += change
        cash -= change * quoted + cost * abs(change) * quoted
    return cash, quantity, entry, ended


@jit
def _left_at(opened: float, low: float, high: float, long: bool, levels: tuple[float, float]) -> float:
    """Return the price at which a bar that reaches a level is left: beyond one its open, inside it the stop first."""
    lower, upper = levels
    if opened <= lower or opened >= upper:
        return opened
    if long:
        return lower if low <= lower else upper
    return upper if high >= upper else lower


@jit
def simulate(
    opens: Floats, history: tuple[Floats, Floats], orders: tuple[Ints, Floats, int], settings: Floats, out: Floats
) -> None:
    """Trade one symbol; fill ``out`` with ``RESULTS``.

    ``history`` is what ``_fill_tables`` fills; ``orders`` are the bars at whose open the signal is another than
    before, the signals, and their number; ``settings`` capital, stake, cost, slippage, stop (infinite: none), target.
    """
    tables, squares = history
    low, high, close = tables[_LOW, 0], tables[_HIGH, 0], tables[_TOP, 0]
    at, signals, num_orders = orders
    capital, _, cost, _, stop_loss, take_profit = settings
    last = close.size - 1
    cash = before = peak = capital  # before: equity at the close before
    quantity = entry = deepest = sum_squares = stopped = 0.0
    num_trades = 0
    for k in range(num_orders):
        t, side = int(at[k]), _side(signals[k])
        end = at[k + 1] if k + 1 < num_orders else last + 1
        stopped = stopped if side == stopped else 0.0
        cash, quantity, entry, ended = _ordered(
            signals[k], float(opens[t]), (cash, quantity, entry), stopped == 0, settings
        )
        num_trades += ended
        hit = end
        lower, upper = entry * (1 - stop_loss), entry * (1 + take_profit)
        if quantity < 0:
            lower, upper = entry * (1 - take_profit), entry * (1 + stop_loss)
        if quantity != 0:
            hit = _first_hit(tables, t, end, lower, upper)
        marked = min(hit, last)
        if t < marked or quantity == 0:
            equity = cash + quantity * close[t]
            sum_squares += (equity - before) ** 2
            before, peak = equity, max(peak, equity)
            deepest = min(deepest, equity / peak - 1)
        if quantity == 0:
            continue
        if t + 1 < marked:
            sum_squares += quantity * quantity * (squares[marked - 1] - squares[t])
            peak, deepest = _marked(tables, (t + 1, marked), (cash, quantity), (peak, deepest))
            before = cash + quantity * close[marked - 1]
        if hit == end and end <= last:
            continue
        price = close[last]
        if hit < end:
            price = _left_at(opens[hit], low[hit], high[hit], quantity > 0, (lower, upper))
            stopped = side
        cash += quantity * price - cost * abs(quantity) * price
        sum_squares += (cash - before) ** 2
        before, peak = cash, max(peak, cash)
        deepest = min(deepest, cash / peak - 1)
        quantity = 0.0
        num_trades += 1
    out[0], out[1], out[2], out[3] = cash / capital - 1, sum_squares / (capital * capital), deepest, num_trades


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
def _crossings(fast: Floats, slow: Floats, span: tuple[int, int, bool], above: Flags, at: Ints) -> tuple[int, int]:
    """Fill the bars at whose open it is known that ``fast`` went above ``slow``, or below, in turn.

    ``span`` is the first bar to look at, the delay, and whether to begin with being below. ``above`` is work space
    of two rows, each of whole words of 8 bytes and longer than the bars.

    Returns:
        Their number, and 1 if they begin with being below, else 0.
    """
    first, delay, both = span
    bars = fast.size - delay - first
    if bars <= 0:
        return 0, 0
    upper, lower = fast[first : first + bars], slow[first : first + bars]
    states, crossed = above[0], above[1]
    states[0] = both and not upper[0] > lower[0]
    later = states[1:]
    for i in range(bars):
        later[i] = upper[i] > lower[i]
    crossed[bars : bars + 8] = 0
    for i in range(bars):
        crossed[i] = states[i] ^ later[i]
    words = 0
    for word, value in enumerate(crossed.view(np.uint64)[: (bars + 7) // 8]):
        at[words] = word  # in most words of eight bars nothing crosses
        words += value != 0
    places = at[:words].copy()
    count = 0
    for word in places:
        for i in range(8 * word, 8 * word + 8):
            at[count] = first + delay + i
            count += crossed[i]
    return count, int(states[0])


@jit
def averages(close: Floats, windows: Ints, lines: Floats) -> None:
    """Fill ``lines`` [window, bar] with the mean close of so many bars; of the first bars they are not to be read."""
    bars = close.size
    total = np.zeros(bars + 1)
    for t in range(bars):
        total[t + 1] = total[t] + close[t]
    for line in range(windows.size):
        window = windows[line]
        share = 1.0 / window
        ended, begun, row = total[window:], total[: bars + 1 - window], lines[line, window - 1 :]
        for i in range(bars + 1 - window):
            row[i] = (ended[i] - begun[i]) * share


@jit
def sweep_signals(prices: Prices, signals: Floats, delay: int, settings: Floats, out: Floats) -> None:
    """Fill ``out`` [symbol, set, result] for signals [symbol, set, bar]."""
    num_symbols, num_sets, bars = signals.shape
    squares, tables = np.empty(bars), np.empty((4, _LEVELS, bars))
    at, values = np.empty(bars + 1, dtype=np.int64), np.empty(bars + 1)
    for symbol in range(num_symbols):
        _fill_tables(prices, symbol, tables, squares)
        for place in range(num_sets):
            count = _changes(signals[symbol, place], delay, at, values)
            simulate(prices[0][symbol], (tables, squares), (at, values, count), settings[place], out[symbol, place])


@jit
def sweep_crossovers(
    prices: Prices,
    rules: tuple[Ints, Ints, float],
    delay: int,
    settings: Floats,
    out: Floats,
) -> None:
    """Fill ``out`` [symbol, set, result]; ``rules``: windows, places of fast and slow [set, 2], signal when below."""
    windows, pairs, below = rules
    num_symbols, bars = prices[0].shape
    squares, tables = np.empty(bars), np.empty((4, _LEVELS, bars))
    lines, above = np.empty((windows.size, bars)), np.empty((2, 8 * (bars // 8 + 2)), dtype=np.uint8)
    at, in_turn = np.empty(bars + 1, dtype=np.int64), np.empty(bars + 2)
    in_turn[0::2] = 1.0
    in_turn[1::2] = below
    for symbol in range(num_symbols):
        _fill_tables(prices, symbol, tables, squares)
        averages(prices[3][symbol], windows, lines)
        for place in range(len(pairs)):
            fast, slow = pairs[place]
            span = (int(max(windows[fast], windows[slow])) - 1, delay, below != 0)
            count, begin = _crossings(lines[fast], lines[slow], span, above, at)
            orders = (at, in_turn[begin:], count)
            simulate(prices[0][symbol], (tables, squares), orders, settings[place], out[symbol, place])
