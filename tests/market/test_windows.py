"""Windows against a brute-force oracle, and the counts that the price-action model promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.market.splits import chronological
from components.market.windows import to_panel, window_ends


def brute_force(present, zone, window, horizon):
    ends = []
    for end in range(present.shape[1]):
        for symbol in range(present.shape[0]):
            span = range(end - window + 1, end + horizon + 1)
            if span.start < 0 or span.stop > present.shape[1]:
                continue
            rows_there = all(present[symbol, time] for time in span)
            zones = {int(zone[time]) for time in span}
            if rows_there and len(zones) == 1 and min(zones) >= 0:
                ends.append((symbol, end))
    return ends


@settings(deadline=None, derandomize=True)
@given(
    present=hnp.arrays(
        np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.sampled_from([True, True, False])
    ),
    zone_steps=st.lists(st.integers(-1, 1), min_size=14, max_size=14),
    window=st.integers(1, 5),
    horizon=st.integers(0, 3),
)
def test_windows_equal_brute_force(present, zone_steps, window, horizon) -> None:
    zone = np.array(zone_steps[: present.shape[1]])
    found = window_ends(present, zone, window, horizon)
    assert [tuple(pair) for pair in found.tolist()] == brute_force(present, zone, window, horizon)


@pytest.mark.promise("S3-13")
@pytest.mark.promise("S3-14")
def test_7261_rows_give_5808_and_1453_rows_and_5744_and_1389_windows() -> None:
    zones = chronological(7261, {"train": 0.8, "validation": 0.2})
    zone = np.zeros(7261, dtype=np.int64)
    zone[zones["validation"]] = 1
    ends = window_ends(np.ones((1, 7261), dtype=np.bool_), zone, window=64, horizon=1)
    assert np.bincount(zone).tolist() == [5808, 1453]
    assert np.bincount(zone[ends[:, 1]]).tolist() == [5744, 1389]
    assert ends[0].tolist() == [0, 63]  # the 65th candle of the zone is the first label
    assert ends[5744].tolist() == [0, 5808 + 63]


def test_a_missing_bar_costs_every_window_that_holds_it() -> None:
    present = np.ones((1, 10), dtype=np.bool_)
    present[0, 5] = False  # bars 0-4 and 6-9: 5 - 3 and 4 - 3 windows of 3 with a label
    ends = window_ends(present, np.zeros(10, dtype=np.int64), window=3, horizon=1)
    assert ends[:, 1].tolist() == [2, 3, 8]


def test_order_is_by_time_then_by_symbol() -> None:
    ends = window_ends(np.ones((2, 4), dtype=np.bool_), np.zeros(4, dtype=np.int64), window=2, horizon=1)
    assert ends.tolist() == [[0, 1], [1, 1], [0, 2], [1, 2]]


@pytest.mark.parametrize(("window", "horizon"), [(0, 1), (3, -1)])
def test_impossible_windows_are_refused(window: int, horizon: int) -> None:
    with pytest.raises(ValueError, match="window >= 1"):
        window_ends(np.ones((1, 5), dtype=np.bool_), np.zeros(5, dtype=np.int64), window, horizon)


def test_zones_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="5 times"):
        window_ends(np.ones((1, 5), dtype=np.bool_), np.zeros(4, dtype=np.int64), 2, 1)


def test_panel_puts_every_row_in_its_place_whatever_their_order() -> None:
    days = np.array(["2024-01-04", "2024-01-02", "2024-01-03", "2024-01-02"], dtype="datetime64[us]")
    panel = to_panel(np.array([0, 0, 1, 1]), days, np.array([[3.0], [1.0], [20.0], [10.0]]))
    nan = np.nan
    np.testing.assert_array_equal(panel.values[..., 0], np.array([[1, nan, 3], [10, 20, nan]], dtype=np.float32))
    assert panel.values.dtype == np.float32
    assert panel.present.tolist() == [[True, False, True], [True, True, False]]
    assert panel.timestamps.astype("datetime64[D]").astype(str).tolist() == ["2024-01-02", "2024-01-03", "2024-01-04"]


@settings(deadline=None, derandomize=True)
@given(present=hnp.arrays(np.bool_, (3, 6)), order=st.permutations(range(18)))
def test_panel_reads_back_as_the_long_table(present, order) -> None:
    cells = [cell for cell in order if present.ravel()[cell]]
    codes, days = np.divmod(np.array(cells, dtype=np.int64), 6)
    values = np.stack([codes * 10.0 + days, -days * 1.0], axis=1).reshape(len(cells), 2)
    panel = to_panel(codes, days.astype("datetime64[D]"), values)
    places = np.searchsorted(panel.timestamps, days.astype("datetime64[D]"))
    assert int(panel.present.sum()) == len(cells)
    np.testing.assert_array_equal(panel.values[codes, places], values.astype(np.float32))


def test_repeated_rows_are_refused() -> None:
    day = np.array(["2024-01-02", "2024-01-02"], dtype="datetime64[D]")
    with pytest.raises(ValueError, match="pairs are repeated"):
        to_panel(np.array([0, 0]), day, np.zeros((2, 1)))


def test_rows_without_a_code_or_with_a_negative_one_are_refused() -> None:
    day = np.array(["2024-01-02"], dtype="datetime64[D]")
    with pytest.raises(ValueError, match="one code"):
        to_panel(np.array([0, 1]), day, np.zeros((1, 1)))
    with pytest.raises(ValueError, match="start at 0"):
        to_panel(np.array([-1]), day, np.zeros((1, 1)))
