"""Reductions over ragged groups equal numpy's, one group at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.market.ragged import first_marked, interpolated, median, ratio, total

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-5, 5), st.one_of(st.just(np.nan), st.floats(-9, 9))), max_size=30
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(rows=ROWS, at=st.floats(-6, 6))
def test_each_group_is_reduced_as_if_it_were_alone(rows: list[tuple[int, int, float]], at: float) -> None:
    unique = {(group, x): y for group, x, y in rows}  # one y per x: else the line has a step
    group = np.array([key[0] for key in unique], dtype=np.int64)
    x, y = np.array([key[1] for key in unique], dtype=np.float64), np.array(list(unique.values()), dtype=np.float64)
    summed, middle, line = total(group, y, 4), median(group, y, 4), interpolated(group, x, y, at, 4)
    for number in range(4):
        known = (group == number) & np.isfinite(y)
        if not known.any():
            assert np.isnan([summed[number], middle[number], line[number]]).all()
            continue
        order = np.argsort(x[known])
        xs, ys = x[known][order], y[known][order]
        assert summed[number] == pytest.approx(ys.sum(), abs=1e-12)
        assert middle[number] == pytest.approx(np.median(ys), abs=1e-12)
        expected = np.interp(at, xs, ys, left=np.nan, right=np.nan)
        assert line[number] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_neighbours_too_far_apart_say_nothing_but_a_point_met_exactly_does() -> None:
    group, x, y = np.zeros(3, dtype=np.int64), np.array([0.0, 1.0, 3.0]), np.array([5.0, 6.0, 8.0])
    found = [float(interpolated(group, x, y, at, 1, max_gap=1.5)[0]) for at in (0.5, 2.0, 3.0)]
    assert found == pytest.approx([5.5, np.nan, 8.0], nan_ok=True)


def test_nothing_is_divided_by_nothing() -> None:
    assert ratio(np.array([1.0, 1.0, np.nan]), np.array([2.0, 0.0, 1.0])) == pytest.approx(
        [0.5, np.nan, np.nan], nan_ok=True
    )


def test_the_first_marked_row_of_each_group() -> None:
    group, rows = np.array([0, 0, 2, 2]), np.array([False, True, True, True])
    assert first_marked(group, rows, 4).tolist() == [1, -1, 2, -1]
