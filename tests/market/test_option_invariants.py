"""The option features: what they do not depend on, what is missing where an input is, and real chains."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from option_frames import DAY, features, four_strikes, many, one, smile

from components.market.columns import OPTIONS
from components.market.option_chain import read_chain
from components.market.option_fields import OPTION_FEATURES
from components.market.option_positioning import max_pain
from components.market.options import option_features

SCALE_FREE = [name for name in OPTIONS if name not in {"gamma_exposure", "gamma_exposure_near", "volume_turnover"}]


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
