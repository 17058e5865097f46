"""Synthetic option chains: the planted truth is found again, and equal specs give equal bytes."""

from hashlib import sha256

import numpy as np
import pytest

from components.core.errors import UsageError
from components.market.black_scholes import greeks, implied_vol
from components.market.option_chain import read_chain
from components.market.options import option_features
from components.market.synthetic import LEAVE, SIGMA, MarketSpec, market, true_volatility
from components.market.synthetic_options import (
    DIVIDEND_YIELD,
    PREMIUM,
    PUT_CALL,
    RATE,
    TURNOVER,
    option_chains,
    true_atm_vol,
)

SPEC = MarketSpec(symbols=3, days=400, seed=5)
DAYS = 40
CARRY = {"rate": RATE, "dividend_yield": DIVIDEND_YIELD}


def test_equal_specs_give_equal_chains_and_a_day_does_not_depend_on_how_many_are_asked_for() -> None:
    chains = option_chains(SPEC, days=DAYS)
    assert chains.equals(option_chains(SPEC, days=DAYS))
    last = option_chains(SPEC, days=1)
    assert last.equals(chains.slice(chains.num_rows - last.num_rows))
    assert not last.equals(option_chains(MarketSpec(symbols=3, days=400, seed=6), days=1))


def test_the_chain_is_the_one_that_was_published() -> None:
    # Golden: another numpy, scipy, processor or edit that moves a single bit makes old results incomparable.
    chains = option_chains(SPEC, days=5)
    content = b"".join(
        chains[name].to_numpy().tobytes() for name in ("strike", "bid", "ask", "volume", "open_interest", "implied_vol")
    )
    assert sha256(content).hexdigest() == "44662f4ead3788331791bc61fdcb3af3c925660ed1b6c7a3522e3b9c4ea8b881"


def test_the_underlying_is_the_market_and_expirations_are_fridays_to_come() -> None:
    rows = option_chains(SPEC, days=DAYS).to_pandas()
    close = market(SPEC).to_pandas()
    close = close.assign(date=close["timestamp"].dt.tz_localize(None)).set_index(["symbol", "date"])["close"]
    spot = rows.groupby(["underlying", "date"])["underlying_price"].agg(["min", "max"])
    np.testing.assert_array_equal(spot["min"], spot["max"])
    np.testing.assert_array_equal(spot["min"], close.loc[spot.index])
    assert (rows["expiration"].dt.weekday == 4).all()
    ahead = (rows["expiration"] - rows["date"]).dt.days
    assert ahead.min() == 1
    assert (rows.groupby("date")["expiration"].min() - rows["date"].unique()).dt.days.between(1, 7).all()


def test_expected_variance_is_that_of_the_simulated_regimes() -> None:
    spec = MarketSpec(symbols=1, days=10_000, market="noise", strength=0.0)
    sigma = true_volatility(spec)
    horizon = 21
    ahead = np.lib.stride_tricks.sliding_window_view(sigma[1:] ** 2, horizon).mean(axis=1)
    planted = (true_atm_vol(spec, np.array([horizon * 365 / 252]))[: len(ahead), 0] / (1 + PREMIUM)) ** 2 / 252
    for regime in SIGMA:
        now = sigma[: len(ahead)] == regime
        assert ahead[now].mean() == pytest.approx(planted[now].mean(), rel=0.10)
    calm, turbulent = np.square(SIGMA)
    tomorrow = true_atm_vol(spec, np.array([365 / 252]))[:, 0] ** 2 / 252 / (1 + PREMIUM) ** 2
    stay = (1 - LEAVE[0]) * calm + LEAVE[0] * turbulent
    np.testing.assert_allclose(tomorrow[sigma == SIGMA[0]], stay, rtol=1e-12)


def test_the_planted_volatility_is_solved_from_the_quotes() -> None:
    rows = option_chains(SPEC, days=DAYS).to_pandas()
    rows = rows[rows["bid"] > 0]
    years = (rows["expiration"] - rows["date"]).dt.days.to_numpy() / 365
    spot, strike, planted = (rows[name].to_numpy() for name in ("underlying_price", "strike", "implied_vol"))
    is_call = rows["type"].to_numpy() == "call"
    mid = (rows["bid"] + rows["ask"]).to_numpy() / 2
    solved = implied_vol(mid, spot, strike, years, is_call=is_call, **CARRY)
    vega = greeks(spot, strike, years, planted, is_call=is_call, **CARRY).vega
    known = (solved.reason == 0) & (vega > 1)
    assert known.mean() > 0.6
    # Quotes have four decimals: a mid is off by up to 0.00005, and the volatility by that over vega.
    assert (np.abs(solved.vol - planted)[known] <= 1.1e-4 / vega[known]).all()


def test_the_features_find_the_planted_truth() -> None:
    chains = option_chains(SPEC, days=DAYS)
    chain = read_chain(chains.drop_columns(["implied_vol"]), file="synthetic")
    found = option_features(chain, **CARRY).table.to_pandas()
    tenors = np.array([7.0, 30.0, 60.0, 90.0])
    planted = np.tile(true_atm_vol(SPEC, tenors)[-DAYS:], (SPEC.symbols, 1))
    for place, days in enumerate((7, 30, 60, 90)):
        # What lies between is interpolation: of a smile between strikes, of variance between expirations.
        np.testing.assert_allclose(found[f"atm_vol_{days}d"], planted[:, place], rtol=0.03)
    np.testing.assert_allclose(found["implied_carry_30d"], RATE - DIVIDEND_YIELD, atol=2e-4)
    assert (found["risk_reversal_25d"].dropna() < 0).all()
    assert (found["skew_90_110"].dropna() > 0).all()
    assert found["volume_turnover"].to_numpy() == pytest.approx(TURNOVER, rel=0.15)


def test_puts_are_held_more_than_calls_and_most_when_it_is_turbulent() -> None:
    spec = MarketSpec(symbols=4, days=600, seed=2)
    chain = read_chain(option_chains(spec, days=300), file="synthetic")
    ratio = option_features(chain, **CARRY).table["put_call_open_interest"].to_numpy().reshape(4, 300)
    turbulent = true_volatility(spec)[-300:] == SIGMA[1]
    assert 20 < turbulent.sum() < 280
    for regime, now in zip(PUT_CALL, (~turbulent, turbulent), strict=True):
        assert ratio[:, now].mean() == pytest.approx(regime, rel=0.02)


def test_max_pain_equals_a_brute_force_search_over_every_chain() -> None:
    chains = option_chains(SPEC, days=5)
    found = option_features(read_chain(chains, file="synthetic"), **CARRY).table.to_pandas()
    rows = chains.to_pandas()
    expected = []
    for _, part in rows.groupby(["underlying", "date"]):
        at = np.unique(part["strike"])[:, None]
        sign = np.where(part["type"] == "call", 1.0, -1.0)
        paid = (part["open_interest"].to_numpy() * np.maximum(sign * (at - part["strike"].to_numpy()), 0)).sum(axis=1)
        expected.append(at[np.argmin(paid), 0])
    assert found["max_pain"].tolist() == expected


def test_more_days_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="ask for 1 to 400"):
        option_chains(SPEC, days=401)
    with pytest.raises(UsageError, match="ask for 1 to"):
        option_chains(MarketSpec(symbols=2000, days=500), days=500)


def test_a_market_and_its_noise_twin_share_what_is_not_their_path() -> None:
    noise = MarketSpec(symbols=3, days=400, seed=5, market="noise", strength=0.0)
    np.testing.assert_array_equal(true_volatility(SPEC), true_volatility(noise))
    ratio = true_atm_vol(SPEC, np.array([30.0])) / true_atm_vol(noise, np.array([30.0]))
    np.testing.assert_allclose(ratio, np.sqrt(1 + SPEC.strength**2), rtol=1e-12)
