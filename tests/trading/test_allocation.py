"""A book by weights, by hand: drifted turnover, round trips, and what it has in common with the other books."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.judge import CostConfig
from components.market.predictions import AllocationPredictions, Predictions
from components.trading.allocation import hold_all, trade_allocations
from components.trading.backtest import hold

COSTS = CostConfig(commission=0.001, slippage=0.0005)
FREE = CostConfig(commission=0.0, slippage=0.0)


def table_of(weights: np.ndarray, returns: np.ndarray) -> AllocationPredictions:
    """Return the table of weights and returns [time, symbol]."""
    num_times, num_symbols = weights.shape
    days = np.datetime64("2024-01-01", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    none = np.zeros(weights.size)
    return AllocationPredictions(
        symbols=tuple(f"SYM{code}" for code in range(num_symbols)),
        symbol=np.tile(np.arange(num_symbols), num_times),
        timestamp=np.repeat(days, num_symbols),
        score=none, weight=weights.ravel(), expected_return=none, label=none, forward_return=returns.ravel(),
    )  # fmt: skip


def test_a_book_by_hand() -> None:
    weights = np.array([[0.5, 0.0], [0.5, -0.2], [0.0, -0.2]])
    returns = np.array([[0.10, 0.0], [-0.02, 0.05], [0.0, -0.10]])
    book = trade_allocations(table_of(weights, returns), COSTS)
    np.testing.assert_allclose(book.gross, [0.05, -0.01 - 0.01, 0.02])
    leaving = 0.5 * 0.98 + abs(-0.2 - -0.21) + 0.2 * 0.9  # sold, brought back to size, and bought back at the end
    np.testing.assert_allclose(book.turnover, [0.5, abs(0.5 - 0.55) + 0.2, leaving])
    np.testing.assert_allclose(book.exposure, [0.5, 0.7, 0.2])
    np.testing.assert_allclose(book.net, book.gross - 0.0015 * book.turnover)
    assert book.num_trades == 2
    assert book.win_rate == 1.0
    dear = trade_allocations(table_of(weights, returns), CostConfig(commission=0.03, slippage=0.0))
    assert dear.win_rate == 0.5  # the short gained 0.01 and pays on 0.2, 0.01 and 0.18


def test_turning_from_one_side_to_the_other_ends_a_round_trip() -> None:
    weights, returns = np.array([[0.5], [-0.5], [-0.5], [0.0], [0.3]]), np.array([[0.1], [0.1], [0.0], [0.0], [0.0]])
    book = trade_allocations(table_of(weights, returns), FREE)
    assert (book.num_trades, book.win_rate) == (3, pytest.approx(1 / 3))
    assert book.turnover[1] == pytest.approx(0.55 + 0.5)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 4))
def test_round_trips_earn_what_the_book_earns_and_costs_take_exactly_their_share(
    seed: int, num_times: int, num_symbols: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.1, (num_times, num_symbols)) * (rng.random((num_times, num_symbols)) < 0.7)
    returns = rng.normal(0, 0.02, weights.shape)
    books = [trade_allocations(table_of(weights, returns), costs) for costs in (FREE, COSTS)]
    np.testing.assert_allclose(books[0].net.sum(), (weights * returns).sum(), atol=1e-12)
    np.testing.assert_allclose(books[0].turnover, books[1].turnover)
    np.testing.assert_allclose(books[1].net, books[0].net - 0.0015 * books[0].turnover, atol=1e-15)
    sides = np.sign(weights)
    starts = np.count_nonzero((sides != np.vstack([np.zeros(num_symbols), sides[:-1]])) & (sides != 0))
    assert books[0].num_trades == starts


def test_what_has_no_known_return_is_not_held() -> None:
    weights, returns = np.full((3, 1), 0.5), np.array([[0.1], [np.nan], [0.1]])
    book = trade_allocations(table_of(weights, returns), FREE)
    np.testing.assert_allclose(book.exposure, [0.5, 0.0, 0.5])
    np.testing.assert_allclose(book.turnover, [0.5, 0.55, 0.5 + 0.55])


def test_without_a_row_there_is_an_empty_book() -> None:
    book = trade_allocations(table_of(np.zeros((0, 2)), np.zeros((0, 2))), COSTS)
    assert (book.net.size, book.num_trades) == (0, 0)
    assert np.isnan(book.win_rate)


def test_holding_all_is_the_baseline_of_directions() -> None:
    rng = np.random.default_rng(0)
    table = table_of(np.zeros((20, 3)), rng.normal(0, 0.02, (20, 3)))
    up = np.ones(60)
    directions = Predictions(table.symbols, table.symbol, table.timestamp, up, up, table.forward_return, threshold=0.5)
    ours, theirs = hold_all(table, COSTS), hold(directions, COSTS)
    np.testing.assert_array_equal(ours.net, theirs.net)
    assert ours.exposure.min() == 1.0
