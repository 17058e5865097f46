"""Synthetic markets: the same bytes for the same spec, and the truth that was planted, no more and no less."""

from datetime import date
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from components.core.errors import UsageError
from components.market.bars import SCHEMA
from components.market.synthetic import FREEDOM, LEAVE, SIGMA, MarketSpec, market, parse_source, true_signal

WIDE = {"symbols": 120, "days": 1500, "seed": 11}
STRENGTH = 0.35


def column(spec: MarketSpec, name: str) -> np.ndarray:
    return market(spec)[name].to_numpy().reshape(spec.symbols, spec.days)


def close_returns(spec: MarketSpec) -> np.ndarray:
    close = column(spec, "close")
    return close[:, 1:] / close[:, :-1] - 1


def correlation_by_day(signal: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return one correlation across the symbols per day, so that shared regimes and factors drop out."""
    signal = signal - signal.mean(axis=0)
    moves = moves - moves.mean(axis=0)
    return (signal * moves).mean(axis=0) / (signal.std(axis=0) * moves.std(axis=0))


def test_equal_specs_give_equal_tables_and_another_seed_another_one() -> None:
    first = market(MarketSpec())
    assert first.schema.equals(SCHEMA)
    assert first.equals(market(MarketSpec()))
    assert not first.equals(market(MarketSpec(seed=8)))


def test_the_market_is_the_one_that_was_published() -> None:
    # Golden: another numpy, processor or edit that moves a single bit makes old results incomparable.
    table = market(MarketSpec(days=900))
    row = table.slice(899, 1).to_pylist()[0]
    assert row["symbol"] == "SYN000"
    assert row["timestamp"].isoformat() == "2024-12-31T00:00:00+00:00"
    assert row["known_at"].isoformat() == "2024-12-31T22:00:00+00:00"
    last = [row[name] for name in ("open", "high", "low", "close", "volume", "adj_close")]
    assert last == [310.2464, 310.5168, 308.4707, 308.6613, 941757.0, 308.6613]
    content = b"".join(table[name].to_numpy().tobytes() for name in ("open", "high", "low", "close", "volume"))
    assert sha256(content).hexdigest() == "6823b3f129b51bb759bb40d6b1fd734e3ab205af27724e8f72b0ae52fb664a87"


def test_sessions_are_business_days_up_to_the_end() -> None:
    days = column(MarketSpec(symbols=2, days=7, end=date(2024, 12, 29)), "timestamp").astype("datetime64[D]")
    expected = [19, 20, 23, 24, 25, 26, 27]  # the 29th is a Sunday; the 21st and 22nd a weekend
    assert days[0].tolist() == [date(2024, 12, day) for day in expected]
    assert days[1].tolist() == days[0].tolist()


@pytest.mark.parametrize("name", ["planted", "noise"])
def test_every_candle_is_possible(name: str) -> None:
    spec = MarketSpec(market=name, symbols=200, days=600, strength=STRENGTH if name == "planted" else 0.0)
    opens, high, low, close = (column(spec, price) for price in ("open", "high", "low", "close"))
    assert (low > 0).all()
    assert (high >= np.maximum(opens, close)).all()
    assert (low <= np.minimum(opens, close)).all()
    volume = column(spec, "volume")
    assert ((volume >= 1) & (volume == np.rint(volume))).all()
    np.testing.assert_array_equal(column(spec, "adj_close"), close)
    np.testing.assert_array_equal(np.round(close, 4), close)


def test_prices_stay_above_zero_when_the_signal_is_strong_and_the_history_long() -> None:
    assert (column(MarketSpec(symbols=20, days=10_000, strength=2.0), "low") > 0).all()


def test_the_twin_shares_signal_and_volume_and_differs_in_returns() -> None:
    planted, noise = MarketSpec(**WIDE), MarketSpec(market="noise", strength=0.0, **WIDE)
    np.testing.assert_array_equal(true_signal(planted), true_signal(noise))
    np.testing.assert_array_equal(column(planted, "volume"), column(noise, "volume"))
    np.testing.assert_array_equal(column(planted, "close")[:, 0], column(noise, "close")[:, 0])
    assert abs(close_returns(planted) - close_returns(noise)).max() > 0.01


def test_the_signal_has_unit_variance_and_a_half_life_of_twenty_days_and_shows_in_volume() -> None:
    spec = MarketSpec(**WIDE)
    signal = true_signal(spec)
    assert signal.std() == pytest.approx(1.0, abs=0.03)
    assert np.corrcoef(signal[:, :-20].ravel(), signal[:, 20:].ravel())[0, 1] == pytest.approx(0.5, abs=0.04)
    log_volume = np.log(column(spec, "volume"))
    assert np.corrcoef(signal.ravel(), log_volume.ravel())[0, 1] == pytest.approx(0.5 / np.hypot(0.5, 0.2), abs=0.01)


def test_noise_has_no_signal_in_returns() -> None:
    spec = MarketSpec(market="noise", strength=0.0, **WIDE)
    daily = correlation_by_day(true_signal(spec)[:, :-1], close_returns(spec))
    assert abs(daily.mean()) < 4 * daily.std() / np.sqrt(len(daily))


def test_planted_has_the_closed_form_correlation_close_to_close_and_open_to_open() -> None:
    spec = MarketSpec(**WIDE, strength=STRENGTH)
    signal = true_signal(spec)
    turbulent = LEAVE[0] / (LEAVE[0] + LEAVE[1])
    mean_sigma = (1 - turbulent) * SIGMA[0] + turbulent * SIGMA[1]
    mean_square = (1 - turbulent) * SIGMA[0] ** 2 + turbulent * SIGMA[1] ** 2
    expected = STRENGTH * mean_sigma / np.sqrt(mean_square * (1 + STRENGTH**2))
    found = np.corrcoef(signal[:, :-1].ravel(), close_returns(spec).ravel())[0, 1]
    assert found == pytest.approx(expected, abs=0.02)
    opens = column(spec, "open")
    forward = opens[:, 2:] / opens[:, 1:-1] - 1
    assert np.corrcoef(signal[:, :-2].ravel(), forward.ravel())[0, 1] == pytest.approx(expected, abs=0.02)


def test_planted_is_as_predictable_as_student_t_shocks_allow() -> None:
    spec = MarketSpec(**WIDE, strength=STRENGTH)
    scale = np.sqrt(FREEDOM / (FREEDOM - 2))

    def density(signal: float) -> float:
        return float(2 * stats.norm.pdf(signal) * stats.t.cdf(STRENGTH * signal * scale, FREEDOM))

    expected, _ = integrate.quad(density, 0, 10)  # P(up | signal > 0)
    signal, moves = true_signal(spec)[:, :-1], close_returns(spec)
    assert (moves[signal > 0] > 0).mean() == pytest.approx(expected, abs=0.01)
    assert (moves[signal < 0] < 0).mean() == pytest.approx(expected, abs=0.01)
    assert 0.60 < expected < 0.66


def test_returns_have_fat_tails_move_together_and_cluster() -> None:
    moves = close_returns(MarketSpec(**WIDE))
    assert stats.kurtosis(moves, axis=None, fisher=False) > 3.5
    pairs = np.corrcoef(moves[:20])[np.triu_indices(20, k=1)]
    assert pairs.min() > 0
    assert pairs.mean() > 0.1
    size = abs(moves).mean(axis=0)
    assert np.corrcoef(size[:-1], size[1:])[0, 1] > 0.2


def test_many_symbols_are_sorted_as_text() -> None:
    names = market(MarketSpec(symbols=1001, days=2))["symbol"].to_pylist()
    assert names == sorted(names)
    assert names[0] == "SYN0000"
    assert len(set(names)) == 1001


def test_a_source_text_gives_the_spec_it_describes() -> None:
    text = "synthetic://planted?symbols=3&days=50&seed=9&strength=0.5&end=2020-02-29"
    assert parse_source(text) == MarketSpec(symbols=3, days=50, seed=9, strength=0.5, end=date(2020, 2, 29))
    assert parse_source("synthetic://planted?lead_days=9&lead_strength=2") == MarketSpec(lead_days=9, lead_strength=2.0)
    assert parse_source("synthetic://planted") == MarketSpec()
    assert parse_source("synthetic://noise?seed=7") == MarketSpec(market="noise", strength=0.0)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("synthetic://bull", "planted or noise"),
        ("synthetic:planted", "planted or noise"),
        ("synthetic://[planted", "planted or noise"),
        ("synthetic://planted/x", "planted or noise"),
        ("synthetic://planted?sybmols=3", "symbols, days, seed, strength, half_life, steady, end"),
        ("synthetic://planted?days=1&days=2", "twice"),
        ("synthetic://planted?symbols=2001", "from 1 to 2000"),
        ("synthetic://planted?symbols=0", "from 1 to 2000"),
        ("synthetic://planted?days=1e3", "from 2 to 10000"),
        ("synthetic://planted?seed=-1", "seed wants a whole number"),
        ("synthetic://planted?seed=٣", "seed wants a whole number"),
        ("synthetic://planted?strength=nan", "from 0 to 2"),
        ("synthetic://planted?strength=", "from 0 to 2"),
        ("synthetic://planted?end=tomorrow", "1980-01-01 to 2100-12-31"),
        ("synthetic://planted?end=0001-01-01", "1980-01-01 to 2100-12-31"),
        ("synthetic://planted?days=99&lead_days=99", "lead_days wants a whole number from 0 to 98"),
        ("synthetic://planted?lead_strength=inf", "lead_strength wants a number from 0 to 100"),
        ("synthetic://noise?strength=0.35", "noise has strength 0"),
    ],
)
def test_a_source_that_does_not_exist_names_those_that_do(source: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_source(source)


@settings(deadline=None, derandomize=True)
@given(
    query=st.lists(
        st.tuples(
            st.sampled_from(["symbols", "days", "seed", "strength", "lead_days", "end", "x"]), st.text(max_size=9)
        )
    )
)
def test_any_text_is_parsed_or_refused_as_usage(query: list[tuple[str, str]]) -> None:
    text = "synthetic://planted?" + "&".join(f"{key}={value}" for key, value in query)
    try:
        spec = parse_source(text)
    except UsageError:
        return
    assert 1 <= spec.symbols <= 2000
    assert 2 <= spec.days <= 10_000
    assert 0 <= spec.strength <= 2
