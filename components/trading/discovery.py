"""Which of many p-values are discoveries, if one asks often enough to be fooled.

Every function returns adjusted p-values: a test is a discovery at a level if its adjusted p-value is at most that
level. A p-value that is NaN counts as a test that was made and is never a discovery.

Sources: Holm (1979); Benjamini and Hochberg (1995); Benjamini and Yekutieli (2001).
"""

import numpy as np
import numpy.typing as npt

from components.trading.statistics import Array


def benjamini_hochberg(p_values: Array) -> Array:
    """Return p-values adjusted for the share of false discoveries, of tests that are independent or rise together.

    Raises:
        ValueError: If a p-value is not between 0 and 1.
    """
    return _step_up(p_values, 1.0)


def benjamini_yekutieli(p_values: Array) -> Array:
    """Return p-values adjusted for the share of false discoveries, whatever the dependence of the tests.

    Raises:
        ValueError: If a p-value is not between 0 and 1.
    """
    return _step_up(p_values, float((1 / np.arange(1, p_values.size + 1)).sum()))


def holm(p_values: Array) -> Array:
    """Return p-values adjusted for the chance of any false discovery, whatever the dependence of the tests.

    Raises:
        ValueError: If a p-value is not between 0 and 1.
    """
    order, ascending = _ascending(p_values)
    grown = np.maximum.accumulate(ascending * np.arange(p_values.size, 0, -1))
    return _put_back(p_values, order, grown)


def discovered(adjusted: Array, *, level: float) -> npt.NDArray[np.bool_]:
    """Return which tests are discoveries at the level; NaN never is."""
    return adjusted <= level


def _step_up(p_values: Array, penalty: float) -> Array:
    order, ascending = _ascending(p_values)
    grown = ascending * penalty * p_values.size / np.arange(1, p_values.size + 1)
    return _put_back(p_values, order, np.minimum.accumulate(grown[::-1])[::-1])


def _ascending(p_values: Array) -> tuple[npt.NDArray[np.intp], Array]:
    """Return the order of the p-values and them in that order, NaN as 1."""
    if ((p_values < 0) | (p_values > 1)).any():
        raise ValueError(f"p-values must be between 0 and 1, were {p_values.min()} to {p_values.max()}")
    sure = np.where(np.isnan(p_values), 1.0, p_values)
    order = np.argsort(sure, kind="stable")
    return order, sure[order]


def _put_back(p_values: Array, order: npt.NDArray[np.intp], grown: Array) -> Array:
    """Return the adjusted p-values in the order of the tests, at most 1, NaN where there was none."""
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(grown, 1.0)
    return np.where(np.isnan(p_values), np.nan, adjusted)
