"""Sets and intervals that hold the truth as often as promised, whatever the model.

Split conformal prediction: how strange the truth was on a calibration zone says how wide to be. If the rows of
both zones are exchangeable, the truth is held with a chance between 1 - a and 1 - a + 1 / (n + 1), in the mean over
calibration zones of n rows without ties. Markets are not quite exchangeable: measure the coverage, do not assume it.

Sources: Vovk, Gammerman and Shafer (2005), "Algorithmic Learning in a Random World"; Lei et al. (2018),
"Distribution-Free Predictive Inference for Regression"; Sadinle, Lei and Wasserman (2019), "Least Ambiguous
Set-Valued Classifiers".
"""

import math

import numpy as np
import numpy.typing as npt

from components.trading.statistics import Array

Flags = npt.NDArray[np.bool_]


def conformal_threshold(strangeness: Array, *, miss_rate: float) -> float:
    """Return the strangeness that a new truth stays at or below but for ``miss_rate``.

    Infinity if the rows are too few to promise that. A row that is NaN counts as infinitely strange.

    Raises:
        ValueError: If the miss rate is not between 0 and 1.
    """
    if not 0 < miss_rate < 1:
        raise ValueError(f"miss_rate must be between 0 and 1, was {miss_rate}")
    place = math.ceil((strangeness.size + 1) * (1 - miss_rate))
    if place > strangeness.size:
        return math.inf
    return float(np.sort(np.where(np.isnan(strangeness), math.inf, strangeness))[place - 1])


def class_strangeness(label: npt.NDArray[np.int64], probability: Array) -> Array:
    """Return 1 minus the probability (row, class) of the class that came."""
    strange: Array = 1 - probability[np.arange(label.size), label]
    return strange


def class_sets(probability: Array, threshold: float) -> Flags:
    """Return the classes (row, class) that may come; for a direction give the columns falls and rises.

    A set may be empty where no class is likely. One with a probability that is NaN holds that class.
    """
    return ~(1 - probability > threshold)


def class_coverage(label: npt.NDArray[np.int64], sets: Flags) -> float:
    """Return the share of rows whose set holds the class that came; NaN without a row."""
    return float(sets[np.arange(label.size), label].mean()) if label.size else math.nan


def score_intervals(predicted: Array, threshold: float) -> tuple[Array, Array]:
    """Return the lower and upper ends, in the unit of the score; the strangeness is the absolute error."""
    return predicted - threshold, predicted + threshold


def interval_coverage(actual: Array, lower: Array, upper: Array) -> float:
    """Return the share of rows inside their interval, ends included; NaN rows are missed; NaN without a row."""
    return float(((lower <= actual) & (actual <= upper)).mean()) if actual.size else math.nan
