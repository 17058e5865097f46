import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traded import candles, days, walk

from components.core.errors import DataError
from components.core.judge import CostConfig
from components.market.predictions import Predictions
from components.trading.backtest import backtest
from components.trading.engine import trade
from components.trading.portfolio import trade_weights
from components.trading.settings import PRESETS, TradingConfig

FREE = TradingConfig(capital=10_000.0, commission=0.0, slippage=0.0, max_position=0.5, stop_loss=None, take_profit=None)
seeds = st.integers(0, 2**32 - 1)


def guarded(**changes: Any) -> TradingConfig:
    return FREE.model_copy(update={"stop_loss": 0.02, "take_profit": 0.05, **changes})


def signals(seed: int, shape: tuple[int, int], *, levels: tuple[float, ...] = (-1, -0.4, 0, 0.5, 1)) -> np.ndarray:
    """Levels that last some bars each."""
    rng = np.random.default_rng(seed)
    bars = np.arange(shape[1])
    return np.stack([rng.choice(levels, shape[1])[np.sort(rng.choice(bars, shape[1]))] for _ in range(shape[0])])


def test_three_trades_by_hand_to_the_cent() -> None:
    bars = candles(
        [
            (100.0, 101.0, 99.0, 100.0),
            (100.0, 102.5, 99.5, 102.0),  # buys 5,000 / 100 = 50 shares at 100.05; stop 98.049, target 105.0525
            (103.0, 106.0, 102.9, 104.0),  # sells 50 at 105.0525 less 0.05%
            (104.0, 105.0, 103.5, 104.5),  # sells 5,000 / 104 shares short at 103.948; stop 106.02696
            (107.0, 108.0, 106.5, 107.5),  # opens above the stop: buys back at 107.0535
            (107.5, 108.0, 90.0, 91.0),  # out, and stays out, though the signal is still -1
            (91.0, 101.0, 90.0, 100.0),
            (100.0, 102.0, 99.0, 101.2),  # buys 50 at 100.05, sold at the last close, 101.2 less 0.05%
        ]
    )
    signal = np.array([[1.0, 1.0, -1.0, -1.0, -1.0, 0.0, 1.0, 1.0]])
    account = trade(bars, signal, guarded(commission=0.001, slippage=0.0005))
    day = days(8)
    first, second, third = account.trades
    assert (first.entry_time, first.exit_time, first.reason) == (day[1], day[2], "take_profit")
    assert (first.quantity, first.entry_price) == (50.0, pytest.approx(100.05))
    assert first.exit_price == pytest.approx(105.0525 * 0.9995)
    assert first.fees == pytest.approx(5.0 + 5.252625)
    assert (second.entry_time, second.exit_time, second.reason) == (day[3], day[4], "stop_loss")
    assert (round(second.quantity, 6), second.exit_price) == (-48.076923, pytest.approx(107.0535))
    assert (third.entry_time, third.exit_time, third.reason) == (day[7], day[7], "end")
    assert [round(item.pnl, 2) for item in account.trades] == [237.25, -159.45, 44.91]
    assert round(account.equity[-1], 2) == 10_122.71
    # Marked at the close: 50 shares at 102, less what buying them cost.
    assert round(account.equity[1], 2) == 10_000 + 100 - 7.5
    assert account.turnover[1] == pytest.approx(5_000)
    assert account.exposure[1] == pytest.approx(5_100)


def test_a_bar_that_reaches_both_levels_is_a_loss() -> None:
    bars = candles([(100, 100, 100, 100), (100, 110, 90, 100)])
    (ended,) = trade(bars, np.ones((1, 2)), guarded()).trades
    assert (ended.reason, ended.exit_price) == ("stop_loss", pytest.approx(98.0))


@pytest.mark.parametrize(
    ("side", "opened", "reason"), [(1, 97.0, "stop_loss"), (1, 108.0, "take_profit"), (-1, 103.0, "stop_loss")]
)
def test_a_bar_that_opens_beyond_a_level_fills_at_its_open(side: int, opened: float, reason: str) -> None:
    bars = candles([(100, 100, 100, 100), (100, 101, 99, 100), (opened, opened, opened, opened)])
    (ended,) = trade(bars, np.full((1, 3), float(side)), guarded()).trades
    assert (ended.reason, ended.exit_price) == (reason, opened)


def test_who_was_stopped_out_enters_again_only_after_the_signal_left_its_side() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    bars = candles([flat, flat, (100, 100, 97, 100), flat, flat, flat, flat])
    account = trade(bars, np.array([[1.0, 1.0, 0.5, 1.0, -0.5, 1.0, 1.0]]), guarded())
    assert [(item.entry_time, item.reason) for item in account.trades] == [
        (days(7)[1], "stop_loss"), (days(7)[5], "signal"), (days(7)[6], "end"),
    ]  # fmt: skip


def test_a_smaller_signal_sells_a_part_and_a_larger_one_averages_the_price() -> None:
    bars = candles([(p, p, p, p) for p in (100.0, 100.0, 125.0, 125.0, 125.0)])
    smaller = trade(bars, np.array([[1.0, 0.5, 0.0, 0.0, 0.0]]), FREE)
    assert [(item.quantity, item.pnl) for item in smaller.trades] == [(30.0, 750.0), (20.0, 500.0)]
    larger = trade(bars, np.array([[0.4, 1.0, 0.0, 0.0, 0.0]]), FREE)
    (ended,) = larger.trades
    assert (ended.quantity, ended.entry_price) == (40.0, pytest.approx((20 * 100 + 20 * 125) / 40))
    assert ended.entry_time == days(5)[1]


def test_a_longer_delay_fills_that_many_bars_later() -> None:
    bars = candles([(p, p, p, p) for p in (100.0, 101.0, 102.0, 103.0, 104.0)])
    (ended,) = trade(bars, np.ones((1, 5)), FREE.model_copy(update={"delay_bars": 3})).trades
    assert (ended.entry_time, ended.entry_price) == (days(5)[3], 103.0)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_the_ledger_accounts_for_every_cent(seed: int) -> None:
    bars = walk(seed, num_symbols=2)
    account = trade(bars, signals(seed, (2, 60)), guarded(commission=0.001, slippage=0.0005))
    gained = sum(item.pnl for item in account.trades)
    assert account.equity[-1] - account.capital == pytest.approx(gained, abs=1e-7)
    assert account.cash[-1] == account.equity[-1]  # nothing is held at the end
    assert account.exposure[-1] == 0


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(["commission", "slippage"]))
def test_doubling_a_cost_takes_exactly_turnover_times_cost(seed: int, which: str) -> None:
    bars, signal = walk(seed, num_symbols=2), signals(seed, (2, 60))
    dear = FREE.model_copy(update={"commission": 0.001, "slippage": 0.0005})
    once = trade(bars, signal, dear)
    twice = trade(bars, signal, dear.model_copy(update={which: 2 * getattr(dear, which)}))
    np.testing.assert_array_equal(once.turnover, twice.turnover)
    lost = getattr(dear, which) * once.turnover.sum()
    assert once.equity[-1] - twice.equity[-1] == pytest.approx(lost, abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 58))
def test_no_order_uses_the_close_of_the_bar_that_fills_it_or_anything_later(seed: int, cut: int) -> None:
    bars, other = walk(seed), walk(seed + 1)
    signal = signals(seed, (1, 60), levels=(-1, 0, 1))
    low, high = np.minimum(bars.low, other.low), np.maximum(bars.high, other.high)
    after = np.arange(60) >= cut
    found: list[list[tuple[np.datetime64, float]]] = []
    for close, decided in ((bars.close, signal), (other.close, -signal)):
        changed = {"close": np.where(after, close, bars.close), "low": low, "high": high}
        account = trade(dataclasses.replace(bars, **changed), np.where(after, decided, signal), FREE)
        entries = [(item.entry_time, item.entry_price) for item in account.trades]
        found.append([entry for entry in entries if entry[0] <= bars.timestamp[cut]])
    assert found[0] == found[1]


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_signal_and_its_mirror_gain_opposite_amounts_without_costs(seed: int) -> None:
    bars, signal = walk(seed, num_symbols=2), signals(seed, (2, 60))
    up, down = trade(bars, signal, FREE), trade(bars, -signal, FREE)
    np.testing.assert_allclose(up.equity - up.capital, down.capital - down.equity, rtol=0, atol=1e-7)
    assert [-item.quantity for item in up.trades] == [item.quantity for item in down.trades]


def test_mirrored_levels_are_reached_by_mirrored_bars() -> None:
    up = candles([(100, 100, 100, 100), (100, 104, 99, 103), (103, 106, 102, 104)])
    down = candles([(100, 100, 100, 100), (100, 101, 96, 97), (97, 98, 94, 96)])
    long, short = trade(up, np.ones((1, 3)), guarded()), trade(down, -np.ones((1, 3)), guarded())
    np.testing.assert_allclose(long.equity, short.equity, rtol=0, atol=1e-9)
    assert [item.reason for item in long.trades] == [item.reason for item in short.trades] == ["take_profit"]


def test_a_flat_signal_never_trades() -> None:
    account = trade(walk(3), np.zeros((1, 60)), PRESETS["s2"])
    assert account.trades == ()
    np.testing.assert_array_equal(account.equity, 10_000.0)


def test_the_order_of_the_symbols_changes_nothing() -> None:
    bars, signal = walk(5, num_symbols=3), signals(5, (3, 60))
    turned = [2, 0, 1]
    one, other = trade(bars, signal, PRESETS["s4"]), trade(bars.only(turned), signal[turned], PRESETS["s4"])
    assert one.trades == other.trades
    np.testing.assert_allclose(one.equity, other.equity, rtol=1e-14)


def test_the_engine_agrees_with_the_book_that_judges_models() -> None:
    bars = walk(11, num_bars=80)
    bars = dataclasses.replace(bars, **{name: bars.open.copy() for name in ("high", "low", "close")})
    probability = np.random.default_rng(0).random(78)
    opens = bars.open[0]
    predictions = Predictions(
        symbols=("A",), symbol=np.zeros(78, dtype=np.int64), timestamp=bars.timestamp[:78], probability=probability,
        label=np.zeros(78), forward_return=opens[2:] / opens[1:-1] - 1, threshold=0.5,
    )  # fmt: skip
    book = backtest(predictions, CostConfig(commission=0.001, slippage=0.0005))
    signal = (np.append(probability, [probability[-1]] * 2) >= 0.5).astype(np.float64)[None]
    whole = FREE.model_copy(update={"commission": 0.001, "slippage": 0.0005, "max_position": 1.0})
    account = trade(bars, signal, whole)
    assert (account.trades[-1].reason, len(account.trades)) == ("end", book.num_trades)
    assert account.net.sum() == pytest.approx(book.net.sum(), abs=1e-12)
    assert account.turnover.sum() / whole.capital == pytest.approx(book.turnover.sum(), abs=1e-12)
    assert account.summary(bars_per_year=252.0)["win_rate"] == book.win_rate


def test_weights_are_traded_as_signals_of_the_limit_and_cut_to_it() -> None:
    bars = walk(7, num_symbols=2)
    weights = 0.3 * signals(7, (2, 60)).T
    config = PRESETS["s2"]
    account = trade_weights(bars, weights, config)
    apart = [trade(bars.only([place]), weights.T[[place]] / 0.3, config) for place in range(2)]
    gained = sum(one.equity - one.capital for one in apart)
    np.testing.assert_allclose(account.equity - account.capital, gained, rtol=0, atol=1e-9)
    assert len(account.trades) == sum(len(one.trades) for one in apart)
    sides = np.sign(weights)
    cut = trade_weights(bars, 0.45 * sides, config)
    np.testing.assert_array_equal(cut.equity, trade_weights(bars, 0.3 * sides, config).equity)
    assert {round(abs(item.quantity) * item.entry_price / 3_000, 6) for item in cut.trades} == {1.0005, 0.9995}


def test_weights_of_more_than_the_capital_are_refused() -> None:
    weights = np.full((60, 2), 0.3)
    weights[4] = [0.8, -0.4]
    with pytest.raises(DataError, match=r"weights, row 5: the sizes add up to 1.2"):
        trade_weights(walk(1, num_symbols=2), weights, PRESETS["s4"])


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("close", np.nan, "no bar that traded"),  # a halt
        ("low", np.nan, "no bar that traded"),
        ("high", np.inf, "no bar that traded"),
        ("open", 0.0, "no bar that traded"),
        ("high", 50.0, "no bar that traded"),
    ],
)
def test_a_bar_that_cannot_be_is_refused_by_name(field: str, value: float, said: str) -> None:
    bars = walk(2, num_symbols=2)
    broken = getattr(bars, field).copy()
    broken[1, 7] = value
    with pytest.raises(DataError, match=rf"S1, row 8: .*{said} at 2024-01-08"):
        trade(dataclasses.replace(bars, **{field: broken}), np.zeros((2, 60)), FREE)


@pytest.mark.parametrize("value", [np.nan, 1.5, -np.inf])
def test_a_signal_that_is_no_share_is_refused(value: float) -> None:
    signal = np.zeros((1, 60))
    signal[0, 9] = value
    with pytest.raises(DataError, match=r"S0, row 10, column 'signal'"):
        trade(walk(2), signal, FREE)


def test_times_that_do_not_ascend_are_refused() -> None:
    bars = walk(2)
    turned = bars.timestamp.copy()
    turned[[3, 4]] = turned[[4, 3]]
    with pytest.raises(DataError, match=r"row 5, column 'timestamp'"):
        trade(dataclasses.replace(bars, timestamp=turned), np.zeros((1, 60)), FREE)


@pytest.mark.promise("S2-46")
@pytest.mark.promise("S2-47")
@pytest.mark.promise("S2-48")
@pytest.mark.promise("S2-49")
@pytest.mark.promise("S2-50")
@pytest.mark.promise("S2-51")
@pytest.mark.promise("S4-92")
def test_the_presets_are_the_published_numbers_and_costs_have_no_default() -> None:
    names = ("capital", "commission", "slippage", "max_position", "stop_loss", "take_profit")
    assert [getattr(PRESETS["s2"], name) for name in names] == [10_000, 0.001, 0.0005, 0.3, 0.02, 0.05]
    assert [getattr(PRESETS["s4"], name) for name in names] == [100_000, 0.001, 0.0, 0.2, 0.05, 0.15]
    assert all(TradingConfig.model_fields[name].is_required() for name in names)


def test_the_presets_leave_at_their_levels_and_stake_their_share() -> None:
    for name, stake in (("s2", 3_000.0), ("s4", 20_000.0)):
        preset = PRESETS[name]
        assert preset.stop_loss
        bars = candles([(100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 80, 90)])
        (ended,) = trade(bars, np.ones((1, 3)), preset).trades
        assert ended.quantity == pytest.approx(stake / 100)
        paid = 100 * (1 + preset.slippage)
        assert ended.exit_price == pytest.approx(paid * (1 - preset.stop_loss) * (1 - preset.slippage))
