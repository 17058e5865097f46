"""Is what is served what was judged? The graph that answers without torch, beside the predictions of the judge."""

from pathlib import Path
from typing import Final

import numpy as np

from components.core.bundle import Bundle
from components.core.errors import ArtifactError, DataError
from components.core.family import Family
from components.learning.examples import Examples, read_examples
from components.market.predictions import AllocationPredictions, Predictions, QuantilePredictions, ScorePredictions
from components.serving.loader import Served, load
from components.trading.statistics import Array
from components.validate.case import Answer, Unanswered
from components.validate.kinds import Table
from components.validate.measures import Measured
from components.validate.zone import Index

NUM_WINDOWS: Final = 512
EDGE: Final = 1e-4
"""A probability so near to the threshold may fall on either side of it."""


def parity(bundle: Bundle, examples: Path, judged: Table, family: Family, *, threads: int) -> Answer | None:
    """Return how far the bundle's graph is from what was judged; None of a family that serves nothing.

    A bundle without a graph that may be run fails: nothing of it could ever be served, however long the history.
    """
    if not family.outputs:
        return None
    data = read_examples(examples)
    try:
        return compare(load(bundle.folder, expect=bundle.digest, threads=threads), data, judged)
    except (ArtifactError, DataError) as error:
        return Unanswered("fail", f"Fails closed: {error}.")


def compare(served: Served, data: Examples, judged: Table) -> Answer:
    """Return the largest difference on at most 512 windows, evenly spread over the rows that were judged.

    The first output is what the judge reads: a probability, one for each class, a score, or quantiles. Of directions
    the decision is compared too: another one, away from the threshold, is a difference of 1.

    Raises:
        ArtifactError: If the graph gives up or its first output has another shape.
        DataError: If a window is not in the examples in full.
    """
    num_rows = judged.symbol.size
    if not num_rows:
        return Unanswered("insufficient evidence", "There is no row to compare what is served on.")
    signature = served.signature
    if signature.columns != data.columns:
        raise ArtifactError(f"the graph reads {signature.columns}, the examples have {data.columns}")
    rows = np.unique(np.linspace(0, num_rows - 1, NUM_WINDOWS).round().astype(np.intp))
    outputs = served.predict(data.raw_windows(_ends(data, judged, rows, signature.window), signature.window))
    said = judged_numbers(judged)[rows]
    first = outputs[signature.outputs[0]].astype(np.float64)
    if first.shape != said.shape:
        raise ArtifactError(f"the output {signature.outputs[0]} has shape {first.shape}, what was judged {said.shape}")
    largest = float(np.abs(first - said).max())
    note = f"{signature.outputs[0]} of {rows.size} windows"
    if isinstance(judged, Predictions):
        num_other = other_decisions(outputs[signature.outputs[1]], said, judged.threshold)
        largest = max(largest, float(num_other > 0))
        note += f", {num_other} decisions differ"
    return Measured(largest, largest, largest, note)


def judged_numbers(judged: Table) -> Array:
    """Return what a table says of each row, as the first output of a graph says it."""
    match judged:
        case ScorePredictions() | AllocationPredictions():
            return judged.score
        case QuantilePredictions():
            return judged.quantile
        case _:
            return judged.probability


def _ends(data: Examples, judged: Table, rows: Index, window: int) -> Index:
    """Return (symbol, index of the last bar) of the rows in the examples."""
    code = {name: place for place, name in enumerate(data.symbols)}
    symbol = np.array([code.get(judged.symbols[int(own)], -1) for own in judged.symbol[rows]])
    times = data.panel.timestamps
    end = np.minimum(np.searchsorted(times, judged.timestamp[rows]), len(times) - 1)
    lost = (symbol < 0) | (times[end] != judged.timestamp[rows]) | (end < window - 1)
    if lost.any():
        raise DataError(
            f"{np.count_nonzero(lost)} of {rows.size} rows that were judged have no window in the examples",
            file="examples.parquet",
            remedy="Judge the bundle on the examples of its own run",
        )
    return np.stack([symbol, end], axis=1)


def other_decisions(signal: Array, probability: Array, threshold: float) -> int:
    """Return on how many rows the signal is not what probability and threshold say, away from the edge."""
    clear = np.abs(probability - threshold) > EDGE
    return int(np.count_nonzero((signal != (probability >= threshold)) & clear))
