"""A book by weights: at each decision every symbol is brought to its share of the initial capital, and costs are paid.

The weight named at t is traded at the next open and earns until the open after it; by then the position has grown
with its return, and the next trade is from there. Gains are not reinvested, as in ``backtest.py``: returns are simple
fractions of the initial capital, turnover does not depend on the costs, and profit falls by exactly turnover times any
added cost.
"""

import numpy as np
import numpy.typing as npt

from components.core.judge import CostConfig
from components.market.predictions import AllocationPredictions, Predictions
from components.trading.backtest import Book, hold
from components.trading.statistics import Array


def weight_panel(predictions: AllocationPredictions) -> tuple[npt.NDArray[np.datetime64], Array, Array]:
    """Return times, weights and forward returns as (time, symbol) tables.

    Where a row or its forward return is unknown the symbol is flat and the return reads 0.
    """
    times, row = np.unique(predictions.timestamp, return_inverse=True)
    known = np.isfinite(predictions.forward_return)
    weights, forward = np.zeros((2, times.size, len(predictions.symbols)))
    weights[row, predictions.symbol] = np.where(known, predictions.weight, 0.0)
    forward[row, predictions.symbol] = np.where(known, predictions.forward_return, 0.0)
    return times, weights, forward


def trade_allocations(predictions: AllocationPredictions, costs: CostConfig) -> Book:
    """Return the book that holds the weights. A round trip is a stretch on one side of one symbol."""
    times, weights, forward = weight_panel(predictions)
    grown = weights * (1 + forward)
    before = np.vstack([np.zeros((1, grown.shape[1])), grown[:-1]]) if times.size else grown
    turnover: Array = np.abs(weights - before).sum(axis=1)
    if times.size:
        turnover[-1] += np.abs(grown[-1]).sum()
    gained = _round_trips(weights, grown, before, costs.per_side)
    return Book(
        timestamp=times,
        gross=(weights * forward).sum(axis=1),
        turnover=turnover,
        exposure=np.abs(weights).sum(axis=1),
        cost=costs.per_side,
        num_trades=gained.size,
        win_rate=float((gained > 0).mean()) if gained.size else float("nan"),
    )


def hold_all(predictions: AllocationPredictions, costs: CostConfig) -> Book:
    """Return the baseline: buy every symbol at its first open, sell after its last known return."""
    always = np.ones(predictions.symbol.size)
    return hold(
        Predictions(
            predictions.symbols, predictions.symbol, predictions.timestamp, always, always,
            predictions.forward_return, threshold=1.0,
        ),
        costs,
    )  # fmt: skip


def _round_trips(weights: Array, grown: Array, before: Array, cost: float) -> Array:
    """Return the gain after costs of each stretch of weights of one sign, in fractions of the initial capital."""
    side = np.sign(weights)
    enters = np.sign(before) != side
    leaves = np.vstack([side[1:] != side[:-1], np.ones((1, side.shape[1]), dtype=np.bool_)]) if side.size else enters
    traded = np.where(enters, np.abs(weights), np.abs(weights - before)) + np.where(leaves, np.abs(grown), 0.0)
    gain = grown - weights - cost * traded
    held, stretch = side.T.ravel() != 0, np.cumsum(enters.T.ravel())
    _, place = np.unique(stretch[held], return_inverse=True)
    return np.bincount(place, gain.T.ravel()[held]).astype(np.float64) if held.any() else np.zeros(0)
