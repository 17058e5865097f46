"""The option features: each number worked out by hand, by closed form or by root finding."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from option_frames import SIDES, STRIKES, four_strikes, one, smile
from scipy.optimize import brentq
from scipy.stats import norm

from components.market.black_scholes import greeks
from components.market.columns import OPTIONS
from components.market.option_chain import read_chain
from components.market.option_fields import OPTION_FEATURES, markdown
from components.market.options import option_features


@pytest.mark.promise("S0-25")
def test_there_are_forty_features_each_with_a_unit_a_formula_and_inputs() -> None:
    assert len(OPTIONS) == 40
    assert len(set(OPTIONS)) == 40
    assert all(feature.unit and feature.formula and feature.needs for feature in OPTION_FEATURES)


def test_the_page_is_the_table(top: Path) -> None:
    page = (top / "docs" / "option-features.md").read_text()
    assert page == markdown(), "write docs/option-features.md anew from option_fields.markdown()"


def test_ratios_and_positions_by_hand() -> None:
    found = one(four_strikes())
    by_hand = {
        "put_call_volume": 12 / 16,
        "put_call_volume_near": 12 / 16,
        "put_call_volume_otm": 10 / 13,
        "put_call_premium": 28 / 46,  # 6x1 + 4x2 + 2x7 over 1x11 + 2x7 + 8x2 + 5x1
        "put_call_open_interest": 120 / 100,
        "put_call_open_interest_near": 120 / 100,
        "put_call_open_interest_otm": 80 / 70,
        # Paid at 90: 850, at 95: 550, at 105: 450, at 110: 700; at 100: 500.
        "max_pain": 105.0,
        "max_pain_distance": 0.05,
        "max_pain_distance_next": 0.05,
        "max_pain_relief": 1 - 450 / 500,
        "call_wall_distance": 0.05,
        "put_wall_distance": -0.10,
        "volume_turnover": 28 / 220,
        "volume_share_7d": 0.0,
        "open_interest_share_7d": 0.0,
        # Weights 60, 50, 60, 50 at 0.90, 0.95, 1.05, 1.10.
        "strike_dispersion": np.sqrt(220.375 / 220 - (219.5 / 220) ** 2),
        "no_bid_share": 0.0,
        "median_spread": (0.1 / 7 + 0.1 / 2) / 2,
    }
    for name, value in by_hand.items():
        assert found[name] == pytest.approx(value, rel=1e-12), name


def test_volatilities_and_moves_by_hand() -> None:
    found = one(four_strikes(), realised_vol=np.array([0.15]))
    # At 100 calls say (0.23 + 0.20) / 2 and puts (0.24 + 0.21) / 2; every pair says that the forward is 100.
    by_hand = {
        "atm_vol_30d": 0.22,
        "skew_90_110": 0.26 - 0.18,
        "implied_carry_30d": 0.0,
        "vol_premium": 0.22 - 0.15,
        "variance_premium": 0.22**2 - 0.15**2,
        "expected_move_next": 0.09,  # the straddles at 95 and 105 cost 9
        "expected_move_30d": 0.09,
    }
    for name, value in by_hand.items():
        assert found[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name
    others = ["atm_vol_7d", "atm_vol_60d", "atm_vol_90d", "term_slope_7_30", "term_slope_30_90", "forward_vol_30_90"]
    assert all(np.isnan(found[name]) for name in others)


def test_wings_are_read_where_the_delta_is_a_quarter() -> None:
    frame = smile(30)
    found = one(frame)
    curve = frame[frame["type"] == "call"]
    strike, vol = curve["strike"].to_numpy(), curve["implied_vol"].to_numpy()
    root = np.sqrt(30 / 365)
    delta = norm.cdf(np.log(100 / strike) / (vol * root) + vol * root / 2)
    call, put = (np.interp(at, delta[::-1], vol[::-1]) for at in (0.25, 0.75))
    assert found["risk_reversal_25d"] == pytest.approx(call - put, rel=1e-9)
    assert found["butterfly_25d"] == pytest.approx((call + put) / 2 - found["atm_vol_30d"], rel=1e-9)
    assert found["risk_reversal_25d"] < -0.01


def test_strikes_too_far_apart_are_not_interpolated_between() -> None:
    found = one(four_strikes())  # a delta of 0.25 lies between those of 105 and 95, 0.21 and 0.78
    assert np.isnan(found["risk_reversal_25d"])
    frame = four_strikes()
    found = one(frame[frame["strike"].isin([90.0, 110.0])])
    assert np.isnan(found["atm_vol_30d"])


def test_gamma_exposure_by_hand() -> None:
    found = one(four_strikes())
    root = np.sqrt(30 / 365)
    net = gross = 0.0
    for sign, side in ((1, "call"), (-1, "put")):
        for strike, (_, _, interest, vol) in zip(STRIKES, SIDES[side], strict=True):
            d1 = np.log(100 / strike) / (vol * root) + vol * root / 2
            gamma = np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi) / (100 * vol * root)
            value = gamma * interest * 100 * 100**2 * 0.01  # contracts of 100 shares, dollars per 1 %
            net, gross = net + sign * value, gross + value
    assert found["gamma_exposure"] == pytest.approx(net, rel=1e-12)
    assert found["gamma_exposure_near"] == pytest.approx(net, rel=1e-12)
    assert found["gamma_exposure_balance"] == pytest.approx(net / gross, rel=1e-12)


def test_zero_gamma_is_where_the_exposure_of_black_scholes_crosses() -> None:
    frame = four_strikes()
    sign = np.where(frame["type"] == "call", 1.0, -1.0)

    def exposure(spot: float) -> float:
        found = greeks(spot, frame["strike"].to_numpy(), 30 / 365, frame["implied_vol"].to_numpy(), is_call=True)
        return float((sign * frame["open_interest"].to_numpy() * found.gamma).sum() * spot**2)

    crossing = brentq(exposure, 90, 105)
    found = one(frame)
    assert found["zero_gamma"] == pytest.approx(crossing, rel=1e-6)
    assert found["zero_gamma_distance"] == pytest.approx(crossing / 100 - 1, abs=1e-6)


def test_zero_gamma_of_one_call_and_one_put_has_a_closed_form() -> None:
    # Equal interest and volatility: densities are equal where d1 = -d2', at sqrt(K K') x exp(-sigma^2 T / 2).
    frame = four_strikes()
    kept = ((frame["type"] == "put") & (frame["strike"] == 95)) | ((frame["type"] == "call") & (frame["strike"] == 105))
    frame = frame[kept].assign(open_interest=10.0, implied_vol=0.2)
    expected = np.sqrt(95 * 105) * np.exp(-(0.2**2) * 30 / 365 / 2)
    assert one(frame)["zero_gamma"] == pytest.approx(expected, rel=1e-7)


def test_dealers_that_hold_calls_only_have_no_zero_gamma() -> None:
    frame = four_strikes()
    found = one(frame[frame["type"] == "call"])
    assert found["gamma_exposure_balance"] == pytest.approx(1.0)
    assert np.isnan(found["zero_gamma"])
    assert np.isnan(found["put_call_open_interest"])


def test_near_term_and_this_week_are_told_from_the_rest() -> None:
    week, month, later = four_strikes(7), four_strikes(30), four_strikes(31).assign(open_interest=1000.0)
    week["volume"] *= 2
    found = one(pd.concat([week, month, later]))
    assert found["volume_share_7d"] == pytest.approx(0.5)
    assert found["open_interest_share_7d"] == pytest.approx(220 / (2 * 220 + 8000))
    assert found["put_call_open_interest"] == pytest.approx(4240 / 4200)
    assert found["put_call_open_interest_near"] == pytest.approx(1.2)
    assert found["gamma_exposure_near"] == pytest.approx(one(pd.concat([week, month]))["gamma_exposure"])


def test_tenors_are_interpolated_in_total_variance() -> None:
    short, long = four_strikes(20), four_strikes(100)
    long["implied_vol"] += 0.1
    found = one(pd.concat([short, long]))
    for days in (30, 60, 90):
        total = np.interp(days, [20, 100], [20 * 0.22**2, 100 * 0.32**2])
        assert found[f"atm_vol_{days}d"] == pytest.approx(np.sqrt(total / days), rel=1e-12)
    between = (90 * found["atm_vol_90d"] ** 2 - 30 * found["atm_vol_30d"] ** 2) / 60
    assert found["forward_vol_30_90"] == pytest.approx(np.sqrt(between), rel=1e-12)
    assert found["term_slope_30_90"] == pytest.approx(found["atm_vol_90d"] - found["atm_vol_30d"])
    assert np.isnan(found["atm_vol_7d"])


def test_the_forward_and_the_carry_come_from_put_call_parity() -> None:
    frame = four_strikes()
    frame.loc[frame["type"] == "call", ["bid", "ask"]] += 0.5  # C - P = 100.5 - K
    assert one(frame)["implied_carry_30d"] == pytest.approx(np.log(1.005) * 365 / 30, rel=1e-12)


def test_a_volatility_that_the_vendor_lacks_is_solved_from_the_mid() -> None:
    frame = pd.concat([smile(days) for days in (2, 10, 40, 100)])
    given, solved = one(frame), one(frame.drop(columns="implied_vol"))
    for name in OPTIONS:
        assert solved[name] == pytest.approx(given[name], rel=1e-7, abs=1e-7, nan_ok=True), name


def test_quotes_below_the_intrinsic_value_are_counted_as_unsolved() -> None:
    frame = four_strikes().drop(columns="implied_vol")
    frame.loc[(frame["type"] == "call") & (frame["strike"] == 90), ["bid", "ask"]] = [9.7, 9.9]
    chain = read_chain(pa.Table.from_pandas(frame), file="test")
    assert option_features(chain, rate=0.0).unsolved["unsolved"].to_pylist() == [1]
