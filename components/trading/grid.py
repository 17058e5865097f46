"""Many signals on many symbols at once: the rules of ``engine.py``, of each run four numbers.

With numba (the extra ``fast``) by a compiled kernel, without it by the reference engine, which takes some thousand
times as long. Both give the same trades, and the same figures to rounding.
"""

import functools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from components.trading.candles import Candles, check_signal
from components.trading.engine import trade
from components.trading.settings import PRESETS, TradingConfig
from components.trading.statistics import Array

log = logging.getLogger(__name__)

_AGREEMENT: Final = 1e-9


@dataclass(frozen=True)
class Sweep:
    """What every run came to, each [symbol, set]."""

    total_return: Array
    """After costs, a fraction of the capital."""
    sharpe: Array
    """Annualised; NaN where nothing varied."""
    max_drawdown: Array
    """Fraction below the highest equity so far, at the closes; zero or negative."""
    num_trades: Array

    @classmethod
    def of(cls, results: Array, *, num_bars: int, bars_per_year: float) -> Self:
        """Return the figures of [symbol, set, (total return, sum of squared gains, drawdown, trades)]."""
        total, squares, deepest, num_trades = np.moveaxis(results, -1, 0)
        mean = total / num_bars
        with np.errstate(invalid="ignore", divide="ignore"):
            deviation = np.sqrt((squares - num_bars * mean * mean) / (num_bars - 1))
            sharpe = np.where(squares > 0, mean / deviation * math.sqrt(bars_per_year), np.nan)
        return cls(total, sharpe, deepest, num_trades)


def sweep_signals(candles: Candles, signals: Array, configs: Sequence[TradingConfig], *, bars_per_year: float) -> Sweep:
    """Return what ``engine.trade`` comes to for every signal: ``signals`` is [symbol, set, bar], one config per set.

    Raises:
        DataError: If a bar or a signal cannot be traded on.
        ValueError: If the shapes do not fit.
    """
    candles.check()
    if signals.shape != (len(candles.symbols), len(configs), candles.timestamp.size):
        raise ValueError(f"want signals [symbol, set, bar] of {len(configs)} sets, got {signals.shape}")
    for place in range(len(configs)):
        check_signal(signals[:, place], candles)
    compiled = kernel()
    if compiled is None:
        return _by_engine(candles, signals, configs, bars_per_year)
    return _swept(compiled, candles, signals, configs, bars_per_year)


def sweep_crossovers(
    candles: Candles,
    windows: npt.NDArray[np.int64],
    configs: Sequence[TradingConfig],
    *,
    below: float = 0.0,
    bars_per_year: float,
) -> Sweep:
    """Return what crossovers of moving averages come to; ``windows`` is [set, (fast, slow)], one config per set.

    Raises:
        DataError: If a bar cannot be traded on.
        ValueError: As in ``crossover``, or if there is not one config per set.
    """
    candles.check()
    if windows.shape != (len(configs), 2) or windows.min() < 1 or not -1 <= below <= 1:
        raise ValueError(f"want windows [set, 2] of at least 1 for {len(configs)} configs, below in [-1, 1]")
    compiled = kernel()
    if compiled is None:
        signals = np.stack([crossover(candles.close, fast, slow, below=below) for fast, slow in windows], axis=1)
        return _by_engine(candles, signals, configs, bars_per_year)
    results = np.empty((len(candles.symbols), len(configs), compiled.RESULTS))
    lengths, places = np.unique(windows, return_inverse=True)
    rules = (lengths.astype(np.int64), places.reshape(windows.shape).astype(np.int64), float(below))
    compiled.sweep_crossovers(_prices(candles), rules, _delay(configs), _settings(configs), results)
    return Sweep.of(results, num_bars=candles.timestamp.size, bars_per_year=bars_per_year)


def crossover(close: Array, fast: int, slow: int, *, below: float = 0.0) -> Array:
    """Return 1 where the mean of ``fast`` closes is above that of ``slow``, else ``below``; [symbol, bar].

    It is 0 until both means exist.
    """
    total = np.cumsum(np.concatenate([np.zeros((len(close), 1)), close], axis=1), axis=1)
    first, num_bars = max(fast, slow), close.shape[1]
    signal = np.zeros(close.shape)
    if first <= num_bars:
        ended = total[:, first:]
        means = [(ended - total[:, first - size : num_bars + 1 - size]) * (1.0 / size) for size in (fast, slow)]
        signal[:, first - 1 :] = np.where(means[0] > means[1], 1.0, below)
    return signal


def _prices(candles: Candles) -> tuple[Array, ...]:
    prices = (candles.open, candles.high, candles.low, candles.close)
    return tuple(np.ascontiguousarray(values, dtype=np.float64) for values in prices)


def _delay(configs: Sequence[TradingConfig]) -> int:
    delays = {config.delay_bars for config in configs}
    if len(delays) != 1:
        raise ValueError(f"one sweep has one delay_bars, got {sorted(delays)}; sweep each by itself")
    return delays.pop()


def _settings(configs: Sequence[TradingConfig]) -> Array:
    never = math.inf
    rows = [
        (
            *(config.capital, config.stake, config.cost, config.slippage),
            *(never if level is None else level for level in (config.stop_loss, config.take_profit)),
        )
        for config in configs
    ]
    return np.array(rows)


def _swept(
    compiled: ModuleType, candles: Candles, signals: Array, configs: Sequence[TradingConfig], bars_per_year: float
) -> Sweep:
    results = np.empty((*signals.shape[:2], compiled.RESULTS))
    signals = np.ascontiguousarray(signals, dtype=np.float64)
    compiled.sweep_signals(_prices(candles), signals, _delay(configs), _settings(configs), results)
    return Sweep.of(results, num_bars=candles.timestamp.size, bars_per_year=bars_per_year)


def _by_engine(candles: Candles, signals: Array, configs: Sequence[TradingConfig], bars_per_year: float) -> Sweep:
    shape = signals.shape[:2]
    found = Sweep(*(np.empty(shape) for _ in range(4)))
    for place, config in enumerate(configs):
        for symbol in range(shape[0]):
            account = trade(candles.only([symbol]), signals[[symbol], place], config)
            figures = account.summary(bars_per_year=bars_per_year)
            for name, values in vars(found).items():
                values[symbol, place] = figures[name]
    return found


@functools.cache
def kernel() -> ModuleType | None:
    """Return the compiled kernel, or None, and the log says why, where there is none that agrees with the engine."""
    if find_spec("numba") is None:
        log.info("numba is not installed: the reference engine runs the sweep")
        return None
    from components.trading import grid_numba  # noqa: PLC0415 - half a second, and only where it is worth it

    time = np.arange(120)
    close = 100 * np.exp(0.1 * np.sin(np.outer([0.3, 0.7], time)) - 0.001 * time)
    opens = np.roll(close, 1, axis=1) * (1 + 0.01 * np.cos(time))
    ends = np.maximum(opens, close) * 1.01, np.minimum(opens, close) * 0.99
    moments = np.datetime64("2024-01-01T00:00", "us") + time * np.timedelta64(1, "D")
    candles = Candles(("A", "B"), moments, opens, *ends, close)
    waves: Array = np.round(np.cos(np.outer([0.2, 0.5], time)), 1).astype(np.float64)
    signals = np.stack([crossover(close, 3, 9, below=-1.0), waves], axis=1)
    configs = [PRESETS["s2"], PRESETS["s4"].model_copy(update={"take_profit": None, "slippage": 0.001})]
    given = (candles, signals, configs, 252.0)
    ours, reference = (
        np.stack(list(vars(found).values())) for found in (_swept(grid_numba, *given), _by_engine(*given))
    )
    if not np.allclose(ours, reference, rtol=_AGREEMENT, atol=_AGREEMENT, equal_nan=True):
        log.warning("the compiled sweep differs from the engine, which runs instead. Empty numba's cache")
        return None
    return grid_numba
