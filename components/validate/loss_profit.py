"""Prediction loss and profit side by side: does the book earn at the times when the model is right?"""

import math
from dataclasses import dataclass

import numpy as np

from components.core.page import table, text
from components.trading.backtest import Book
from components.trading.statistics import Array, log_loss_rows
from components.validate.sections import Findings
from components.validate.zone import AllocationZone, Zone

NUM_PARTS = 5


@dataclass(frozen=True)
class Part:
    """Decision times with losses alike."""

    num_times: int
    loss: float
    """Mean over the times of each time's mean loss, as ``losses_by_time`` has it."""
    net: float
    """Mean gain of the book after costs, a fraction of the initial capital, per decision time."""


def losses_by_time(zone: Zone | AllocationZone) -> Array:
    """Return the mean loss of the rows of each decision time: log loss in nats, or the expected return's squared error.

    The latter in squared percentage points.
    """
    if isinstance(zone, AllocationZone):
        rows = (100 * (zone.predictions.expected_return - zone.predictions.label)) ** 2
    else:
        rows = log_loss_rows(zone.predictions.label, zone.predictions.probability)
    result: Array = zone.per_time(rows) / zone.rows_per_time
    return result


def loss_profit_correlation(zone: Zone | AllocationZone, book: Book) -> float:
    """Return Pearson's correlation, over decision times, of loss and gain after costs.

    Below 0 the book earns when the model is right; NaN if either never varies.
    """
    loss, net = losses_by_time(zone), book.net
    if loss.size < 2 or np.ptp(loss) == 0 or np.ptp(net) == 0:  # noqa: PLR2004 - nothing varies
        return math.nan
    return float(np.corrcoef(loss, net)[0, 1])


def parts(zone: Zone | AllocationZone, book: Book) -> list[Part]:
    """Return fifths of the decision times, from those with the lowest loss to those with the highest."""
    loss = losses_by_time(zone)
    cuts = np.array_split(np.argsort(loss, kind="stable"), NUM_PARTS)
    return [Part(cut.size, float(loss[cut].mean()), float(book.net[cut].mean())) for cut in cuts if cut.size]


def loss_profit_section(zone: Zone | AllocationZone, book: Book, findings: Findings) -> str:
    """Return the fifths and the correlation."""
    rows = [
        [f"{number} of {NUM_PARTS}", f"{part.num_times:,}", text(part.loss, ".4f"), text(part.net, "+.4%")]
        for number, part in enumerate(parts(zone, book), start=1)
    ]
    correlation = text(findings.value("loss_profit_correlation"), "+.3f")
    name = "squared error of the expected return" if isinstance(zone, AllocationZone) else "log loss"
    return (
        "<h2>Prediction loss and profit</h2>"
        f"<p>Over decision times, {name} and gain after costs have a correlation of {correlation}: below 0, the book "
        "earns when the model is right.</p>"
        + table(["Times, from low to high loss", "Times", name.capitalize(), "Gain after costs"], rows, numbers=3)
    )
