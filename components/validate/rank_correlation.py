"""Spearman's rank correlation of what was said and what came, over all rows of a zone together.

Pooled, so that a market of one symbol has one too, and both the order of the symbols and the course of time count.
"""

import math
from typing import Any

import numpy as np

from components.trading.statistics import Array, ranks
from components.validate.measures import Measured, Quantity, shifted_share
from components.validate.zone import Rows

_ROUNDING = 1e-12  # below it a variance of ranks, which lie within 1, is none


def centred_ranks(rows: Array) -> Array:
    """Return ranks around 0, within 1."""
    centred: Array = (ranks(rows) - (rows.size + 1) / 2) / rows.size
    return centred


def spearman(zone: Rows[Any], said: Array, came: Array) -> Quantity:
    """Return the correlation of two rows of centred ranks. Resamples keep the ranks of the whole zone."""
    sums = [zone.per_time(rows) for rows in (said, came, said * said, came * came, said * came)]

    def correlation(weights: Array) -> Array:
        one, two, one_one, two_two, one_two = (weights @ sum_ / (weights @ zone.rows_per_time) for sum_ in sums)
        spread, other = one_one - one * one, two_two - two * two
        room = np.where((spread > _ROUNDING) & (other > _ROUNDING), spread * other, math.nan)
        result: Array = (one_two - one * two) / np.sqrt(room)
        return result

    return Quantity(correlation)


def rank_placebo(zone: Rows[Any], said: Array, came: Array, *, level: float, seed: int, undefined: str) -> Measured:
    """Return the share of time-shifted labels that go with what was said as well as the real ones."""
    room = math.sqrt(float(said @ said) * float(came @ came)) or math.nan
    return shifted_share(
        zone, lambda given: float(said @ came[given]) / room,
        name="correlation", level=level, seed=seed, undefined=undefined,
    )  # fmt: skip
