import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trading.discovery import Correction, adjusted

CORRECTIONS: tuple[Correction, ...] = get_args(Correction)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)


def test_by_hand() -> None:
    p_values = np.array([0.03, 0.01, 0.02, 0.5])
    # In order .01 .02 .03 .5: times 4 over the place is .04 .04 .04 .5; 1 + 1/2 + 1/3 + 1/4 = 25/12.
    np.testing.assert_allclose(adjusted(p_values, "bh"), [0.04, 0.04, 0.04, 0.5])
    np.testing.assert_allclose(adjusted(p_values), [1 / 12, 1 / 12, 1 / 12, 1.0])


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_what_is_not_a_number_is_a_test_made_and_never_a_discovery(correction: Correction) -> None:
    found = adjusted(np.array([0.001, math.nan, 0.2]), correction)
    assert math.isnan(found[1])
    np.testing.assert_array_equal(found[[0, 2]], adjusted(np.array([0.001, 1.0, 0.2]), correction)[[0, 2]])


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_no_test_is_no_discovery(correction: Correction) -> None:
    assert adjusted(np.array([]), correction).size == 0


@settings(max_examples=80, deadline=None)
@given(P_VALUES)
def test_every_adjustment_only_raises_and_the_stricter_raises_more(p_values: np.ndarray) -> None:
    independent, dependent = (adjusted(p_values, correction) for correction in CORRECTIONS)
    assert (independent >= p_values * (1 - 1e-12)).all()
    assert (dependent >= independent * (1 - 1e-12)).all()


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_a_probability_above_one_is_refused(correction: Correction) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjusted(np.array([0.5, 1.5]), correction)


def test_false_discoveries_stay_below_the_level() -> None:
    rng = np.random.default_rng(0)
    shares: dict[Correction, list[float]] = {correction: [] for correction in CORRECTIONS}
    for _ in range(400):
        p_values = rng.random(50)
        p_values[:10] *= 1e-3  # ten true effects
        for correction, found in shares.items():
            hits = adjusted(p_values, correction) <= 0.2
            found.append(hits[10:].sum() / max(hits.sum(), 1))
    assert np.mean(shares["bh"]) == pytest.approx(0.2 * 40 / 50, abs=0.02)
    assert np.mean(shares["by"]) < np.mean(shares["bh"])
