"""What is asked of portfolios: more than equal parts held, after costs; and what nobody can pass by luck or a tilt."""

from dataclasses import replace

import numpy as np
import pytest

from components.core.judge import PORTFOLIO_GATES, JudgeConfig
from components.market.predictions import PortfolioPredictions
from components.trading.statistics import sharpe_ratio
from components.validate.fleet import Twin, discoveries
from components.validate.gates import evaluate, overall
from components.validate.measures import Measured, value_of
from components.validate.portfolio_page import PortfolioEvidence
from components.validate.portfolios import gain_over_holding, relative_sharpe
from components.validate.zone import PortfolioZone

QUICK = JudgeConfig(bootstrap_samples=200, gates=PORTFOLIO_GATES)
SOUND = Measured(0.0, 0.0, 0.0, "")
CAUSAL = {"feature_causality": SOUND, "answer_causality": SOUND}


def make(
    *, num_times: int = 400, skill: float = 0.4, drift: float = 0.0, tilt: float = 0.0, seed: int = 0,
    hold_bars: int = 2,
) -> PortfolioPredictions:  # fmt: skip
    """Return splits of two symbols that know ``skill`` deviations of which of them will rise more."""
    rng = np.random.default_rng(seed)
    known = rng.standard_normal(num_times)
    for time in range(1, num_times):
        known[time] = 0.9 * known[time - 1] + np.sqrt(1 - 0.9**2) * known[time]
    both, own = rng.standard_normal((num_times, 1)), rng.standard_normal((num_times, 2))
    apart = skill * known[:, None] * np.array([1.0, -1.0])
    move = (0.01 * (both + apart + own) + drift).ravel()
    first = np.clip(0.5 + tilt + 0.3 * np.tanh(known), 0.0, 1.0)
    days = np.datetime64("2024-01-01", "us") + hold_bars * np.arange(num_times) * np.timedelta64(1, "D")
    weight = np.column_stack([first, 1 - first]).ravel()
    return PortfolioPredictions(
        symbols=("AAA", "BBB"), symbol=np.tile([0, 1], num_times), timestamp=np.repeat(days, 2), score=weight,
        weight=weight, expected_return=np.zeros(2 * num_times), label=move, forward_return=move, hold_bars=hold_bars,
    )  # fmt: skip


def ask(table: PortfolioPredictions) -> dict[str, str]:
    results = evaluate(table, QUICK, bars_per_year=126.0, parity=None, causality=CAUSAL)
    return {gate.metric: gate.outcome for gate in results} | {"verdict": overall(results)}


@pytest.mark.promise("S2-06")
def test_who_knows_which_will_rise_more_passes_whatever_the_market_does() -> None:
    for drift in (-0.003, 0.0, 0.003):  # in the first the book loses money, and less than equal parts do
        found = ask(make(drift=drift))
        assert set(found.values()) == {"pass"}, found
    asked = {gate.metric for gate in PORTFOLIO_GATES if gate.zone == "test"}
    assert found.keys() == asked - {"champion_sharpe", "export_parity"} | {"verdict"}


@pytest.mark.promise("S2-06")
def test_noise_a_rising_market_and_a_tilt_pass_nobody() -> None:
    for changes in ({}, {"drift": 0.004}, {"drift": 0.004, "tilt": 0.15}):
        found = [ask(make(skill=0.0, seed=seed, **changes)) for seed in range(4)]
        assert "pass" not in {one["verdict"] for one in found}
    stuck = make(skill=0.4)
    always = replace(stuck, weight=np.tile([0.8, 0.2], 400), score=np.tile([0.8, 0.2], 400))
    assert ask(always)["timing"] == "fail"


def test_the_gain_is_over_equal_parts_bought_once_by_hand() -> None:
    table = make(num_times=2, hold_bars=3)
    move = np.array([0.10, 0.0, 0.0, 0.20])
    weight = np.array([1.0, 0.0, 0.0, 1.0])
    zone = PortfolioZone(replace(table, weight=weight, score=weight, label=move, forward_return=move))
    cost = QUICK.costs.per_side
    ours = [0.10 - cost, 0.20 - cost * (1.10 + 1.0 + 1.20)]  # sold at 1.10, bought 1, sold at 1.20
    held = [0.05 - cost, 0.10 - cost * (0.5 + 0.6)]  # what keeps the parts equal is free
    np.testing.assert_allclose(gain_over_holding(zone, QUICK), np.array(ours) - held, atol=1e-12)


def test_the_ratio_is_of_splits_a_year() -> None:
    zone = PortfolioZone(make(hold_bars=4))
    found = value_of(relative_sharpe(zone, QUICK, bars_per_year=252.0 / zone.bars_per_decision), zone)
    assert found == pytest.approx(sharpe_ratio(gain_over_holding(zone, QUICK), periods_per_year=63.0))
    evidence = PortfolioEvidence.of(zone, None, QUICK, bars_per_year=63.0).metrics("test")
    assert evidence["relative_sharpe"].value == pytest.approx(found)
    assert evidence["relative_return"].value == pytest.approx(gain_over_holding(zone, QUICK).sum())


@pytest.mark.promise("S2-06")
def test_of_many_portfolios_only_the_skilful_stand_out() -> None:
    fleet = [Twin(f"skilful{seed}", make(seed=seed)) for seed in range(3)]
    fleet += [Twin(f"guess{seed}", make(skill=0.0, seed=seed)) for seed in range(12)]
    found = {item.name for item in discoveries(fleet, QUICK) if item.discovered}
    assert found == {"skilful0", "skilful1", "skilful2"}


@pytest.mark.parametrize("hold_bars", [0, -1])
def test_a_split_that_holds_for_no_bar_fails_closed(hold_bars: int) -> None:
    table = replace(make(), hold_bars=hold_bars)
    assert "horizon is not at least 1 bar" in PortfolioZone(table).defect()
    assert set(ask(table).values()) == {"fail"}
