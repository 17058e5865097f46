import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.judge import CostConfig
from components.market.predictions import Predictions
from components.trading.backtest import backtest, hold

FREE = CostConfig(commission=0.0, slippage=0.0)
TEN_BPS = CostConfig(commission=0.0008, slippage=0.0002)
UP, DOWN, NONE = 0.9, 0.1, math.nan


def table(probability: list[list[float]], forward_return: list[list[float]]) -> Predictions:
    """Rows are times, columns are symbols."""
    probabilities, returns = np.array(probability), np.array(forward_return)
    num_times, num_symbols = probabilities.shape
    times = np.datetime64("2024-01-01T00:00", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    return Predictions(
        symbols=tuple("ABCDEFGH"[:num_symbols]),
        symbol=np.tile(np.arange(num_symbols), num_times),
        timestamp=np.repeat(times, num_symbols),
        probability=probabilities.ravel(),
        label=(returns.ravel() > 0).astype(np.float64),
        forward_return=returns.ravel(),
        threshold=0.5,
    )


def test_enter_hold_and_leave_by_hand() -> None:
    book = backtest(table([[UP], [UP], [DOWN]], [[0.02], [-0.01], [0.05]]), TEN_BPS)
    value = 1.02 * 0.99  # of the shares when they are sold
    np.testing.assert_allclose(book.turnover, [1.0, 0.0, value], rtol=0, atol=1e-12)
    np.testing.assert_allclose(book.net, [0.02 - 0.001, 1.02 * -0.01, -0.001 * value], rtol=0, atol=1e-12)
    np.testing.assert_allclose(book.equity, [1.0, 1.019, 1.0088, 1.0088 - 0.001 * value], rtol=0, atol=1e-12)
    assert (book.num_trades, book.win_rate) == (1, 1.0)
    np.testing.assert_array_equal(book.exposure, [1.0, 1.0, 0.0])


def test_a_book_that_is_still_long_sells_after_the_last_return() -> None:
    book = backtest(table([[UP]], [[0.10]]), TEN_BPS)
    assert book.turnover[0] == pytest.approx(1.0 + 1.1, abs=1e-12)
    assert book.net[0] == pytest.approx(0.10 - 0.0021, abs=1e-12)


def test_each_symbol_has_an_equal_slot_and_its_own_trades() -> None:
    book = backtest(table([[UP, DOWN], [DOWN, UP]], [[0.04, 0.50], [0.50, -0.02]]), TEN_BPS)
    np.testing.assert_allclose(book.gross, [0.02, -0.01], rtol=0, atol=1e-12)
    np.testing.assert_allclose(book.turnover, [0.5, 0.52 + 0.5 + 0.49], rtol=0, atol=1e-12)
    assert (book.num_trades, book.win_rate) == (2, 0.5)
    np.testing.assert_array_equal(book.exposure, [0.5, 0.5])


def test_a_gain_smaller_than_its_costs_is_no_win() -> None:
    assert backtest(table([[UP]], [[0.0015]]), TEN_BPS).win_rate == 0.0


def test_an_unknown_forward_return_is_no_position() -> None:
    book = backtest(table([[UP], [UP], [UP]], [[0.02], [NONE], [0.03]]), TEN_BPS)
    np.testing.assert_array_equal(book.exposure, [1.0, 0.0, 1.0])
    np.testing.assert_allclose(book.gross, [0.02, 0.0, 0.03], rtol=0, atol=1e-12)
    assert book.num_trades == 2


def test_a_symbol_without_a_row_is_flat() -> None:
    whole = table([[UP, UP], [UP, UP]], [[0.02, 0.04], [0.01, 0.01]])
    keep = np.array([True, True, True, False])
    columns = ("symbol", "timestamp", "probability", "label", "forward_return")
    book = backtest(
        Predictions(symbols=whole.symbols, threshold=0.5, **{name: getattr(whole, name)[keep] for name in columns}),
        FREE,
    )
    np.testing.assert_allclose(book.gross, [0.03, 0.5 * 1.02 * 0.01], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(book.exposure, [1.0, 0.5])


def test_no_decision_to_go_long_is_no_trade() -> None:
    book = backtest(table([[DOWN], [DOWN]], [[0.02], [0.03]]), TEN_BPS)
    figures = book.summary(bars_per_year=252.0)
    assert (figures["num_trades"], figures["total_return"], figures["turnover"], figures["exposure"]) == (0, 0, 0, 0)
    assert math.isnan(figures["win_rate"])
    assert math.isnan(figures["sharpe"])
    assert math.isnan(figures["break_even_cost"])


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_probability_that_is_no_number_is_refused(broken: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        backtest(table([[UP], [broken]], [[0.02], [0.01]]), TEN_BPS)


@pytest.mark.parametrize("broken", [-1.0, -1.5, math.inf])
def test_a_return_that_cannot_be_is_refused(broken: float) -> None:
    with pytest.raises(ValueError, match="cannot be a return"):
        backtest(table([[UP], [UP]], [[0.02], [broken]]), TEN_BPS)


def test_buy_and_hold_pays_once_and_keeps_the_shares() -> None:
    book = hold(table([[DOWN, DOWN], [DOWN, DOWN]], [[0.10, -0.50], [0.10, NONE]]), TEN_BPS)
    assert book.equity[-1] == pytest.approx(0.5 * (1.21 + 0.5) - 0.001 * 0.5 * (2 + 1.21 + 0.5), abs=1e-12)
    assert book.num_trades == 2


def test_drawdown_is_measured_from_the_highest_equity() -> None:
    book = backtest(table([[UP], [UP], [UP]], [[0.25], [-0.20], [0.10]]), FREE)
    np.testing.assert_allclose(book.equity, [1.0, 1.25, 1.0, 1.1], rtol=0, atol=1e-12)
    assert book.summary(bars_per_year=252.0)["max_drawdown"] == pytest.approx(-0.2, abs=1e-12)


cells = st.tuples(st.sampled_from([UP, DOWN]), st.one_of(st.floats(-0.5, 0.5), st.just(NONE)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=12))
def test_doubling_the_costs_takes_exactly_turnover_times_cost(rows: list[list[tuple[float, float]]]) -> None:
    predictions = table([[p for p, _ in row] for row in rows], [[r for _, r in row] for row in rows])
    once, twice = (backtest(predictions, CostConfig(commission=0.001 * k, slippage=0.0005 * k)) for k in (1.0, 2.0))
    np.testing.assert_array_equal(once.turnover, twice.turnover)
    assert once.net.sum() - twice.net.sum() == pytest.approx(0.0015 * once.turnover.sum(), abs=1e-12)


def test_at_the_break_even_cost_nothing_is_left() -> None:
    predictions = table([[UP], [UP], [DOWN], [UP]], [[0.02], [0.03], [0.0], [0.01]])
    cost = backtest(predictions, FREE).summary(bars_per_year=252.0)["break_even_cost"]
    assert backtest(predictions, CostConfig(commission=cost, slippage=0.0)).net.sum() == pytest.approx(0, abs=1e-12)
