"""Which of many p-values are discoveries, if one asks often enough to be fooled.

Sources: Benjamini and Hochberg (1995); Benjamini and Yekutieli (2001).
"""

# pyright: reportUnknownVariableType=false
from typing import Literal

import numpy as np
from scipy.stats import false_discovery_control

from components.trading.statistics import Array

Correction = Literal["bh", "by"]


def adjusted(p_values: Array, correction: Correction = "by") -> Array:
    """Return the level of false discoveries, of all discoveries, at which each test would just be one.

    ``by`` holds whatever the dependence of the tests, ``bh`` where they are independent or rise together. A p-value
    that is NaN counts as a test that was made and is never a discovery.

    Raises:
        ValueError: If a p-value is not between 0 and 1.
    """
    missing = np.isnan(p_values)
    return np.where(missing, np.nan, false_discovery_control(np.where(missing, 1.0, p_values), method=correction))
