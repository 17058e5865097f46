"""The regimes of a zone, each known at the decision, and whether the skill holds in every one.

A model that lives from one regime loses when that ends. The regimes are few and coarse, so that each has enough rows
to say something.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from components.trading.statistics import Array
from components.validate.case import Answer, Case, Unanswered
from components.validate.measures import Histories, Measured, Quantity, value_of
from components.validate.zone import Flags, Index, Rows

Z = TypeVar("Z", bound=Rows[Any])


@dataclass(frozen=True)
class Slice:
    """One regime of a zone."""

    num_rows: int
    num_times: int
    places: Index
    """Of its decision times among those of the zone."""
    inner: Quantity
    """Its skill, of weights of its own times."""

    @property
    def skill(self) -> Quantity:
        """Its skill, of weights of the whole zone's times; NaN in a history without any row of it."""
        return Quantity(lambda weights: self.inner.of(weights[:, self.places]), self.inner.note)

    def is_in(self, weights: Array) -> Flags:
        """Return of each history whether it holds a row of the regime."""
        return weights[:, self.places].sum(axis=1) > 0


Slices = Mapping[str, Slice]


@dataclass(frozen=True)
class Regime:
    """What a report says of one regime."""

    name: str
    num_rows: int
    num_times: int
    skill: Measured


def slices_of(zone: Z, rows: Mapping[str, Index], skill: Callable[[Z], Quantity]) -> Slices:
    """Return the regimes that have rows, given the rows of each by name."""
    parts = {name: zone.rows(places) for name, places in rows.items() if places.size}
    return {
        name: Slice(part.num_rows, part.num_times, np.searchsorted(zone.times, part.times), skill(part))
        for name, part in parts.items()
    }


def thirds(values: Array) -> list[Index]:
    """Return the places of the lowest, middle and highest third of the values, NaN left out; equals stay together."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return [np.zeros(0, dtype=np.intp)] * 3
    low, high = np.quantile(finite, [1 / 3, 2 / 3])
    return [np.flatnonzero(part) for part in (values <= low, (values > low) & (values <= high), values > high)]


def worst(slices: Slices) -> Quantity:
    """Return the lowest skill of the regimes that a history holds; NaN if one of those is undefined."""

    def least(weights: Array) -> Array:
        rows = [np.where(one.is_in(weights), one.skill.of(weights), np.inf) for one in slices.values()]
        result: Array = np.min(rows, axis=0)
        return result

    return Quantity(least)


def regimes_of(slices: Slices, histories: Histories) -> tuple[Regime, ...]:
    """Return the skill in every regime with its bounds, the short ones too."""
    return tuple(
        Regime(name, one.num_rows, one.num_times, histories.bounded(one.skill)) for name, one in slices.items()
    )


def in_the_worst(case: Case[Any], slices: Slices, *, min_rows: int = 1) -> Answer:
    """Return the skill in the worst of the regimes that are long enough to ask; without two there is nothing to say.

    Long enough: the decision times that the gate asks for, and ``min_rows`` rows.
    """
    wanted = case.config.min_timestamps
    asked = {name: one for name, one in slices.items() if one.num_times >= wanted and one.num_rows >= min_rows}
    short = [f"{name} ({one.num_times} times)" for name, one in slices.items() if name not in asked]
    if len(asked) < 2:  # noqa: PLR2004 - one regime is the zone again
        return Unanswered(
            "insufficient evidence",
            f"{len(asked)} of {len(slices)} regimes have the {wanted} decision times that each needs; want two.",
        )
    values = {name: value_of(one.skill, case.zone) for name, one in asked.items()}
    note = ", ".join(f"{name} {value:.4g} on {asked[name].num_rows:,} rows" for name, value in values.items())
    found = case.measure(worst(asked))
    return Measured(
        found.value, found.lower, found.upper, f"{note}{'; too short to ask: ' if short else ''}{', '.join(short)}"
    )
