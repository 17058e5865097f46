"""Is the market of the test zone that of the training? Each feature here beside itself there, and all together.

No gate asks it: a model that still knows something of another market may be promoted. But who reads the report
should know, and whoever watches the model later compares with these numbers.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.core.page import table, text
from components.core.verdict import Measurement
from components.learning.examples import TRAIN, Examples, read_examples
from components.trading.drift import compare_features, kernel_distance
from components.validate.metrics import measurements

PREFIX: Final = "drift."
STEADY, MOVED = 0.1, 0.25
"""Population stability indices below which, by the custom of credit scoring, nothing or little has changed."""
MAX_ROWS: Final = 2000
"""Rows of each zone that the distance of all features together looks at."""


def population_drift(examples: Path, *, zone: str, seed: int) -> dict[str, Measurement]:
    """Return index, distance and both means of each feature, and the distance of all together, training to ``zone``.

    Raises:
        ArtifactError, DataError: If the examples cannot be trusted.
    """
    data = read_examples(examples)
    before, here = (_rows(data, name) for name in (TRAIN, zone))
    found = compare_features(before, here).loc[list(data.columns)]
    columns = {"psi": "psi", "ks": "ks", "mean_before": "reference_mean", "mean_here": "current_mean"}
    numbers = {
        f"{PREFIX}{feature}.{name}": float(number)
        for name, column in columns.items()
        for feature, number in zip(data.columns, found[column].to_numpy(), strict=True)
    }
    together = kernel_distance(
        before.to_numpy(), here.to_numpy(), rng=np.random.default_rng(seed), max_rows=MAX_ROWS, permutations=0
    )
    return measurements({**numbers, f"{PREFIX}mmd": together.statistic}, zone)


def _rows(data: Examples, zone: str) -> pd.DataFrame:
    """Return the features of every row of a zone; none where there is no such zone."""
    times = data.zone == data.zones.index(zone) if zone in data.zones else np.zeros(data.zone.size, dtype=np.bool_)
    return frame_of(data, times)


def frame_of(data: Examples, times: npt.NDArray[np.bool_], *, max_rows: int | None = None) -> pd.DataFrame:
    """Return the features of the rows at the flagged times; at most ``max_rows``, evenly spread over them."""
    rows = data.panel.values[data.panel.present & times]  # noqa: PD011 - the panel's own array
    if max_rows is not None and len(rows) > max_rows:
        rows = rows[np.linspace(0, len(rows) - 1, max_rows).astype(int)]
    return pd.DataFrame(rows, columns=list(data.columns))


def drift_section(metrics: Mapping[str, Measurement], columns: Iterable[str]) -> str:
    """Return a table of the features, those that moved most first; nothing where they were not compared."""

    def found(name: str) -> float | None:
        return item.value if (item := metrics.get(f"{PREFIX}{name}")) else None

    index = {name: value for name in columns if (value := found(f"{name}.psi")) is not None}
    if not index:
        return ""
    rows = [
        [
            name,
            text(value, ".3f"),
            text(found(f"{name}.ks"), ".3f"),
            text(found(f"{name}.mean_before"), ".4g"),
            text(found(f"{name}.mean_here"), ".4g"),
            _reading(value),
        ]
        for name, value in sorted(index.items(), key=lambda item: -item[1])
    ]
    heads = ["Feature", "PSI", "KS", "Mean of the training zone", "Mean of the test zone", "Reading"]
    return (
        f"<h2>Drift of the features</h2>{table(heads, rows, numbers=5)}"
        f'<p class="soft">PSI: population stability index over tenths of the training zone; below {STEADY:g} steady, '
        f"from {MOVED:g} on another population. KS: largest distance of the two distribution functions. All features "
        f"together lie {text(found('mmd'), '.4f')} apart (squared maximum mean discrepancy). Prices and volumes drift "
        "by their nature; no gate asks about it.</p>"
    )


def _reading(index: float) -> str:
    return "steady" if index < STEADY else "moved" if index < MOVED else "another population"
