import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traded import walk

from components.core.errors import DataError
from components.trading import grid
from components.trading.engine import trade
from components.trading.grid import Sweep, crossover, sweep_crossovers, sweep_signals
from components.trading.settings import PRESETS, TradingConfig

YEAR = 252.0
levels = st.one_of(st.none(), st.floats(0.005, 0.3))
configs = st.builds(
    TradingConfig,
    capital=st.sampled_from([1.0, 10_000.0]),
    commission=st.sampled_from([0.0, 0.001]),
    slippage=st.sampled_from([0.0, 0.0005, 0.01]),
    max_position=st.sampled_from([0.1, 1.0]),
    stop_loss=levels,
    take_profit=levels,
    delay_bars=st.integers(1, 3),
)


def figures(found: Sweep) -> np.ndarray:
    return np.stack([found.total_return, found.sharpe, found.max_drawdown, found.num_trades])


def by_engine(bars, signals, config) -> np.ndarray:
    names = ("total_return", "sharpe", "max_drawdown", "num_trades")
    rows = [
        trade(bars.only([symbol]), signals[[symbol], place], config).summary(bars_per_year=YEAR)
        for symbol, place in np.ndindex(*signals.shape[:2])
    ]
    return np.array([[row[name] for name in names] for row in rows]).T.reshape(4, *signals.shape[:2])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), configs, st.integers(2, 150), st.sampled_from([1, 4, 40]))
def test_the_kernel_comes_to_what_the_engine_comes_to(
    seed: int, config: TradingConfig, num_bars: int, hold: int
) -> None:
    rng = np.random.default_rng(seed)
    bars = walk(seed, num_symbols=2, num_bars=num_bars, volatility=float(rng.uniform(0.002, 0.08)))
    chosen = rng.choice([-1.0, -0.3, 0.0, 0.6, 1.0], (2, 3, num_bars // hold + 1))
    signals = np.repeat(chosen, hold, axis=2)[:, :, :num_bars]
    assert grid.kernel() is not None
    found = sweep_signals(bars, signals, [config] * 3, bars_per_year=YEAR)
    np.testing.assert_allclose(figures(found), by_engine(bars, signals, config), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("below", [0.0, -1.0])
def test_crossovers_are_the_signals_of_their_averages(below: float) -> None:
    bars = walk(4, num_symbols=3, num_bars=400)
    windows = np.array([[3, 10], [5, 40], [20, 7], [1, 2], [10, 400], [10, 500]])
    wide = [PRESETS["s4"].model_copy(update={"take_profit": None})] * len(windows)
    signals = np.stack([crossover(bars.close, *pair, below=below) for pair in windows], axis=1)
    one = sweep_crossovers(bars, windows, wide, below=below, bars_per_year=YEAR)
    other = sweep_signals(bars, signals, wide, bars_per_year=YEAR)
    np.testing.assert_array_equal(figures(one), figures(other))
    assert one.num_trades[:, :4].min() > 0
    assert one.num_trades[:, 5].max() == 0  # its average never exists


@pytest.mark.parametrize("level", [0.03, 0.1, 0.2])
def test_a_stop_is_found_wherever_the_bars_before_it_begin_and_the_bars_end(level: float) -> None:
    num_bars = 150
    bars = walk(530, num_symbols=2, num_bars=num_bars)
    config = PRESETS["s4"].model_copy(update={"stop_loss": level, "take_profit": None})
    entered = np.triu(np.ones((num_bars, num_bars)))  # set k enters after bar k and never leaves by itself
    signals = np.stack([entered, -entered])
    found = sweep_signals(bars, signals, [config] * num_bars, bars_per_year=YEAR)
    np.testing.assert_allclose(figures(found), by_engine(bars, signals, config), rtol=1e-9, atol=1e-12)


def test_a_crossover_by_hand() -> None:
    close = np.array([[1.0, 2.0, 3.0, 2.0, 1.0, 1.0]])
    # Means of 1: as above; of 2: -, 1.5, 2.5, 2.5, 1.5, 1.
    np.testing.assert_array_equal(crossover(close, 1, 2, below=-1.0), [[0, 1, 1, -1, -1, -1]])


def test_every_set_has_its_own_stops_and_costs() -> None:
    bars = walk(9, num_symbols=2, num_bars=200)
    signal = np.sign(np.sin(np.arange(200) / 9))
    sets = [PRESETS["s2"], PRESETS["s4"], PRESETS["s2"].model_copy(update={"stop_loss": None})]
    signals = np.broadcast_to(signal, (2, 3, 200))
    found = figures(sweep_signals(bars, signals, sets, bars_per_year=YEAR))
    for place, config in enumerate(sets):
        expected = by_engine(bars, signals[:, [place]], config)[..., 0]
        np.testing.assert_allclose(found[..., place], expected, rtol=1e-9, atol=1e-12)


def test_without_numba_the_engine_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = walk(6, num_symbols=2, num_bars=120)
    windows, sets = np.array([[3, 10], [5, 20]]), [PRESETS["s2"]] * 2
    compiled = sweep_crossovers(bars, windows, sets, bars_per_year=YEAR)
    grid.kernel.cache_clear()
    monkeypatch.setattr(grid, "find_spec", lambda _: None)
    plain = sweep_crossovers(bars, windows, sets, bars_per_year=YEAR)
    assert grid.kernel() is None
    grid.kernel.cache_clear()
    np.testing.assert_allclose(figures(compiled), figures(plain), rtol=1e-9, atol=1e-12)


def test_a_kernel_that_charges_other_costs_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    grid.kernel.cache_clear()
    monkeypatch.setattr(TradingConfig, "cost", property(lambda config: 1.001 * (config.commission + config.slippage)))
    with caplog.at_level(logging.WARNING):
        assert grid.kernel() is None
    grid.kernel.cache_clear()
    assert "differs from the engine" in caplog.text


def test_a_halt_and_a_signal_that_is_none_are_refused() -> None:
    bars, signals = walk(1, num_symbols=2), np.zeros((2, 1, 60))
    signals[1, 0, 5] = np.nan
    with pytest.raises(DataError, match=r"S1, row 6, column 'signal'"):
        sweep_signals(bars, signals, [PRESETS["s2"]], bars_per_year=YEAR)
    bars.close[0, 3] = np.nan
    with pytest.raises(DataError, match=r"S0, row 4"):
        sweep_crossovers(bars, np.array([[2, 3]]), [PRESETS["s2"]], bars_per_year=YEAR)


def test_a_sweep_has_one_delay_and_one_config_per_set() -> None:
    bars = walk(1)
    late = PRESETS["s2"].model_copy(update={"delay_bars": 2})
    with pytest.raises(ValueError, match="one delay_bars"):
        sweep_crossovers(bars, np.array([[2, 3], [3, 5]]), [PRESETS["s2"], late], bars_per_year=YEAR)
    with pytest.raises(ValueError, match="for 1 configs"):
        sweep_crossovers(bars, np.array([[2, 3], [3, 5]]), [late], bars_per_year=YEAR)
