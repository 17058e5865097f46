"""Labels by hand."""

import numpy as np
import pytest

from components.market.labels import ahead, next_direction, next_open_return
from components.market.windows import window_ends

NAN = np.nan


def test_direction_is_up_only_when_the_next_close_is_higher() -> None:
    close = np.array([[10.0, 11.0, 11.0, 9.0], [5.0, NAN, 6.0, 7.0]])
    expected = np.array([[1.0, 0.0, 0.0, NAN], [NAN, NAN, 1.0, NAN]])
    np.testing.assert_array_equal(next_direction(close), expected)


def test_open_return_is_earned_from_the_next_open_to_the_one_after() -> None:
    opens = np.array([[10.0, 20.0, 25.0, 20.0]])
    np.testing.assert_allclose(next_open_return(opens), [[0.25, -0.2, NAN, NAN]], rtol=1e-15)


def test_open_return_is_unknown_around_a_missing_open() -> None:
    opens = np.array([[10.0, NAN, 25.0, 20.0, 30.0]])
    np.testing.assert_allclose(next_open_return(opens), [[NAN, -0.2, 0.5, NAN, NAN]], rtol=1e-15)


@pytest.mark.parametrize("bars", [1, 2])
def test_too_few_bars_have_no_labels(bars: int) -> None:
    assert np.isnan(next_open_return(np.ones((3, bars)))).all()
    assert np.isnan(next_direction(np.ones((3, bars)))[:, -1]).all()


@pytest.mark.promise("S3-15")
def test_64_candles_predict_the_65th() -> None:
    close = np.full((1, 65), 100.0)
    close[0, 64] = 101.0  # only the 65th candle rises
    [[symbol, end]] = window_ends(np.ones((1, 65), dtype=np.bool_), np.zeros(65, dtype=np.int64), 64, 1)
    assert end == 63
    assert next_direction(close)[symbol, end] == 1.0
    assert (next_direction(close)[0, :63] == 0.0).all()


def test_what_will_be_is_the_value_that_many_times_later() -> None:
    values = np.array([[1.0, 2.0, 3.0, np.nan], [5.0, 6.0, 7.0, 8.0]])
    np.testing.assert_array_equal(ahead(values, 2), [[3.0, np.nan, np.nan, np.nan], [7.0, 8.0, np.nan, np.nan]])
    assert np.isnan(ahead(values, 4)).all()
    with pytest.raises(ValueError, match="horizon must be >= 1, was 0"):
        ahead(values, 0)
