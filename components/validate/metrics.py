"""What is measured on a zone of directions: classification, trading and calibration, each number with its zone."""

import math
from collections.abc import Mapping

import numpy as np

from components.core.verdict import Measurement
from components.trading.backtest import Book
from components.trading.calibration import Bin, reliability_curve
from components.trading.confusion import Confusion
from components.trading.statistics import auc, log_loss_rows
from components.validate.zone import Zone


def confusion(zone: Zone) -> Confusion:
    """Return the confusion matrix at the threshold."""
    return Confusion.of(zone.signal, zone.predictions.label == 1)


def roc(zone: Zone, *, max_points: int = 101) -> dict[str, list[float]]:
    """Return false and true positive rate (``fpr``, ``tpr``) by ``threshold``, from nothing said to everything.

    Thresholds are evenly spread over the ranks of the probabilities. Without both labels the curve is empty.
    """
    table = zone.predictions
    order = np.argsort(-table.probability, kind="stable")
    ups = np.cumsum(table.label[order])
    if not 0 < ups[-1] < ups.size:
        return {"fpr": [], "tpr": [], "threshold": []}
    ordered = table.probability[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])  # of equal probabilities all are said, or none
    kept = last[np.unique(np.linspace(0, last.size - 1, min(last.size, max_points - 1)).round().astype(np.intp))]
    above = np.nextafter(max(1.0, float(ordered[0])), 2.0)
    return {
        "fpr": [0.0, *((kept + 1 - ups[kept]) / (ups.size - ups[-1])).tolist()],
        "tpr": [0.0, *(ups[kept] / ups[-1]).tolist()],
        "threshold": [float(above), *ordered[kept].tolist()],
    }


def reliability(zone: Zone, *, num_bins: int = 10) -> list[Bin]:
    """Return bins of equal numbers of rows, from low to high probability."""
    return reliability_curve(zone.predictions.probability, zone.predictions.label, num_bins=num_bins)


def measure(
    zone: Zone, book: Book, baseline: Book, *, name: str, bars_per_year: float, usable: bool
) -> dict[str, Measurement]:
    """Return all metrics of the zone called ``name``; all null if the predictions are not ``usable``.

    ``mse`` and ``mae`` are of the probability against what came: the first is the Brier score.
    """
    table, counts = zone.predictions, confusion(zone)
    numbers: dict[str, float] = {
        "rows": zone.num_rows,
        "timestamps": zone.num_times,
        "signals": zone.num_signals,
        "threshold": table.threshold,
    }
    if usable and zone.num_rows:
        numbers |= {
            "accuracy": counts.accuracy,
            "precision": counts.precision,
            "recall": counts.recall,
            "f1": counts.f1,
            "base_rate": counts.base_rate,
            "auc": auc(table.label, table.probability),
            "log_loss": float(log_loss_rows(table.label, table.probability).mean()),
            "mse": float(((table.probability - table.label) ** 2).mean()),
            "mae": float(np.abs(table.probability - table.label).mean()),
        }
        numbers |= book.summary(bars_per_year=bars_per_year)
        held = baseline.summary(bars_per_year=bars_per_year)
        numbers |= {f"hold_{key}": number for key, number in held.items()}
    return measurements(numbers, name)


def measurements(numbers: Mapping[str, float], zone: str) -> dict[str, Measurement]:
    """Return the numbers with their zone; null where one is not finite."""
    return {
        key: Measurement(zone=zone, value=float(number) if math.isfinite(number) else None)
        for key, number in numbers.items()
    }
