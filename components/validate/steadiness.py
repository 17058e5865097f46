"""Do the newest days still look like those that the model was trained on, as far as days ever do?

A month of prices never looks like ten years of them, so no fixed index is an alarm. What can be said is whether a
feature moved further from the training than is usual of it, by more than any feature did in each earlier stretch of
the same length: if stretches are all alike, the chance of that is one in their number (a rank test of the largest).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.learning.examples import Examples
from components.trading.drift import compare_features, kernel_distance, population_stability
from components.validate.population import MAX_ROWS, STEADY, frame_of

MIN_TIMES: Final = 20
"""Times below which a stretch is too short to compare."""
NUM_EARLIER: Final = 19
"""Earlier stretches: to be less like the training than all of them is a chance of one in twenty."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Steadiness:
    """How far the newest stretch lies from the training, and how far earlier ones did."""

    num_times: int
    """Times of each stretch; 0 where there are too few to compare."""
    furthest: str
    """The feature of the newest stretch that moved most beside its usual."""
    newest: float
    """By what factor its population stability index is above its median over all stretches; NaN if one has none."""
    earlier: tuple[float, ...]
    """The same of earlier stretches, of the feature furthest in each, newest first."""
    features: tuple[dict[str, Any], ...]
    """Of each feature of the newest stretch ``name``, ``psi``, ``ks`` and both means, the most moved first."""
    mmd: float
    """Squared maximum mean discrepancy of all features together."""


def steadiness(data: Examples, *, training: Flags, live: Flags, seed: int) -> Steadiness:
    """Return it for the newest of the ``live`` times; both flags are over the times of the panel.

    Earlier stretches end where the first live time begins, and do not overlap; each is set beside the training rows
    outside of it. An index below ``STEADY`` is nothing by custom: as much is added to both sides of a factor.
    """
    before = np.flatnonzero(~live[: np.flatnonzero(live).min(initial=live.size)])
    num_times = min(int(live.sum()), before.size // NUM_EARLIER)
    if num_times < MIN_TIMES:
        return Steadiness(0, "", np.nan, (), (), np.nan)
    newest = _flags(live.size, np.flatnonzero(live)[-num_times:])
    earlier = [_flags(live.size, before[before.size - (n + 1) * num_times :][:num_times]) for n in range(NUM_EARLIER)]
    was, now = (frame_of(data, times, max_rows=MAX_ROWS) for times in (training, newest))
    table = compare_features(was, now).assign(name=list(was.columns)).sort_values("psi", ascending=False)
    columns = ["name", "psi", "ks", "reference_mean", "current_mean"]
    rng = np.random.default_rng(seed)
    together = kernel_distance(was.to_numpy(), now.to_numpy(), rng=rng, max_rows=MAX_ROWS, permutations=0)
    indices = np.array([_indices(data, training & ~part, part) for part in (newest, *earlier)])
    factors = (indices + STEADY) / (np.median(indices, axis=0) + STEADY)
    largest = factors.max(axis=1)
    return Steadiness(
        num_times, data.columns[int(factors[0].argmax())], float(largest[0]), tuple(largest[1:].tolist()),
        tuple({name: row[name] for name in columns} for row in table.to_dict("records")), together.statistic,
    )  # fmt: skip


def _flags(size: int, places: npt.NDArray[np.intp]) -> Flags:
    flags = np.zeros(size, dtype=np.bool_)
    flags[places] = True
    return flags


def _indices(data: Examples, reference: Flags, stretch: Flags) -> list[float]:
    """Return the population stability index of each feature; NaN of one that has none."""
    was, now = (frame_of(data, times, max_rows=MAX_ROWS).to_numpy(np.float64) for times in (reference, stretch))
    return [population_stability(*pair) for pair in zip(was.T, now.T, strict=True)]
