"""The option features: numbers worked out by hand, brute-force oracles, invariants, and real chains."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from components.market.black_scholes import greeks
from components.market.columns import OPTIONS
from components.market.option_chain import read_chain
from components.market.option_fields import OPTION_FEATURES, markdown
from components.market.option_positioning import max_pain
from components.market.options import option_features

DAY = pd.Timestamp("2024-03-01")
STRIKES = [90.0, 95.0, 105.0, 110.0]
SIDES = {  # by strike: mid, volume, open interest, implied volatility
    "call": [(11, 1, 10, 0.25), (7, 2, 20, 0.23), (2, 8, 40, 0.20), (1, 5, 30, 0.18)],
    "put": [(1, 6, 50, 0.26), (2, 4, 30, 0.24), (7, 2, 20, 0.21), (11, 0, 20, 0.20)],
}


def four_strikes(days: int = 30) -> pd.DataFrame:
    """Return a chain of four strikes around a price of 100, at rate 0 with put-call parity."""
    rows = [
        {
            "date": DAY,
            "underlying": "AAA",
            "expiration": DAY + pd.Timedelta(days=days),
            "type": side,
            "strike": strike,
            "bid": mid - 0.05,
            "ask": mid + 0.05,
            "volume": float(volume),
            "open_interest": float(interest),
            "implied_vol": vol,
            "underlying_price": 100.0,
        }
        for side, contracts in SIDES.items()
        for strike, (mid, volume, interest, vol) in zip(STRIKES, contracts, strict=True)
    ]
    return pd.DataFrame(rows)


def smile(days: int) -> pd.DataFrame:
    """Return a chain of 25 strikes around a price of 100 with a skewed smile, at rate 0."""
    strike = np.tile(np.arange(88.0, 113.0), 2)
    is_call = np.repeat([True, False], 25)
    depth = np.log(strike / 100)
    vol = 0.2 - 0.3 * depth + 0.8 * depth**2
    value = greeks(100.0, strike, days / 365, vol, is_call=is_call).value
    rng = np.random.default_rng(days)
    return pd.DataFrame(
        {
            "date": DAY,
            "underlying": "AAA",
            "expiration": DAY + pd.Timedelta(days=days),
            "type": np.where(is_call, "call", "put"),
            "strike": strike,
            "bid": value * 0.99,
            "ask": value * 1.01,
            "volume": rng.integers(1, 99, 50).astype(np.float64),
            "open_interest": rng.integers(1, 99, 50).astype(np.float64),
            "implied_vol": vol,
            "underlying_price": 100.0,
        }
    )


def features(frame: pd.DataFrame, **given: Any) -> pd.DataFrame:
    chain = read_chain(pa.Table.from_pandas(frame, preserve_index=False), file="test")
    return option_features(chain, **{"rate": 0.0} | given).table.to_pandas()


def one(frame: pd.DataFrame, **given: Any) -> dict[str, float]:
    found = features(frame, **given)
    assert len(found) == 1
    return found[list(OPTIONS)].iloc[0].to_dict()


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


@pytest.mark.parametrize("absent", ["volume", "open_interest", "quotes", "realised_vol"])
def test_a_missing_input_gives_nan_for_exactly_the_features_that_need_it(absent: str) -> None:
    frame = pd.concat([smile(days) for days in (2, 10, 40, 100)])
    realised = np.array([0.2])
    whole = one(frame, realised_vol=realised)
    assert all(np.isfinite(value) for value in whole.values())
    if absent == "quotes":
        frame = frame.assign(bid=np.nan, ask=np.nan)
    elif absent != "realised_vol":
        frame = frame.drop(columns=absent)
    without = one(frame, realised_vol=None if absent == "realised_vol" else realised)
    empty = {name for name, value in without.items() if np.isnan(value)}
    expected = {feature.name for feature in OPTION_FEATURES if absent in feature.needs}
    assert empty == expected
    for name in set(OPTIONS) - expected:
        assert without[name] == pytest.approx(whole[name], rel=1e-12), name


SCALE_FREE = [name for name in OPTIONS if name not in {"gamma_exposure", "gamma_exposure_near", "volume_turnover"}]


def test_scaling_all_open_interest_leaves_ratios_and_levels_and_scales_exposure() -> None:
    frame = pd.concat([smile(days) for days in (2, 10, 40, 100)])
    before, after = one(frame), one(frame.assign(open_interest=3 * frame["open_interest"]))
    for name in SCALE_FREE:
        assert after[name] == pytest.approx(before[name], rel=1e-9, nan_ok=True), name
    assert after["gamma_exposure"] == pytest.approx(3 * before["gamma_exposure"])
    assert after["volume_turnover"] == pytest.approx(before["volume_turnover"] / 3)


def test_another_currency_changes_prices_and_exposure_only() -> None:
    frame = pd.concat([smile(days) for days in (2, 10, 40, 100)])
    money = ["strike", "bid", "ask", "underlying_price"]
    before, after = one(frame), one(frame.assign(**{name: 7 * frame[name] for name in money}))
    for name in OPTIONS:
        factor = 7 if name in {"max_pain", "zero_gamma", "gamma_exposure", "gamma_exposure_near"} else 1
        assert after[name] == pytest.approx(factor * before[name], rel=1e-9, abs=1e-12, nan_ok=True), name


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    contracts=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12)
)
def test_max_pain_is_the_brute_force_minimum(contracts: list[tuple[int, int, int]]) -> None:
    strike, calls, puts = (np.array(column, dtype=np.float64) for column in zip(*contracts, strict=True))
    group = np.ones(len(strike), dtype=np.int64)  # the second of three groups, the others empty
    found = max_pain(group, strike, np.stack([calls, puts], axis=1), 3)
    assert np.isnan(found[[0, 2]]).all()
    listed = np.unique(strike[calls + puts > 0])
    if len(listed) == 0:
        assert np.isnan(found[1])
        return
    paid = [(calls * np.maximum(at - strike, 0) + puts * np.maximum(strike - at, 0)).sum() for at in listed]
    assert found[1] == listed[int(np.argmin(paid))]


def many() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frames = []
    for symbol in ("AAA", "BBB", "CCC"):
        for day in range(4):
            frame = pd.concat([smile(days) for days in (2, 10, 40, 100)])
            later = pd.Timedelta(days=day)
            frame = frame.assign(underlying=symbol, date=DAY + later, expiration=frame["expiration"] + later)
            frame["open_interest"] = rng.integers(1, 99, len(frame)).astype(np.float64)
            frame["volume"] = rng.integers(1, 99, len(frame)).astype(np.float64)
            frames.append(frame)
    return pd.concat(frames)


def test_a_day_does_not_depend_on_other_days_symbols_or_the_order_of_rows() -> None:
    frame = many()
    together = features(frame.sample(frac=1, random_state=1)).set_index(["symbol", "timestamp"])
    assert len(together) == 12
    for (symbol, date), part in frame.groupby(["underlying", "date"]):
        alone = features(part).set_index(["symbol", "timestamp"])
        row = together.loc[[(symbol, date.tz_localize("UTC"))]]
        pd.testing.assert_frame_equal(row, alone, check_exact=True, check_index_type=False)


def test_a_day_that_comes_later_changes_no_bit_of_a_row() -> None:
    frame = many().sort_values("date", kind="stable")
    frame = frame[(frame["date"] != DAY + pd.Timedelta(days=2)) | (np.arange(len(frame)) % 2 == 0)]  # a half snapshot
    whole = features(frame).set_index(["symbol", "timestamp"])
    for day in range(4):
        until = DAY + pd.Timedelta(days=day)
        cut = features(frame[frame["date"] <= until]).set_index(["symbol", "timestamp"])
        pd.testing.assert_frame_equal(cut, whole.loc[cut.index], check_exact=True)
    assert whole["put_call_volume"].isna().groupby(level=1).all().tolist() == [False, False, True, False]


def test_features_count_from_the_night_after_their_day() -> None:
    found = features(four_strikes())
    assert found.columns.tolist() == ["symbol", "timestamp", "event_timestamp", "created", *OPTIONS]
    assert found["timestamp"][0] == pd.Timestamp("2024-03-01", tz="UTC")
    assert found["event_timestamp"][0] == found["created"][0] == pd.Timestamp("2024-03-02 02:00", tz="UTC")


def test_a_rate_that_does_not_fit_is_refused() -> None:
    chain = read_chain(pa.Table.from_pandas(four_strikes()), file="test")
    with pytest.raises(ValueError, match="rate: want one number for each of 1"):
        option_features(chain, rate=np.array([0.01, 0.02]))


@pytest.mark.realdata
@pytest.mark.promise("S0-25")
def test_real_chains_of_2025_have_every_feature_but_on_the_half_day(shared_data: Path) -> None:
    chain = read_chain(pq.read_table(shared_data / "options_chain_2025.parquet"), file="options_chain_2025.parquet")
    realised = np.full(len(chain.symbol), 0.25)
    found = option_features(chain, rate=0.039, realised_vol=realised).table.to_pandas()
    assert len(found) == 6 * 8  # nine snapshots, one of them a holiday that repeats the day before
    half = found["timestamp"] == pd.Timestamp("2025-11-28", tz="UTC")
    of_sums = [it.name for it in OPTION_FEATURES if {"volume", "open_interest"} & set(it.needs)]
    assert found.loc[half, of_sums].isna().all(axis=None)
    whole = found[~half]
    may_be_absent = {"zero_gamma", "zero_gamma_distance"}  # calls outweigh puts at every price within 30 %
    always = [name for name in OPTIONS if name not in may_be_absent]
    assert np.isfinite(whole[always].to_numpy()).all()
    assert whole["zero_gamma"].notna().mean() > 0.6
    plausible = {
        "put_call_volume": (0.1, 4),
        "put_call_open_interest": (0.4, 2),
        "max_pain_distance_next": (-0.10, 0.10),
        "gamma_exposure": (-1e9, 5e9),
        "atm_vol_7d": (0.1, 0.6),
        "atm_vol_30d": (0.15, 0.5),
        "atm_vol_90d": (0.15, 0.5),
        "risk_reversal_25d": (-0.1, 0.1),
        "implied_carry_30d": (-0.2, 0.2),
        "expected_move_next": (0.005, 0.06),
        "no_bid_share": (0.01, 0.3),
        "median_spread": (0.005, 0.2),
    }
    for name, (low, high) in plausible.items():
        assert whole[name].between(low, high).all(), name


@pytest.mark.realdata
def test_real_ladders_of_2026_have_the_features_of_quotes_and_no_others(shared_data: Path) -> None:
    chain = read_chain(pq.read_table(shared_data / "options_ladder_2026.parquet"), file="options_ladder_2026.parquet")
    found = option_features(chain, rate=0.037).table.to_pandas()
    quoted = [it.name for it in OPTION_FEATURES if it.needs == ("quotes",)]
    others = [name for name in OPTIONS if name not in quoted]
    assert found[others].isna().all(axis=None)
    reach_90_days = {name for name in quoted if "90" in name and name != "skew_90_110"}
    for name in quoted:
        assert found[name].notna().mean() > (0.7 if name in reach_90_days else 0.98), name


@pytest.mark.realdata
def test_twenty_spy_contracts_a_day_give_what_twenty_contracts_can(shared_data: Path) -> None:
    chain = read_chain(pq.read_table(shared_data / "options_top20_spy_2021.parquet"), file="options_top20_spy_2021")
    found = option_features(chain, rate=0.0005).table.to_pandas()
    assert len(found) == 167
    sums = ["put_call_volume", "put_call_open_interest", "put_call_premium", "max_pain", "gamma_exposure"]
    assert np.isfinite(found[[*sums, "gamma_exposure_balance", "strike_dispersion", "median_spread"]].to_numpy()).all()
    assert found["atm_vol_7d"].isna().all()  # the nearest expiration is 20 days away
    assert found["atm_vol_30d"].notna().mean() > 0.2
    assert found["atm_vol_30d"].dropna().between(0.08, 0.40).all()
