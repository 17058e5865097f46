"""What is asked of allocations: money, timing that a drift does not give, regimes, controls, and the champion."""

from dataclasses import replace

import numpy as np
import pytest

from components.core.judge import ALLOCATION_GATES, GateConfig, JudgeConfig
from components.market.predictions import AllocationPredictions
from components.trading.allocation import trade_allocations
from components.trading.statistics import sharpe_ratio
from components.validate.allocation_page import AllocationEvidence
from components.validate.allocations import PLANTED_TIMING, excess_sharpe, planted, timing
from components.validate.case import Case
from components.validate.gates import evaluate, overall
from components.validate.loss_profit import losses_by_time
from components.validate.measures import Histories, Measured, value_of
from components.validate.returns import file_of
from components.validate.zone import AllocationZone

QUICK = JudgeConfig(bootstrap_samples=200, gates=ALLOCATION_GATES)
SOUND = Measured(0.0, 0.0, 0.0, "")
CAUSAL = {"feature_causality": SOUND, "answer_causality": SOUND}


def make(
    *, num_times: int = 260, num_symbols: int = 6, skill: float = 0.3, drift: float = 0.0, level: float = 0.0,
    seed: int = 0, size: float = 1.0,
) -> AllocationPredictions:  # fmt: skip
    """Return a zone whose weights know ``skill`` deviations of what comes and lean to ``level``."""
    rng = np.random.default_rng(seed)
    known, shape = rng.standard_normal((num_times, num_symbols)), (num_times, num_symbols)
    for time in range(1, num_times):
        known[time] = 0.9 * known[time - 1] + np.sqrt(1 - 0.9**2) * known[time]
    noise = 0.5 * rng.standard_normal((num_times, 1)) + np.sqrt(0.75) * rng.standard_normal(shape)
    move = (0.01 * (skill * known + noise) + drift).ravel()
    days = np.datetime64("2024-01-01", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    score = np.clip(np.tanh(size * known.ravel()) * (1 - abs(level)) + level, -1, 1)
    return AllocationPredictions(
        symbols=tuple(f"SYM{code}" for code in range(num_symbols)), symbol=np.tile(np.arange(num_symbols), num_times),
        timestamp=np.repeat(days, num_symbols), score=score, weight=score / num_symbols,
        expected_return=0.005 * score, label=move, forward_return=move,
    )  # fmt: skip


def ask(table: AllocationPredictions, config: JudgeConfig = QUICK, **others: object) -> dict[str, str]:
    results = evaluate(table, config, bars_per_year=252.0, parity=SOUND, causality=CAUSAL, **others)  # pyright: ignore[reportArgumentType]
    return {gate.metric: gate.outcome for gate in results} | {"verdict": overall(results)}


def test_a_skilful_model_passes_every_gate() -> None:
    found = ask(make())
    assert set(found.values()) == {"pass"}
    assert found.keys() == {gate.metric for gate in ALLOCATION_GATES if gate.zone == "test"} - {"champion_sharpe"} | {
        "verdict"
    }


def test_a_model_without_skill_is_refused() -> None:
    found = [ask(make(skill=0.0, seed=seed)) for seed in range(1000, 1008)]
    assert {one["verdict"] for one in found} == {"fail"}
    assert sum(one["timing"] == "pass" for one in found) <= 1


def test_a_drift_of_the_market_is_nobodys_skill() -> None:
    found = ask(make(skill=0.0, drift=0.002, level=0.9))
    assert found["net_sharpe"] == found["deflated_sharpe"] == "pass"
    assert found["timing"] != "pass"
    assert found["timing_gain"] == "fail"
    assert found["verdict"] == "fail"


def test_timing_is_the_correlation_inside_symbols() -> None:
    table = make(num_times=60, num_symbols=3, drift=0.003, level=0.3)
    weight, move = (rows.reshape(60, 3) for rows in (table.weight, table.forward_return))
    expected = np.corrcoef((weight - weight.mean(axis=0)).ravel(), (move - move.mean(axis=0)).ravel())[0, 1]
    assert value_of(timing(AllocationZone(table)), AllocationZone(table)) == pytest.approx(expected)
    tilted = replace(table, weight=table.weight + np.tile([0.1, 0.2, -0.3], 60))
    assert value_of(timing(AllocationZone(tilted)), AllocationZone(tilted)) == pytest.approx(expected)


def test_an_unknown_return_counts_nowhere() -> None:
    table = make(num_times=80)
    forward = table.forward_return.copy()
    forward[-12:] = np.nan
    zone, cut = (
        AllocationZone(replace(table, forward_return=forward)),
        AllocationZone(table).rows(np.arange(68 * 0, 468)),
    )
    assert zone.num_rows - 12 == cut.num_rows
    assert value_of(timing(zone), zone) == pytest.approx(value_of(timing(cut), cut))


def test_who_always_holds_the_same_has_no_timing_and_fails_closed() -> None:
    table = make()
    found = ask(replace(table, weight=np.full(table.weight.size, 0.1)))
    assert (found["timing"], found["placebo"], found["worst_regime"]) == ("fail", "fail", "fail")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight": np.nan}, "weights are not finite"), ({"score": 1.1}, "scores are not numbers in"),
        ({"weight": 0.9}, "decision times hold more than the capital"), ({"forward_return": -1.0}, "lose more than"),
        ({"expected_return": np.inf}, "returns expected are not finite"), ({"label": np.nan}, "returns that came"),
    ],
)  # fmt: skip
def test_broken_numbers_fail_closed(changes: dict[str, float], words: str) -> None:
    table = make()
    [(name, value)] = changes.items()
    rows = getattr(table, name).copy()
    rows[:2] = value
    broken = replace(table, **{name: rows})
    assert words in AllocationZone(broken).defect()
    assert set(ask(broken).values()) == {"fail"}


def test_the_planted_control_has_the_strength_that_it_says() -> None:
    zone = AllocationZone(make(num_times=2000, skill=0.0))
    case = Case(zone, None, None, QUICK, 252.0, Histories(zone, QUICK, 5.0), (), SOUND, {})
    control = planted(case)
    noise = np.random.default_rng(1).standard_normal((zone.num_rows, 1))
    assert value_of(control.plant(noise), zone) == pytest.approx(PLANTED_TIMING, abs=0.02)
    assert ask(make(num_times=62))["planted_control"] == "insufficient evidence"


def test_a_champion_is_beaten_tied_or_not() -> None:
    good, same, poor = make(), make(), make(skill=0.0, seed=0)
    gates = (GateConfig(metric="champion_sharpe", bound=1.0, side="below"),)
    config = QUICK.model_copy(update={"gates": gates})
    assert ask(good, config, champion=same)["champion_sharpe"] == "pass"
    poor = replace(good, score=-good.score, weight=-good.weight)
    assert ask(poor, config, champion=good)["champion_sharpe"] == "fail"
    zones = AllocationZone(poor), AllocationZone(good)
    bad, well = (
        sharpe_ratio(trade_allocations(zone.predictions, QUICK.costs).net, periods_per_year=252.0) for zone in zones
    )
    found = value_of(excess_sharpe(*zones, QUICK, bars_per_year=252.0), zones[0])
    assert found == pytest.approx(well - bad, rel=1e-9)


def test_loss_and_profit_stand_side_by_side() -> None:
    zone = AllocationZone(make())
    error = 100 * (zone.predictions.expected_return - zone.predictions.label)
    np.testing.assert_allclose(losses_by_time(zone), (error**2).reshape(-1, 6).mean(axis=1))
    found = AllocationEvidence.of(zone, None, QUICK, bars_per_year=252.0).metrics("test")
    assert {"timing", "sharpe", "hold_sharpe", "loss_profit_correlation", "mse", "zero_mse"} <= found.keys()
    assert {item.zone for item in found.values()} == {"test"}
    assert found["mse"].value == pytest.approx(float((error**2).mean()) / 1e4)


def test_the_returns_that_are_kept_are_those_of_the_book() -> None:
    zone = AllocationZone(make())
    assert file_of(zone, QUICK, bars_per_year=252.0)
    assert (
        file_of(
            AllocationZone(replace(zone.predictions, score=2 * zone.predictions.score + 1)), QUICK, bars_per_year=1.0
        )
        is None
    )
