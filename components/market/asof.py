"""The newest value known at a time, for series that are not on the bars' own calendar."""

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.datetime64]


def newest(known_at: Times, at: Times, *, max_age: np.timedelta64) -> npt.NDArray[np.int64]:
    """Return, for each time ``at``, the index of the newest entry of ``known_at``, or -1 where there is none.

    An entry counts from its own time on, for at most ``max_age``, both ends included.

    Raises:
        ValueError: If ``known_at`` is not strictly ascending.
    """
    if np.any(known_at[1:] <= known_at[:-1]):
        raise ValueError("known_at must ascend strictly: sort the series and keep one value per time")
    index = np.searchsorted(known_at, at, side="right") - 1
    if len(known_at) == 0:
        return index
    return np.where((index >= 0) & (at - known_at[index] <= max_age), index, -1)


def as_of(
    known_at: Times, values: npt.NDArray[np.float64], at: Times, *, max_age: np.timedelta64
) -> npt.NDArray[np.float64]:
    """Return the newest of ``values`` that was known at each time ``at``, NaN where it is missing or older.

    Raises:
        ValueError: If ``known_at`` is not strictly ascending, or not one time per value.
    """
    if known_at.shape != values.shape:
        raise ValueError(f"want one time per value, got {known_at.shape} and {values.shape}")
    return np.append(values, np.nan)[newest(known_at, at, max_age=max_age)]
