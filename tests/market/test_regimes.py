"""Regimes by rules: each rule at work on a month worked out by hand, and nothing told where something is missing."""

import numpy as np
import pytest

from components.market.columns import CONTEXT, REGIMES
from components.market.regimes import NO_REGIME, regime_labels

QUIET = {
    "spy_return_21d": 0.0,
    "spy_vol_21d": 0.10,
    "credit_spread_proxy": 0.0,
    "vixy_return_21d": 0.0,
    "risk_off_proxy": 0.0,
}


def month(**columns: float) -> np.ndarray:
    values = dict.fromkeys(CONTEXT, 0.0) | QUIET | columns
    return np.array([values[name] for name in CONTEXT])


@pytest.mark.promise("S1-31")
def test_the_five_regimes_have_the_published_names_and_order() -> None:
    assert REGIMES == ("calm_uptrend", "risk_on_trend", "risk_off_trend", "choppy", "high_vol_panic")


# With 12 % a year a month's deviation is 0.12 / sqrt(12) = 0.03464, half of it 0.01732.
MONTHS = {
    "a rise by half a deviation, quiet": (
        month(spy_return_21d=0.0145),
        "calm_uptrend",
    ),  # 0.5 x 0.10 / sqrt(12) = 0.01443
    "a smaller rise": (month(spy_return_21d=0.0144), "choppy"),
    "a rise, no longer quiet": (month(spy_return_21d=0.0174, spy_vol_21d=0.12), "risk_on_trend"),
    "the same rise below its half deviation": (month(spy_return_21d=0.0173, spy_vol_21d=0.12), "choppy"),
    "a fall": (month(spy_return_21d=-0.0145), "risk_off_trend"),
    "bonds over stocks, credit shunned": (month(risk_off_proxy=0.04, credit_spread_proxy=-0.001), "risk_off_trend"),
    "bonds over stocks, credit sought": (month(risk_off_proxy=0.04, credit_spread_proxy=0.001), "choppy"),
    "flight in a rise": (month(spy_return_21d=0.02, risk_off_proxy=0.05, credit_spread_proxy=-0.01), "calm_uptrend"),
    "nothing": (month(), "choppy"),
    "volatility of a panic": (month(spy_vol_21d=0.28), "high_vol_panic"),
    "a rise in a panic": (month(spy_vol_21d=0.40, spy_return_21d=0.20), "high_vol_panic"),
    "fear with a loss": (month(vixy_return_21d=0.35, spy_return_21d=-0.04), "high_vol_panic"),
    "fear without one": (month(vixy_return_21d=0.35, spy_return_21d=-0.039), "risk_off_trend"),
    "no volatility at all": (month(spy_vol_21d=0.0), "choppy"),
}


@pytest.mark.parametrize(("row", "name"), MONTHS.values(), ids=MONTHS.keys())
def test_a_month_has_the_regime_that_the_rules_say(row: np.ndarray, name: str) -> None:
    assert REGIMES[int(regime_labels(row))] == name


@pytest.mark.parametrize("name", CONTEXT)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_without_all_eight_has_no_regime(name: str, value: float) -> None:
    assert regime_labels(month(**{name: value})) == NO_REGIME


def test_every_row_has_exactly_one_regime_of_its_own_month() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(0, 0.05, (4, 500, 8))
    rows[..., CONTEXT.index("spy_vol_21d")] = rng.uniform(0.03, 0.4, (4, 500))
    codes = regime_labels(rows)
    assert codes.shape == (4, 500)
    assert set(np.unique(codes)) == set(range(5))
    order = rng.permutation(500)
    np.testing.assert_array_equal(regime_labels(rows[:, order]), codes[:, order])


def test_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"want the 8 columns spy_return_1d.*got 7"):
        regime_labels(np.zeros((3, 7)))
