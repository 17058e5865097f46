"""Counts of right and wrong directions, and what they say."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


@dataclass(frozen=True)
class Confusion:
    """How often each pair of (said higher, was higher) came; a share without any case is NaN."""

    true_positive: int = 0
    false_positive: int = 0
    true_negative: int = 0
    false_negative: int = 0

    @classmethod
    def of(cls, said: npt.NDArray[np.bool_], was: npt.NDArray[np.bool_]) -> "Confusion":
        """Return the counts of two arrays of one shape."""
        both = int(np.count_nonzero(said & was))
        num_said, num_was = int(np.count_nonzero(said)), int(np.count_nonzero(was))
        return cls(both, num_said - both, said.size - num_said - num_was + both, num_was - both)

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.true_negative + other.true_negative,
            self.false_negative + other.false_negative,
        )

    @property
    def total(self) -> int:
        """Number of rows."""
        return self.true_positive + self.false_positive + self.true_negative + self.false_negative

    @property
    def accuracy(self) -> float:
        """Share of rows that were said right."""
        return _ratio(self.true_positive + self.true_negative, self.total)

    @property
    def precision(self) -> float:
        """Share of the rows said higher that were."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        """Share of the rows that were higher and were said so."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def base_rate(self) -> float:
        """Share of the rows that were higher."""
        return _ratio(self.true_positive + self.false_negative, self.total)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)
