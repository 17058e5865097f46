"""No feature of any view sees the future, and none depends on its neighbours in the panel."""

import numpy as np
import pytest
from feature_functions import FUNCTIONS, market
from hypothesis import given, settings
from hypothesis import strategies as st

from components.market.adjust import Candles
from feature_repo.definitions import CONTEXT_VIEW, UNITS

NUM_BARS = 420
NAMED = [pytest.param(function, id=names[0]) for names, function in FUNCTIONS.items()]


def test_every_column_of_every_symbol_view_is_under_test() -> None:
    tested = [name for names in FUNCTIONS for name in names]
    assert len(tested) == len(set(tested))
    assert set(tested) == {name for view, units in UNITS.items() if view != CONTEXT_VIEW for name in units}


@pytest.mark.parametrize("function", NAMED)
def test_every_column_is_filled_after_its_warm_up_and_nan_before(function) -> None:
    features = function(*market(3, NUM_BARS))
    for column in np.moveaxis(features, -1, 0):
        known = np.isfinite(column[0])
        assert known[-100:].all()
        assert (np.diff(known.astype(int)) >= 0).all(), "a gap after the warm-up"


@pytest.mark.parametrize("function", NAMED)
@settings(deadline=None, derandomize=True, max_examples=15)
@given(bar=st.integers(0, NUM_BARS - 1), change=st.sampled_from([0.5, 3.0, np.nan, 0.0]))
def test_later_bars_change_no_bit_of_a_row(function, bar: int, change: float) -> None:
    candles, benchmark = market(3, NUM_BARS)
    changed = [values.copy() for values in (*candles, benchmark)]
    wiggle = 1 + 0.1 * np.sin(np.arange(NUM_BARS - bar - 1))
    for values in changed:
        values[:, bar + 1 :] = values[:, bar + 1 :] * change * wiggle if change else values[:, bar : bar + 1]
    before = function(candles, benchmark)[:, : bar + 1]
    after = function(Candles(*changed[:-1]), changed[-1])[:, : bar + 1]
    np.testing.assert_array_equal(after.view(np.int64), before.view(np.int64))


@pytest.mark.parametrize("function", NAMED)
def test_a_row_does_change_with_its_own_bar(function) -> None:
    candles, benchmark = market(3, NUM_BARS)
    scale = np.array([1.3, 1.5, 1.2, 1.4, 0.1])
    changed = [values.copy() for values in candles]
    for values, factor in zip(changed, scale, strict=True):
        values[:, -1] *= factor
    before, after = function(candles, benchmark)[:, -1], function(Candles(*changed), benchmark)[:, -1]
    assert (before != after).any()


@pytest.mark.parametrize("function", NAMED)
def test_symbols_of_unequal_length_equal_the_same_symbols_alone(function) -> None:
    lengths = [NUM_BARS, 300, 130, 64, 20, 2, 1]
    candles, benchmark = market(len(lengths), NUM_BARS)
    for symbol, length in enumerate(lengths):
        for values in (*candles, benchmark):
            values[symbol, length:] = np.nan
    together = function(candles, benchmark)
    for symbol, length in enumerate(lengths):
        one = slice(symbol, symbol + 1)
        alone = function(Candles(*(values[one, :length] for values in candles)), benchmark[one, :length])
        np.testing.assert_array_equal(
            together[symbol, :length].view(np.int64), np.ascontiguousarray(alone[0]).view(np.int64)
        )
        assert np.isnan(together[symbol, length:]).all()
