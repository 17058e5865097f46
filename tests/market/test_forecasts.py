"""The statistical forecast: two steps by hand, every probability by brute force, and what it says of a known market."""

import itertools

import numpy as np
import pytest

from components.market.columns import FORECAST_STEPS, FORECASTS
from components.market.forecasts import DECAY, forecasts
from components.market.returns import MONTH, QUARTER


def estimates(returns: np.ndarray) -> tuple[float, float]:
    """Return drift and variance after the last of ``returns``, each average written out as one loop."""
    drift, variance = returns[:QUARTER].mean(), np.square(returns[:MONTH]).mean()
    for value in returns[QUARTER:]:
        drift = (1 - 2 / (QUARTER + 1)) * drift + 2 / (QUARTER + 1) * value
    for value in returns[MONTH:]:
        variance = DECAY * variance + (1 - DECAY) * value**2
    return drift, variance


def closes_of(returns: np.ndarray) -> np.ndarray:
    return 50 * np.cumprod(np.append(1.0, 1 + returns))[None]


@pytest.mark.promise("S2-21")
def test_every_row_equals_all_paths_of_a_coin_with_its_drift_and_volatility() -> None:
    returns = 0.02 * np.random.default_rng(5).standard_normal(150)
    found = forecasts(closes_of(returns))[0]
    assert found.shape == (151, len(FORECASTS))
    assert np.isnan(found[:QUARTER]).all()
    for bar in (QUARTER, 100, 150):
        drift, variance = estimates(returns[:bar])
        for place, steps in enumerate(FORECAST_STEPS):
            # A bar moves by drift +- volatility, each with a chance of a half: all 2^steps paths are equally likely.
            paths = itertools.product(drift + np.sqrt(variance) * np.array([-1, 1]), repeat=steps)
            ends = np.array([np.prod(1 + np.array(path)) - 1 for path in paths])
            assert found[bar, place] == pytest.approx(ends.mean(), rel=1e-9)
            assert found[bar, len(FORECAST_STEPS) + place] == pytest.approx(ends.std(), rel=1e-9)


def test_two_steps_of_one_per_cent_a_bar_by_hand() -> None:
    found = forecasts(closes_of(np.full(80, 0.01)), horizon=2)[0, -1]
    # Squared returns about zero are 0.0001. Two steps: 1.01^4 + 2 * 1.0201 * 0.0001 + 0.0001^2 less 1.01^4.
    assert found.tolist() == pytest.approx([0.01, 0.0201, 0.01, (2 * 1.0201e-4 + 1e-8) ** 0.5], rel=1e-9)


def test_a_price_that_stands_still_has_no_drift_and_no_spread() -> None:
    assert (forecasts(np.full((1, 70), 7.0))[0, QUARTER:] == 0).all()


def test_returns_of_a_market_without_memory_spread_as_forecast() -> None:
    returns = 0.01 * np.random.default_rng(1).standard_normal((40, 900))
    close = np.cumprod(1 + np.pad(returns, ((0, 0), (1, 0))), axis=1)
    found = forecasts(close)[:, 100:-5]
    for place, steps in enumerate(FORECAST_STEPS):
        realised = (close[:, 100 + steps :] / close[:, 100:-steps] - 1)[:, : found.shape[1]]
        scaled = (realised - found[..., place]) / found[..., len(FORECAST_STEPS) + place]
        assert scaled.std() == pytest.approx(1.0, abs=0.08)  # the estimates' own error widens it by a few per cent


def test_a_horizon_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon must be >= 1, was 0"):
        forecasts(np.ones((1, 70)), horizon=0)
