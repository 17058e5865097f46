"""Black-Scholes: identities, limits, finite differences, the round trip, and two vendors' greeks."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from components.market.black_scholes import (
    ABOVE_BOUND,
    BELOW_INTRINSIC,
    NO_TIME,
    NOT_A_NUMBER,
    REASONS,
    SOLVED,
    greeks,
    implied_vol,
)

RNG = np.random.default_rng(5)
N = 500
SPOT = RNG.uniform(50, 150, N)
STRIKE = SPOT * np.exp(RNG.uniform(-0.4, 0.4, N))
YEARS = RNG.uniform(0.05, 2, N)
VOL = RNG.uniform(0.1, 0.8, N)
COST = {"rate": 0.04, "dividend_yield": 0.015}


def test_the_textbook_call() -> None:
    # Hull, Options, Futures and Other Derivatives, example 15.6: S 42, K 40, r 10 %, sigma 20 %, half a year.
    assert greeks(42.0, 40.0, 0.5, 0.2, is_call=True, rate=0.1).value == pytest.approx(4.76, abs=0.005)
    assert greeks(42.0, 40.0, 0.5, 0.2, is_call=False, rate=0.1).value == pytest.approx(0.81, abs=0.005)


def test_a_call_less_a_put_is_the_forward_less_the_strike() -> None:
    call, put = (greeks(SPOT, STRIKE, YEARS, VOL, is_call=side, **COST) for side in (True, False))
    held, paid = np.exp(-0.015 * YEARS), np.exp(-0.04 * YEARS)
    np.testing.assert_allclose(call.value - put.value, SPOT * held - STRIKE * paid, atol=1e-12)
    np.testing.assert_allclose(call.delta - put.delta, held, rtol=1e-12)
    np.testing.assert_allclose(call.gamma, put.gamma, rtol=1e-12)
    np.testing.assert_allclose(call.vega, put.vega, rtol=1e-12)
    np.testing.assert_allclose(call.theta - put.theta, 0.015 * SPOT * held - 0.04 * STRIKE * paid, atol=1e-10)


def test_a_call_is_a_put_on_the_other_side_of_the_exchange() -> None:
    # Symmetry: a call on S at K with (r, q) is a put on K at S with (q, r).
    call = greeks(SPOT, STRIKE, YEARS, VOL, is_call=True, rate=0.04, dividend_yield=0.015).value
    put = greeks(STRIKE, SPOT, YEARS, VOL, is_call=False, rate=0.015, dividend_yield=0.04).value
    np.testing.assert_allclose(call, put, rtol=1e-12)


def test_at_the_money_forward_the_value_is_that_of_brenner_and_subrahmanyam() -> None:
    value = greeks(100.0, 100.0, 0.25, 0.2, is_call=True).value
    assert value == pytest.approx(100 * (2 * norm.cdf(0.05) - 1), rel=1e-12)


@pytest.mark.parametrize("side", [True, False])
def test_greeks_are_the_slopes_of_the_value(side: bool) -> None:
    def value(spot: np.ndarray = SPOT, years: np.ndarray = YEARS, vol: np.ndarray = VOL) -> np.ndarray:
        return greeks(spot, STRIKE, years, vol, is_call=side, **COST).value

    found = greeks(SPOT, STRIKE, YEARS, VOL, is_call=side, **COST)
    h = 1e-4 * SPOT
    np.testing.assert_allclose(found.delta, (value(SPOT + h) - value(SPOT - h)) / (2 * h), atol=1e-6)
    np.testing.assert_allclose(found.gamma, (value(SPOT + h) - 2 * value() + value(SPOT - h)) / h**2, atol=1e-6)
    np.testing.assert_allclose(found.vega, (value(vol=VOL + 1e-5) - value(vol=VOL - 1e-5)) / 2e-5, atol=1e-4)
    np.testing.assert_allclose(found.theta, -(value(years=YEARS + 1e-6) - value(years=YEARS - 1e-6)) / 2e-6, atol=1e-4)


def test_greeks_keep_the_black_scholes_equation() -> None:
    found = greeks(SPOT, STRIKE, YEARS, VOL, is_call=False, **COST)
    drift = (0.04 - 0.015) * SPOT * found.delta + 0.5 * (VOL * SPOT) ** 2 * found.gamma
    np.testing.assert_allclose(found.theta + drift, 0.04 * found.value, atol=1e-10)


def test_without_time_or_volatility_only_the_discounted_intrinsic_value_is_left() -> None:
    years, vol = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.2, 0.2, 0.2, 0.0])
    found = greeks(np.array([110.0, 90.0, 100.0, 110.0]), 100.0, years, vol, is_call=True, rate=0.05)
    np.testing.assert_allclose(found.value, [10, 0, 0, 110 - 100 * np.exp(-0.05)], rtol=1e-14)
    np.testing.assert_array_equal(found.delta, [1, 0, 0.5, 1])
    np.testing.assert_array_equal(found.gamma, 0)
    np.testing.assert_array_equal(found.vega, 0)


@pytest.mark.parametrize("wrong", [{"spot": -1.0}, {"strike": 0.0}, {"years": -0.1}, {"vol": np.nan}, {"spot": np.inf}])
def test_inputs_that_mean_nothing_give_nan_and_no_warning(wrong: dict[str, float]) -> None:
    given = {"spot": 100.0, "strike": 100.0, "years": 1.0, "vol": 0.2, **wrong}
    assert np.isnan(greeks(**given, is_call=True)).all()


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    moneyness=st.floats(-0.7, 0.7),
    years=st.floats(1 / 365, 3),
    vol=st.floats(0.02, 3),
    rate=st.floats(-0.02, 0.15),
    is_call=st.booleans(),
)
def test_the_volatility_behind_a_price_is_found_again(
    moneyness: float, years: float, vol: float, rate: float, is_call: bool
) -> None:
    strike = 100 * np.exp(moneyness)
    found = greeks(100.0, strike, years, vol, is_call=is_call, rate=rate, dividend_yield=0.01)
    solved = implied_vol(found.value, 100.0, strike, years, is_call=is_call, rate=rate, dividend_yield=0.01)
    if solved.reason != SOLVED:
        assert solved.reason == BELOW_INTRINSIC  # no time value is left in the digits of the price
        assert found.vega < 1e-8
        return
    again = greeks(100.0, strike, years, solved.vol, is_call=is_call, rate=rate, dividend_yield=0.01)
    assert again.value == pytest.approx(float(found.value), abs=1e-11)
    if found.vega > 0.01:
        assert solved.vol == pytest.approx(vol, abs=1e-9)


def test_an_option_far_out_of_the_money_is_solved_to_its_last_digits() -> None:
    price = greeks(100.0, 300.0, 0.25, 0.2, is_call=True).value
    assert 0 < price < 1e-20
    assert implied_vol(price, 100.0, 300.0, 0.25, is_call=True).vol == pytest.approx(0.2, rel=1e-9)


def test_what_has_no_volatility_says_why() -> None:
    price = np.array([9.0, 100.0, 5.0, np.nan, -1.0, 5.0])
    years = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    solved = implied_vol(price, 110.0, 100.0, years, is_call=np.array([True, False, True, True, True, False]))
    expected = [BELOW_INTRINSIC, ABOVE_BOUND, NO_TIME, NOT_A_NUMBER, NOT_A_NUMBER, SOLVED]
    assert solved.reason.tolist() == expected
    assert np.isnan(solved.vol[:5]).all()
    assert np.isfinite(solved.vol[5])
    assert len(REASONS) == 5


def test_an_array_is_solved_as_its_parts_are() -> None:
    price = greeks(SPOT, STRIKE, YEARS, VOL, is_call=True, **COST).value
    together = implied_vol(price, SPOT, STRIKE, YEARS, is_call=True, **COST).vol
    alone = [
        float(implied_vol(price[at], SPOT[at], STRIKE[at], YEARS[at], is_call=True, **COST).vol) for at in range(20)
    ]
    np.testing.assert_array_equal(together[:20], alone)
    assert np.abs(together - VOL).max() < 1e-6  # deep in the money a price has few digits of time value


def differences(path: Path, rate: float) -> dict[str, tuple[float, float]]:
    """Return the median and the 95 % quantile of the relative differences to a vendor's greeks."""
    rows = pq.read_table(path).to_pandas()
    rows = rows[rows["implied_vol"].notna()]
    years = (rows["expiration"] - rows["date"]).dt.days.to_numpy() / 365
    columns = [rows[name].to_numpy() for name in ("underlying_price", "strike")]
    found = greeks(
        *columns, years, rows["implied_vol"].to_numpy(), is_call=rows["type"].to_numpy() == "call", rate=rate
    )
    ours = {"delta": found.delta, "gamma": found.gamma, "vega": found.vega / 100, "theta": found.theta / 365}
    result = {}
    for name, values in ours.items():
        theirs = rows[name].to_numpy()
        gap = np.abs(values - theirs) / np.maximum(np.abs(theirs), 1e-9)
        result[name] = (float(np.median(gap)), float(np.quantile(gap, 0.95)))
    return result


@pytest.mark.realdata
def test_spy_greeks_of_2021_are_the_vendors(shared_data: Path) -> None:
    # Three-month bills paid about 0.05 % in 2021. Seen: medians 0.05, 0.02, 0.02 and 0.11 %.
    gaps = differences(shared_data / "options_top20_spy_2021.parquet", 0.0005)
    for name, bound in {"delta": 0.002, "gamma": 0.0015, "vega": 0.0015, "theta": 0.005}.items():
        assert gaps[name][0] < bound / 2, name
        assert gaps[name][1] < bound, name


@pytest.mark.realdata
def test_ladder_greeks_of_2026_are_near_the_vendors(shared_data: Path) -> None:
    # Rounded to four digits, American, times to the minute: seen medians 0.5 to 1.4 %, 95 % within 8 and 13 %.
    gaps = differences(shared_data / "options_ladder_2026.parquet", 0.037)
    for name, bound in {"delta": 0.10, "gamma": 0.15, "vega": 0.10, "theta": 0.10}.items():
        assert gaps[name][0] < 0.02, name
        assert gaps[name][1] < bound, name
