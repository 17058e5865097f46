from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, precision_score, roc_auc_score

from components.core.judge import CostConfig, JudgeConfig
from components.market.predictions import Predictions
from components.trading.backtest import backtest
from components.trading.statistics import auc, placements
from components.validate import measures
from components.validate.zone import Zone

COSTS = CostConfig()


def whole(quantity: measures.Quantity, zone: Zone) -> float:
    return float(quantity.of(np.ones((1, zone.num_times)))[0])


@pytest.fixture
def zone(make_zone) -> Zone:
    return Zone(make_zone(skill=0.3, num_times=90, num_symbols=3, threshold=0.52))


def test_values_agree_with_scikit_learn(zone) -> None:
    label, probability = zone.predictions.label, zone.predictions.probability
    rate = label.mean()
    assert whole(measures.ranking(zone), zone) == pytest.approx(roc_auc_score(label, probability), abs=1e-12)
    lift = precision_score(label, probability >= 0.52) - rate
    assert whole(measures.precision_lift(zone), zone) == pytest.approx(lift, abs=1e-12)
    skill = 1 - log_loss(label, probability) / log_loss(label, np.full(label.size, rate))
    assert whole(measures.log_loss_skill(zone), zone) == pytest.approx(skill, abs=1e-12)


def test_the_sharpe_ratio_is_that_of_the_book(zone) -> None:
    expected = backtest(zone.predictions, COSTS).summary(bars_per_year=252.0)["sharpe"]
    found = whole(measures.net_sharpe(zone, COSTS, bars_per_year=252.0), zone)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_weight_of_two_is_the_decision_time_twice(zone) -> None:
    rng = np.random.default_rng(0)
    weights = rng.multinomial(zone.num_times, np.full(zone.num_times, 1 / zone.num_times)).astype(np.float64)
    drawn = np.repeat(np.arange(zone.num_times), weights.astype(int))
    rows = np.concatenate([np.flatnonzero(zone.time == t) for t in drawn])
    label, probability = zone.predictions.label[rows], zone.predictions.probability[rows]
    found = {
        name: float(getattr(measures, name)(zone).of(weights[None])[0]) for name in ("precision_lift", "log_loss_skill")
    }
    lift = precision_score(label, probability >= 0.52) - label.mean()
    assert found["precision_lift"] == pytest.approx(lift, abs=1e-12)
    skill = 1 - log_loss(label, probability) / log_loss(label, np.full(label.size, label.mean()))
    assert found["log_loss_skill"] == pytest.approx(skill, abs=1e-12)
    net = backtest(zone.predictions, COSTS).net[drawn]
    sharpe = net.mean() / net.std(ddof=1) * np.sqrt(252.0)
    assert measures.net_sharpe(zone, COSTS, bars_per_year=252.0).of(weights[None])[0] == pytest.approx(sharpe, abs=1e-9)


def test_excess_loss_is_the_paired_difference(zone, make_zone) -> None:
    other = Zone(make_zone(skill=0.3, num_times=90, num_symbols=3, seed=5))
    label = zone.predictions.label
    expected = log_loss(label, zone.predictions.probability) - log_loss(label, other.predictions.probability)
    assert whole(measures.excess_loss(zone, other), zone) == pytest.approx(expected, abs=1e-12)


def _exact(zone: Zone, histories: measures.Histories) -> np.ndarray:
    """Return the AUC of each history with its rows ranked anew, ascending: the slow twin of ``measures.ranking``."""
    table, (weights,) = zone.predictions, list(histories.weights())
    times = [np.repeat(np.arange(zone.num_times), drawn.astype(int)) for drawn in weights]
    rows_of = [np.flatnonzero(zone.time == time) for time in range(zone.num_times)]
    drawn = [np.concatenate([rows_of[time] for time in history]) for history in times]
    return np.sort([auc(table.label[rows], table.probability[rows]) for rows in drawn])


ZONES = {
    "usual": ({"skill": 0.3}, 0.03),
    "chance": ({"skill": 0.0}, 0.03),
    "sure": ({"skill": 1.5}, 0.03),
    "few symbols": ({"skill": 0.3, "num_symbols": 2}, 0.05),
    "short": ({"skill": 0.3, "num_times": 60, "num_symbols": 4}, 0.1),
}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", ZONES)
def test_the_bounds_of_the_linear_auc_are_those_of_the_exact_one(make_zone, name: str, ties: bool) -> None:
    kind, room = ZONES[name]
    config = JudgeConfig(bootstrap_samples=400)
    for seed in range(3):
        table = make_zone(**kind, seed=seed)
        zone = Zone(replace(table, probability=np.round(table.probability, 1)) if ties else table)
        histories = measures.Histories(zone, config, measures.block_length(zone, COSTS))
        exact, found = _exact(zone, histories), histories.bounded(measures.ranking(zone))
        assert found.value == pytest.approx(auc(zone.predictions.label, zone.predictions.probability), abs=1e-12)
        lower, upper = exact[20], exact[-21]
        assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=room * (upper - lower))


def test_lower_bounds_hold_in_about_nineteen_of_twenty_histories(make_zone) -> None:
    truth = whole(measures.ranking(many := Zone(make_zone(skill=0.3, num_times=20_000, seed=99))), many)
    config = JudgeConfig(bootstrap_samples=200)
    held = 0
    for seed in range(80):
        zone = Zone(make_zone(skill=0.3, num_times=200, num_symbols=4, seed=seed))
        block = measures.block_length(zone, COSTS)
        held += measures.bounded(measures.ranking(zone), zone, config, block=block).lower <= truth
    assert 70 <= held <= 80  # 76 are expected; block bootstraps of short histories run a little low


def test_a_quantity_that_resamples_leave_undefined_has_no_finite_bound(zone) -> None:
    rare = measures.Quantity(lambda weights: 1.0 / np.where(weights[:, 0] > 0, 1.0, np.nan))
    found = measures.bounded(rare, zone, JudgeConfig(bootstrap_samples=100), block=3.0)
    assert (found.value, found.lower, found.upper) == (1.0, -np.inf, np.inf)


def test_the_placebo_counts_shifts_that_do_as_well(make_zone) -> None:
    skilled, blind = Zone(make_zone(skill=0.4)), Zone(make_zone(skill=0.0, seed=2))
    shifts = 3 * 250 // 4 - 63 + 1  # from the 63rd to the 187th time
    assert measures.placebo(skilled, level=0.05, seed=0).value == pytest.approx(1 / (1 + shifts), abs=1e-12)
    assert measures.placebo(blind, level=0.05, seed=0).value > 0.05


def test_the_placebo_shifts_a_ragged_panel_within_each_symbol(make_zone) -> None:
    zone = Zone(make_zone(skill=0.4))
    kept = np.flatnonzero(np.random.default_rng(1).random(zone.num_rows) > 0.2)
    assert measures.placebo(zone.rows(kept), level=0.05, seed=0).value < 0.02


def test_placements_by_hand_and_their_means_are_the_auc() -> None:
    label = np.array([1.0, 0.0, 1.0, 0.0, 0.0])
    score = np.array([0.9, 0.5, 0.5, 0.1, 0.7])
    # 0.9 is above all three 0s, 0.5 above one and level with one; of the two 1s, 0.5 is below one and level with one.
    np.testing.assert_allclose(placements(label, score), [1.0, 0.75, 0.5, 1.0, 0.5], rtol=1e-15)
    assert placements(label, score)[label == 1].mean() == pytest.approx(roc_auc_score(label, score), abs=1e-15)
    assert placements(label, score)[label == 0].mean() == pytest.approx(roc_auc_score(label, score), abs=1e-15)
    assert np.isnan(placements(np.ones(2), score[:2])).all()


def test_the_gain_by_timing_by_hand() -> None:
    # A is long on two of four days, B always; each has half of the capital. A's mean return is 0, B's 0.01.
    table = Predictions(
        symbols=("A", "B"),
        symbol=np.repeat([0, 1], 4),
        timestamp=np.tile(np.arange(4).astype("datetime64[D]").astype("datetime64[us]"), 2),
        probability=np.array([0.9, 0.1, 0.9, 0.1, 0.9, 0.9, 0.9, 0.9]),
        label=np.array([1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]),
        forward_return=np.array([0.02, -0.01, 0.01, -0.02, 0.03, 0.01, -0.02, 0.02]),
        threshold=0.5,
    )
    free = measures.timing_gain(Zone(table), CostConfig(commission=0.0, slippage=0.0), bars_per_year=4.0)
    timed = 0.5 * 0.5 * (0.02 + 0.01 + 0.01 + 0.02)
    assert whole(free, Zone(table)) == pytest.approx(timed, abs=1e-15)
    costs = CostConfig(commission=0.01, slippage=0.0)
    # A: bought at 0.5 and sold at 0.51, bought at 0.5 and sold at 0.505; B: bought at 0.5, sold after all four days.
    traded = 0.5 + 0.51 + 0.5 + 0.505 + 0.5 + 0.5 * 1.03 * 1.01 * 0.98 * 1.02
    paid = measures.timing_gain(Zone(table), costs, bars_per_year=4.0)
    assert whole(paid, Zone(table)) == pytest.approx(timed - 0.01 * traded, abs=1e-15)
    assert "in the market 75% of the time; over the zone +1.5% by timing" in paid.note
    assert "+2.0% by holding as much" in paid.note  # half of A's nothing, all of B's 0.04 on half of the capital


@pytest.mark.parametrize("costs", [COSTS, CostConfig(commission=0.0, slippage=0.0)])
def test_who_is_always_long_gains_nothing_by_timing(make_zone, costs: CostConfig) -> None:
    predictions = make_zone(skill=0.0)
    long = replace(
        predictions,
        probability=np.full(predictions.label.size, 0.9),
        forward_return=predictions.forward_return + 0.01,
    )
    zone = Zone(long)
    assert whole(measures.net_sharpe(zone, costs, bars_per_year=252.0), zone) > 3
    assert whole(measures.timing_gain(zone, costs, bars_per_year=252.0), zone) <= 0
    # A bar without a return is no bar to be long on, and does not count as one out of the market.
    unknown = long.forward_return.copy()
    unknown[::7] = np.nan
    zone = Zone(replace(long, forward_return=unknown))
    assert whole(measures.timing_gain(zone, costs, bars_per_year=252.0), zone) <= 0


def test_models_of_noise_that_are_mostly_long_pass_in_a_rising_market_by_drift_but_not_by_timing(make_zone) -> None:
    free, config = CostConfig(commission=0.0, slippage=0.0), JudgeConfig(bootstrap_samples=200)
    passed = {"net_sharpe": 0, "timing_gain": 0}
    for seed in range(60):
        predictions = make_zone(skill=0.0, num_times=250, num_symbols=4, seed=seed, threshold=0.47)
        zone = Zone(replace(predictions, forward_return=predictions.forward_return + 0.002))
        assert 0.5 < zone.signal.mean() < 0.95
        histories = measures.Histories(zone, config, measures.block_length(zone, free))
        for name in passed:
            passed[name] += histories.bounded(getattr(measures, name)(zone, free, bars_per_year=252.0)).lower > 0
    assert passed["net_sharpe"] > 50
    assert passed["timing_gain"] <= 8  # 3 are expected; block bootstraps of short histories run a little low
