"""From log-odds to a decision: Platt scaling, then the most precise threshold that still catches enough.

Source: Platt (1999), "Probabilistic Outputs for Support Vector Machines", with the Newton
iteration of Lin, Lin and Weng (2007).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.families.price_action.evaluate import cross_entropy
from components.trading.statistics import wilson_interval

Floats = npt.NDArray[np.float64]

MIN_SLOPE, MAX_SLOPE = 0.01, 10.0
_STEPS = 50
_RIDGE = 1e-9


def sigmoid(log_odds: Floats) -> Floats:
    """Return the probability of each log-odds, without overflow."""
    probability: Floats = 0.5 * (1.0 + np.tanh(0.5 * log_odds))
    return probability


@dataclass(frozen=True)
class Calibration:
    """Calibrated log-odds = ``slope`` * log-odds + ``intercept``."""

    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, log_odds: Floats) -> Floats:
        """Return the calibrated probability of each row."""
        return sigmoid(self.slope * log_odds + self.intercept)


def fit_platt(log_odds: Floats, labels: Floats) -> Calibration:
    """Return the scaling with the lowest cross-entropy against Platt's smoothed labels.

    Where the rows show no skill (a best slope of 0 or less) the slope is ``MIN_SLOPE``: nearly
    the base rate for all, in the model's order.
    """
    num_up = float(labels.sum())
    num_down = len(labels) - num_up
    target = np.where(labels > 0, (num_up + 1) / (num_up + 2), 1 / (num_down + 2))
    free = _newton(log_odds, target, slope=None)
    if MIN_SLOPE <= free.slope <= MAX_SLOPE:
        return free
    return _newton(log_odds, target, slope=float(np.clip(free.slope, MIN_SLOPE, MAX_SLOPE)))


def _newton(x: Floats, target: Floats, *, slope: float | None) -> Calibration:
    """Minimise over the intercept, and over the slope too if it is None; steps are halved until the loss falls."""
    rate = float(np.clip(target.mean(), 1e-6, 1 - 1e-6))
    a, b = (0.0 if slope is None else slope), float(np.log(rate / (1 - rate)))
    loss = cross_entropy(a * x + b, target)
    for _ in range(_STEPS):
        p = sigmoid(a * x + b)
        weight, error = p * (1 - p), p - target
        g_a, g_b = float(error @ x), float(error.sum())
        h_aa, h_ab, h_bb = float(weight @ (x * x)) + _RIDGE, float(weight @ x), float(weight.sum()) + _RIDGE
        if slope is None:
            determinant = h_aa * h_bb - h_ab * h_ab
            step_a, step_b = (h_bb * g_a - h_ab * g_b) / determinant, (h_aa * g_b - h_ab * g_a) / determinant
        else:
            step_a, step_b = 0.0, g_b / h_bb
        size = 1.0
        while size > _RIDGE and cross_entropy((a - size * step_a) * x + b - size * step_b, target) > loss:
            size /= 2
        if size <= _RIDGE:
            break
        a, b = a - size * step_a, b - size * step_b
        before, loss = loss, cross_entropy(a * x + b, target)
        if before - loss < _RIDGE * _RIDGE:
            break
    return Calibration(a, b)


def precise_threshold(probability: Floats, labels: Floats, *, min_recall: float, confidence: float) -> float:
    """Return the threshold with the highest lower Wilson bound of precision, among those with enough recall.

    Signals are the rows with ``probability >= threshold``. Without a rising row there is nothing
    to be right about: the threshold is 1.0, which only a sure model reaches.
    """
    if not labels.any():
        return 1.0
    order = np.argsort(-probability, kind="stable")
    ranked, hits = probability[order], np.cumsum(labels[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # rows of one probability come together
    last = last[hits[last] >= min_recall * hits[-1]]
    bounds = [wilson_interval(int(hits[row]), int(row) + 1, confidence=confidence)[0] for row in last]
    best = max(range(len(bounds)), key=lambda place: (bounds[place], place))
    return float(ranked[last[best]])
