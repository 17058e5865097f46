"""What each feature is worth on a zone: how much worse the served model gets without its news.

A feature's values over a whole window are replaced by those of another window of the same symbol, a quarter to three
quarters of the zone away, where slow signals have faded: its levels stay plausible, its link to what comes is cut.

Sources: Breiman (2001), "Random Forests"; Fisher, Rudin and Dominici (2019), "All Models are Wrong, but Many are
Useful". Hooker, Mentch and Zhou (2021) say what it cannot do: features that move together share their worth, and a
window that is put together from two is one that no market showed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.verdict import Measurement
from components.learning.examples import Examples, read_examples
from components.market.columns import QUANTILE_LEVELS
from components.market.predictions import ALLOCATION
from components.serving.loader import GRAPH, Served, Windows, load
from components.trading.statistics import (
    Array,
    bootstrap_weights,
    class_log_loss_rows,
    log_loss_rows,
    optimal_block_length,
    quantile_loss_rows,
)
from components.validate.shapley import NUM_DRAWS, Explanation, explain, said_of

NUM_PREDICTIONS = 3000
"""Windows that the graph is asked about, the unaltered ones among them; more of them narrow the intervals."""
MAX_WINDOWS = 512
NUM_SAMPLES = 500
"""Resampled histories behind an interval."""
TAIL = 0.05
"""Beyond each end of an interval."""
PREFIX = "importance."
"""Of the names of its metrics; the name of a feature follows."""

Ends = npt.NDArray[np.int64]
Loss = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Attribution:
    """Of each feature, by how much the mean loss rises when its values come from another time."""

    features: tuple[str, ...]
    worth: Array
    """[feature]: rise of the mean loss; 0 or less is worth nothing here."""
    lower: Array
    """[feature]: bound of ``worth`` that it exceeds with 95% confidence."""
    upper: Array
    """[feature]: bound of ``worth`` that it stays below with 95% confidence."""
    loss: float
    """Mean loss of the unaltered windows."""
    unit: str
    """Of the loss."""
    num_rows: int
    """Windows that were looked at."""
    num_times: int
    """Distinct decision times among them."""
    decisions: tuple[Explanation, ...]
    """The newest decision, and the surest of those that were looked at."""

    def measurements(self, zone: str) -> dict[str, Measurement]:
        """Return worth and bounds of each feature as metrics of the zone called ``zone``."""
        rows = zip(self.features, self.worth, self.lower, self.upper, strict=True)
        numbers = {
            f"{PREFIX}{name}{end}": float(number)
            for name, *values in rows
            for end, number in zip(("", ".lower", ".upper"), values, strict=True)
        }
        return {key: Measurement(zone=zone, value=number) for key, number in numbers.items()}


def attribute(bundle: Bundle, examples: Path, *, zone: str, seed: int, threads: int) -> Attribution | None:
    """Return the worth of each feature to the graph of ``bundle``; None if it has none, or the zone no two windows.

    Raises:
        ArtifactError, DataError: If bundle or examples cannot be trusted, or do not fit each other.
    """
    if GRAPH not in bundle.manifest["files"]:
        return None
    served, data = load(bundle.folder, expect=bundle.digest, threads=threads), read_examples(examples)
    if served.signature.columns != data.columns:
        raise ArtifactError(f"{bundle.folder}: reads {served.signature.columns}, the examples hold {data.columns}")
    ends = data.windows(zone, served.signature.window, int(data.manifest["horizon"]))
    if len(ends) < 2:  # noqa: PLR2004 - there is no other window
        return None
    rng = np.random.default_rng(seed)
    num = min(MAX_WINDOWS, NUM_PREDICTIONS // (len(data.columns) + 1), len(ends))
    places = np.floor((np.arange(num) + rng.random(num)) * len(ends) / num).astype(np.intp)  # one of each stretch
    chosen, others = ends[places], ends[donors(ends, rng)[places]]
    unit, loss = loss_of(data, served.signature.outputs[0])
    own, foreign = (data.raw_windows(picked, served.signature.window) for picked in (chosen, others))
    said = said_of(served, own)
    label = data.label[chosen[:, 0], chosen[:, 1]]
    usual = loss(label, said)
    rises = np.stack([loss(label, said_of(served, altered)) - usual for altered in without_news(own, foreign)])
    worth, lower, upper = summed(rises, chosen[:, 1], rng)
    surest = int(said.reshape(num, -1).max(axis=1).argmax())
    newest, best = len(ends) - 1, int(places[surest])
    return Attribution(
        data.columns, worth, lower, upper, loss=float(usual.mean()), unit=unit,
        num_rows=num, num_times=np.unique(chosen[:, 1]).size,
        decisions=tuple(_explained(served, data, ends, place, rng) for place in dict.fromkeys((newest, best))),
    )  # fmt: skip


def _explained(served: Served, data: Examples, ends: Ends, place: int, rng: np.random.Generator) -> Explanation:
    """Return why the model said what it said of the window at ``place``, beside other windows of the same symbol."""
    same = ends[ends[:, 0] == ends[place, 0]]
    others = data.raw_windows(rng.choice(same, NUM_DRAWS), served.signature.window)
    window = data.raw_windows(ends[[place]], served.signature.window)[0]
    return explain(served, data, ends[place], window, others=others, rng=rng)


def loss_of(data: Examples, answer: str) -> tuple[str, Loss]:
    """Return the unit and the function of what an error costs, from labels and the graph's first output, ``answer``.

    Of an allocation it is the squared distance to all long before a rise, all short before none.
    """
    if answer == ALLOCATION:
        return "squared error", lambda label, said: (said - (2 * label - 1)) ** 2
    if data.classes:
        return "nats", lambda label, said: class_log_loss_rows(label.astype(np.int64), said)
    if "label_unit" in data.manifest:
        levels = np.array(QUANTILE_LEVELS)
        return "log return", lambda label, said: quantile_loss_rows(label[:, None], said[:, -1:], levels)
    if "labeller" in data.manifest:
        return "squared error", lambda label, said: (said - label) ** 2
    return "nats", log_loss_rows


def donors(ends: Ends, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return for each window the place of another of its symbol, a quarter to three quarters of its windows away."""
    order = np.argsort(ends[:, 0], kind="stable")
    _, first, length = np.unique(ends[order, 0], return_index=True, return_counts=True)
    start, size = np.repeat(first, length), np.repeat(length, length)
    nearest = np.ceil(size / 4).astype(np.int64)
    shift = rng.integers(nearest, np.maximum(3 * size // 4, nearest), endpoint=True)
    found = np.empty(len(ends), dtype=np.intp)
    found[order] = order[start + (np.arange(len(ends)) - start + shift) % size]
    return found


def without_news(own: Windows, foreign: Windows) -> Iterator[Windows]:
    """Yield ``own`` [window, time, feature] with the values of one feature, in turn, from ``foreign``."""
    for feature in range(own.shape[2]):
        altered = own.copy()
        altered[:, :, feature] = foreign[:, :, feature]
        yield altered


def summed(rows: Array, times: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return the mean of each row of ``rows`` [feature, window], and its bounds.

    The bounds are those of a stationary bootstrap over the decision times, all windows of a time together.
    """
    _, place = np.unique(times, return_inverse=True)
    count = np.bincount(place).astype(np.float64)
    sums = np.stack([np.bincount(place, row) for row in rows])
    block = max(count.size ** (1 / 3), *(optimal_block_length(row) for row in sums / count))
    histories = bootstrap_weights(count.size, block_length=block, samples=NUM_SAMPLES, rng=rng)
    drawn = np.concatenate([weights @ sums.T / (weights @ count)[:, None] for weights in histories])
    tail, ordered = math.floor(TAIL * NUM_SAMPLES), np.sort(drawn, axis=0)
    return rows.mean(axis=1), ordered[tail], ordered[-1 - tail]
