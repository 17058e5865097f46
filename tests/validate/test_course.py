import numpy as np
import pytest

from components.core.judge import CostConfig, JudgeConfig
from components.market.predictions import Predictions
from components.trading.backtest import backtest
from components.trading.statistics import sharpe_ratio
from components.validate.course import (
    ROLLING_TIMES,
    Band,
    drawdown_interval,
    monthly_gains,
    rolling_sharpe,
    win_interval,
)

FREE = CostConfig(commission=0.0, slippage=0.0)
QUICK = JudgeConfig(bootstrap_samples=50)


def held(returns: list[float], first: str):
    """Return the book that holds one symbol all the time, a day at a time from ``first``."""
    num = len(returns)
    times = np.datetime64(first, "us") + np.arange(num) * np.timedelta64(1, "D")
    forward = np.array(returns)
    label = (forward > 0).astype(np.float64)
    table = Predictions(("A",), np.zeros(num, dtype=np.int64), times, np.ones(num), label, forward, threshold=0.5)
    return backtest(table, FREE)


def test_the_rolling_ratio_is_that_of_each_stretch_and_its_band_that_of_lo() -> None:
    net = np.random.default_rng(3).normal(0.001, 0.01, 200)
    found = rolling_sharpe(net, bars_per_year=252.0)
    assert found is not None
    assert found.last.tolist() == list(range(62, 200))
    for place in (0, 57, 137):
        stretch = net[place : place + ROLLING_TIMES]
        assert found.sharpe[place] == pytest.approx(sharpe_ratio(stretch, periods_per_year=252.0))
        daily = stretch.mean() / stretch.std(ddof=1)
        room = 1.959964 * np.sqrt((1 + daily**2 / 2) / 63) * np.sqrt(252)
        assert found.upper[place] - found.sharpe[place] == pytest.approx(room)
        assert found.sharpe[place] - found.lower[place] == pytest.approx(room)


def test_a_stretch_without_a_trade_has_no_ratio_and_a_short_book_none_at_all() -> None:
    net = np.r_[np.zeros(64), 0.01, -0.02, np.zeros(10)]
    found = rolling_sharpe(net, bars_per_year=252.0)
    assert found is not None
    np.testing.assert_array_equal(np.isfinite(found.sharpe), [False, False, *[True] * 12])
    assert rolling_sharpe(np.ones(ROLLING_TIMES), bars_per_year=252.0) is None


def test_months_hold_the_gains_of_their_decisions_and_add_up_to_the_year() -> None:
    book = held([0.01, 0.02, -0.03, 0.01], "2023-12-30")
    years, table = monthly_gains(book)
    assert years == [2023, 2024]
    np.testing.assert_allclose(table[0, [11, 12]], book.net[:2].sum())
    np.testing.assert_allclose(table[1, [0, 12]], book.net[2:].sum())
    assert np.isnan(table).sum() == 22
    assert table[:, 12].sum() == pytest.approx(book.net.sum())


def test_where_every_history_is_the_same_the_drawdown_is_sure() -> None:
    assert drawdown_interval(np.full(10, -0.01), QUICK, block=2.0) == pytest.approx((-0.1, -0.1))
    assert drawdown_interval(np.full(10, 0.01), QUICK, block=2.0) == (0.0, 0.0)


def test_the_drawdown_interval_holds_that_of_the_zone() -> None:
    net = np.random.default_rng(0).normal(0.0, 0.01, 250)
    equity = 1 + np.cumsum(net)
    deepest = (equity / np.maximum(1, np.maximum.accumulate(equity)) - 1).min()
    low, high = drawdown_interval(net, JudgeConfig(bootstrap_samples=400), block=5.0)
    assert low < deepest < high < 0


@pytest.mark.parametrize(
    ("value", "lower", "upper", "answer"),
    [
        (1.5, 1.1, 2.0, "shown"),
        (1.5, 0.9, 2.0, "reached"),
        (1.5, None, None, "unbounded"),
        (1.0, 0.9, 1.1, "not reached"),
        (None, 1.1, 2.0, "not reached"),
    ],
)
def test_a_band_is_shown_only_if_the_whole_interval_is_inside(value, lower, upper, answer) -> None:
    assert Band("Sharpe ratio", "above 1", "+.2f", value, lower, upper, above=1.0).answer == answer


def test_55_of_100_round_trips_may_as_well_be_45() -> None:
    returns = [0.01 if place < 55 else -0.01 for place in range(100)]
    num = 2 * len(returns)
    times = np.datetime64("2024-01-01", "us") + np.arange(num) * np.timedelta64(1, "D")
    said = np.tile([1.0, 0.0], len(returns))  # in, out, in, out
    forward = np.repeat(returns, 2)
    table = Predictions(("A",), np.zeros(num, dtype=np.int64), times, said, said, forward, threshold=0.5)
    book = backtest(table, FREE)
    assert (book.num_trades, book.win_rate) == (100, 0.55)
    lower, upper = win_interval(book)
    assert (lower, upper) == pytest.approx((0.452, 0.644), abs=1e-3)
    assert Band("won", "above 55%", ".1%", 0.55 + 1e-9, lower, upper, above=0.55).answer == "reached"
    assert win_interval(held([], "2024-01-01")) == (0.0, 1.0)
