"""Chronological zones: what is earlier is trained on, what is later is judged on. Nothing is shuffled."""

import math
from collections.abc import Mapping

from components.core.errors import RecipeError

_SUM_TOLERANCE = 1e-9
_FLOOR_DECIMALS = 6  # 0.7 + 0.1 is a hair below 0.8: a boundary that close to a whole row is that row


def chronological(num_rows: int, fractions: Mapping[str, float]) -> dict[str, slice]:
    """Return the rows of each zone, in the order of ``fractions``, as adjoining slices that cover all rows.

    A zone ends at floor(sum of the fractions so far x ``num_rows``); the last takes the rest, so
    7,261 rows at 0.8 and 0.2 are 5,808 and 1,453. Zones with fraction 0 are absent. A zone smaller
    than one row is an empty slice.

    Raises:
        RecipeError: If a fraction is negative or not finite, or if they do not sum to 1.
        ValueError: If ``num_rows`` is negative.
    """
    if num_rows < 0:
        raise ValueError(f"num_rows must be >= 0, was {num_rows}")
    for name, fraction in fractions.items():
        if not (math.isfinite(fraction) and fraction >= 0):
            raise RecipeError(f"zones.{name} must be between 0 and 1, was {fraction}; 0 leaves the zone out")
    total = math.fsum(fractions.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise RecipeError(f"zones must sum to 1, sum to {total:g}: {dict(fractions)}. Change one of them")
    kept = [name for name, fraction in fractions.items() if fraction > 0]
    zones: dict[str, slice] = {}
    start = 0
    for number, name in enumerate(kept, start=1):
        share = math.fsum(fractions[earlier] for earlier in kept[:number])
        stop = num_rows if number == len(kept) else math.floor(round(share * num_rows, _FLOOR_DECIMALS))
        zones[name] = slice(start, stop)
        start = stop
    return zones
