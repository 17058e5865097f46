"""Why the model said what it said of one window: what each feature added to it.

Source: Strumbelj and Kononenko (2014), "Explaining prediction models and individual predictions with feature
contributions": Shapley values by sampling. From another window of the same symbol, one feature after another is set
to its values in this one, in random order; each is credited with the change. Credits add up to the whole difference.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.learning.examples import Examples
from components.serving.loader import Served, Windows
from components.trading.statistics import Array

NUM_DRAWS = 24
"""Other windows that one is compared with, each with its own order of the features."""


@dataclass(frozen=True)
class Explanation:
    """One prediction, and what it is made of."""

    symbol: str
    day: str
    said: str
    """What the number is: a class's name where there are classes."""
    value: float
    """What the model said."""
    usual: float
    """What it says of the windows compared with, on average."""
    features: tuple[str, ...]
    added: Array
    """[feature]: what its values added; the sum is ``value`` - ``usual``."""
    error: Array
    """[feature]: standard error of ``added`` over the draws."""


def said_of(served: Served, windows: Windows) -> Array:
    """Return the graph's first output, its answer, [window], [window, class] or [window, step, level]."""
    return served.predict(windows)[served.signature.outputs[0]].astype(np.float64)


def explain(
    served: Served,
    data: Examples,
    end: npt.NDArray[np.int64],
    window: Windows,
    *,
    others: Windows,
    rng: np.random.Generator,
) -> Explanation:
    """Return what the features add to the answer for ``window`` [time, feature], which ends at ``end``.

    ``others`` [draw, time, feature] are the windows that it is compared with; of classes, the likeliest is explained.
    """
    num, num_features = len(others), len(data.columns)
    rank = rng.permuted(np.tile(np.arange(num_features), (num, 1)), axis=1)
    steps = rank[:, None, :] < np.arange(num_features + 1)[None, :, None]  # [draw, step, feature]: set to its own
    mixed = np.where(steps[:, :, None, :], window, others[:, None, :, :])
    answers = said_of(served, mixed.reshape(-1, *window.shape)).reshape(num, num_features + 1, -1)
    likeliest = int(answers[0, -1].argmax())
    line = answers[:, :, likeliest]  # at the last step all features are this window's own
    credit = np.take_along_axis(np.diff(line, axis=1), rank, axis=1)
    return Explanation(
        symbol=data.symbols[int(end[0])],
        day=str(data.panel.timestamps[end[1]])[:10],
        said=data.classes[likeliest] if data.classes else served.signature.outputs[0],
        value=float(line[0, -1]),
        usual=float(line[:, 0].mean()),
        features=data.columns,
        added=credit.mean(axis=0),
        error=credit.std(axis=0, ddof=1) / np.sqrt(num),
    )
