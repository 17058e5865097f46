"""What the market did: an average of the symbols, and the newest value known at a time."""

import numpy as np
import pytest

from components.market.asof import as_of, newest
from components.market.benchmark import benchmark_at, market_index


def days(*numbers: int) -> np.ndarray:
    return np.datetime64("2024-01-01", "us") + np.array(numbers) * np.timedelta64(1, "D")


def test_the_index_moves_by_the_mean_return_of_those_that_traded() -> None:
    close = np.array([[100.0, 110.0, 121.0, 133.1], [50.0, 45.0, 54.0, np.nan]])
    known_at = np.stack([days(0, 1, 2, 3), np.append(days(1, 2, 3), np.datetime64("NaT"))])
    times, level = market_index(close, known_at)
    np.testing.assert_array_equal(times, days(0, 1, 2, 3))
    # Day 1: only the first has a return. Day 2: +10 % and -10 %. Day 3: +10 % and +20 %.
    np.testing.assert_allclose(level, [1.0, 1.1, 1.1, 1.1 * 1.15])


def test_a_value_counts_from_the_time_it_was_known_until_it_is_too_old() -> None:
    values = np.array([1.0, np.nan, 3.0])
    got = as_of(days(0, 2, 4), values, days(-1, 0, 1, 2, 4, 6, 7), max_age=np.timedelta64(2, "D"))
    np.testing.assert_array_equal(got, [np.nan, 1.0, 1.0, np.nan, 3.0, 3.0, np.nan])


def test_padding_has_no_benchmark_and_a_missing_bar_keeps_the_last_close() -> None:
    bars = np.array([[*days(0, 1, 2)], [*days(9), np.datetime64("NaT"), np.datetime64("NaT")]])
    got = benchmark_at(days(0, 2), np.array([10.0, 12.0]), bars)
    np.testing.assert_array_equal(got, [[10.0, 10.0, 12.0], [np.nan, np.nan, np.nan]])


def test_an_empty_series_knows_nothing_and_an_unsorted_one_is_refused() -> None:
    assert newest(days()[:0], days(1, 2), max_age=np.timedelta64(1, "D")).tolist() == [-1, -1]
    with pytest.raises(ValueError, match="ascend strictly"):
        newest(days(1, 1), days(1), max_age=np.timedelta64(1, "D"))
