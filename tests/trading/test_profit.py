"""What a zone's predictions would have earned, evaluation by evaluation."""

import math

import numpy as np
import pytest

from components.core.judge import CostConfig
from components.market.predictions import Predictions
from components.trading.profit import ProfitTracker

COSTS = CostConfig(commission=0.001, slippage=0.0005)
UP, DOWN = 0.9, 0.1


def tracker(*forward_return: float) -> ProfitTracker:
    """One symbol, a row a day; a year has 252 of them."""
    num = len(forward_return)
    rows = Predictions(
        symbols=("A",),
        symbol=np.zeros(num, dtype=np.int64),
        timestamp=np.datetime64("2024-01-01", "us") + np.arange(num) * np.timedelta64(1, "D"),
        probability=np.zeros(num),
        label=np.zeros(num),
        forward_return=np.array(forward_return),
        threshold=0.5,
    )
    return ProfitTracker(rows, COSTS, bars_per_year=252.0)


@pytest.mark.promise("S2-46")
def test_two_round_trips_by_hand() -> None:
    found = tracker(0.10, 0.0, -0.02, 0.5).track(np.array([UP, DOWN, UP, DOWN]))
    # Bought for 1, sold for 1.1; bought for 1, sold for 0.98; each time 0.0015 of the value.
    net = np.array([0.10 - 0.0015, -0.0015 * 1.1, -0.02 - 0.0015, -0.0015 * 0.98])
    assert found.total_return == pytest.approx(0.08 - 0.0015 * 4.08, abs=1e-12)
    assert found.profit_and_loss == pytest.approx(10_000 * (0.08 - 0.0015 * 4.08), abs=1e-8)
    assert found.max_drawdown == pytest.approx((1 + net.sum()) / (1 + net[0]) - 1, abs=1e-12)
    assert (found.num_trades, found.win_rate) == (2, 0.5)
    mean = net.sum() / 4
    assert found.sharpe_ratio == pytest.approx(mean / math.sqrt(((net - mean) ** 2).sum() / 3) * math.sqrt(252.0))


def test_each_evaluation_is_traded_on_its_own() -> None:
    asked = tracker(0.10, 0.0)
    first, second, third = (asked.track(np.array(said)) for said in ([UP, DOWN], [DOWN, DOWN], [UP, DOWN]))
    assert first == third
    assert second.total_return == 0.0
    assert second.num_trades == 0
    assert math.isnan(second.win_rate)
    assert math.isnan(second.sharpe_ratio)


def test_a_probability_that_is_no_number_is_not_traded() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        tracker(0.10).track(np.array([math.nan]))
