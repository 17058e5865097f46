"""Positive control: would this judge, on this very zone, have found a model that is known to have a small skill?

Planted models are made from the labels of the zone itself and from what the model says, shifted in time: nothing of
its skill is left then, but it still lasts from one decision to the next, and goes along from symbol to symbol, as the
model's answers do. So the zone's rows, its base rate and its dependence are all in the answer. The placebo is the
negative control.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import ndtri  # pyright: ignore[reportMissingTypeStubs]

from components.core.judge import GateConfig
from components.trading.statistics import Array
from components.validate.case import Answer, Case
from components.validate.measures import Measured, Quantity, label_shifts
from components.validate.zone import Rows

NUM_PLANTED: Final = 40
NUM_HISTORIES: Final = 400
"""Resampled histories behind each planted model's bound; the share of those found needs no more."""


@dataclass(frozen=True)
class Control:
    """Planted models and the line that each has to clear."""

    strength: str
    """In words."""
    line: float
    plant: Callable[[Array], Quantity]
    """From noise (rows, columns) to what is asked of the model that it is put into."""
    said: Array
    """What the model says, (rows, columns): the noise has its shape."""


def noises(zone: Rows[Any], said: Array, *, seed: int) -> Iterator[Array]:
    """Yield standard normal noise shaped as ``said`` (rows, columns): its normal scores, shifted in time.

    Rows that say the same are put in a random order. Each noise is shifted by another number of steps, and every other
    one is turned upside down.
    """
    rng, bell = np.random.default_rng(seed), np.empty(said.shape)
    for place in range(said.shape[1]):
        order = np.lexsort((rng.random(len(said)), said[:, place]))
        bell[order, place] = ndtri((np.arange(order.size) + 0.5) / order.size)
    bell /= bell.std(axis=0)
    given, steps = label_shifts(zone)
    for number, step in enumerate(rng.choice(steps, NUM_PLANTED, replace=steps.size < NUM_PLANTED)):
        yield bell[given(int(step))] * (-1.0) ** number


def found(case: Case[Any], gate: GateConfig, control: Control) -> Answer:
    """Return the share of the planted models whose lower bound clears the line of the gate that they are made for."""
    planted = (control.plant(noise) for noise in noises(case.zone, control.said, seed=case.config.seed))
    bounds = np.array([case.histories.bounded(model, NUM_HISTORIES).lower for model in planted])
    num_found, num_times = int(np.count_nonzero(bounds > control.line)), case.zone.num_times
    share = num_found / bounds.size
    note = f"of {bounds.size} planted models with {control.strength}, {num_found} are found"
    if share <= gate.bound:
        needed = times_for(share, wanted=gate.bound, confidence=case.config.confidence, num_times=num_times)
        more = f"; about {needed:,} would do" if needed else ""
        note += f", so {num_times:,} decision times are too few to see such skill{more}"
    return Measured(share, share, share, note)


def times_for(share: float, *, wanted: float, confidence: float, num_times: int) -> int | None:
    """Return about how many decision times find the wanted share, if ``num_times`` find ``share``; None if none did.

    A skill's distance from the line, in standard errors, grows with the square root of the history.
    """
    sure = float(ndtri(confidence))
    distance = sure + float(ndtri(share))
    if not 0 < share <= wanted < 1 or distance <= 0:
        return None
    return math.ceil(num_times * ((sure + float(ndtri(wanted))) / distance) ** 2) + 1
