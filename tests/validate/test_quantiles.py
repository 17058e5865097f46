"""Quantiles of moves before the judge: numbers by hand, who passes, and who does not."""

from dataclasses import replace

import numpy as np
import pytest
from made_moves import LEVELS, make_moves
from scipy.stats import spearmanr

from components.core.judge import CAUSAL_METRICS, CHAMPION_METRICS, QUANTILE_GATES, SERVED_METRICS, JudgeConfig
from components.market.predictions import QuantilePredictions
from components.trading.statistics import quantile_loss_rows
from components.validate import quantiles
from components.validate.fleet import Twin, discoveries, p_value
from components.validate.gates import evaluate
from components.validate.quantile_page import QuantileEvidence
from components.validate.quantiles import QuantileZone

QUICK = JudgeConfig(gates=QUANTILE_GATES, bootstrap_samples=200)
NEEDS_MORE = CAUSAL_METRICS | CHAMPION_METRICS | SERVED_METRICS


def ask(table: QuantilePredictions, past: QuantilePredictions | None, **others: object) -> dict:
    gates = tuple(gate for gate in QUANTILE_GATES if gate.metric not in NEEDS_MORE)
    asked = QUICK.model_copy(update={"gates": gates})
    results = evaluate(table, asked, bars_per_year=252.0, past=past, **others)
    return {result.metric: result for result in results}


def two_rows() -> QuantileZone:
    """Return two rows of one step: quantiles -1, 0, 1 volatilities of 0.02, moves of 0.5 and -2 of them."""
    return QuantileZone(
        QuantilePredictions(
            ("A",), np.zeros(2, dtype=np.int64), np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[us]"), LEVELS,
            quantile=np.tile([[[-0.02, 0.0, 0.02]]], (2, 1, 1)), label=np.array([[0.01], [-0.04]]),
            scale=np.full(2, 0.02),
        )
    )  # fmt: skip


def whole(quantity: object, zone: QuantileZone) -> float:
    return float(quantity.of(np.ones((1, zone.num_times)))[0])


def test_losses_by_hand() -> None:
    zone = two_rows()
    # 0.5 above -1, 0 and below 1: 0.1 x 1.5, 0.5 x 0.5, 0.1 x 0.5; -2 is below all three: 0.9 x 1, 0.5 x 2, 0.1 x 3
    np.testing.assert_allclose(quantiles.losses(zone, zone.said), [0.45 / 3, 2.2 / 3])
    assert quantile_loss_rows(np.array([[1.0]]), np.array([[[1.0]]]), np.array([0.5])) == 0


def test_the_peer_says_the_training_zones_quantiles_in_past_volatilities() -> None:
    zone, past = two_rows(), two_rows()
    said = np.quantile([0.5, -2.0], LEVELS)
    peer = quantile_loss_rows(np.array([[0.5], [-2.0]]), said[None, None], np.array(LEVELS)).mean()
    np.testing.assert_allclose(whole(quantiles.quantile_skill(zone, past), zone), 1 - (2.65 / 6) / peer)


def test_hits_lift_and_calibration_by_hand() -> None:
    table = make_moves(skill=0.0, num_times=1, num_symbols=4)
    label = np.tile([[1.0], [1.0], [-1.0], [0.0]], (1, 5)) * 0.01
    quantile = np.zeros((4, 5, 3))
    quantile[:, :, 0], quantile[:, :, 2] = -0.02, 0.02
    quantile[:, :, 1] = np.array([0.001, -0.001, -0.001, 0.001])[:, None]
    zone = QuantileZone(replace(table, label=label, quantile=quantile))
    assert quantiles.hits(zone).tolist() == [1, 0, 1, 0]
    assert whole(quantiles.hit_rate_lift(zone), zone) == 0.5 - 0.5  # always up is right twice as well
    # below the quantiles lie 0, 2 (the one at -0.01 and that at 0) and 4 of 4 moves
    assert whole(quantiles.calibration_error(zone), zone) == pytest.approx((0.1 + 0 + 0.1) / 3)


def test_the_rank_correlation_is_spearmans_in_past_volatilities() -> None:
    zone = QuantileZone(make_moves(skill=0.3))
    expected = spearmanr(zone.median[:, -1], zone.came[:, -1]).statistic
    assert whole(quantiles.correlation(zone), zone) == pytest.approx(expected, abs=1e-12)


@pytest.fixture(scope="module")
def past() -> QuantilePredictions:
    return make_moves(skill=0.0, seed=99)


def test_who_knows_a_direction_passes_every_gate(past: QuantilePredictions) -> None:
    found = ask(make_moves(skill=0.4), past)
    assert {metric: result.outcome for metric, result in found.items()} == dict.fromkeys(found, "pass"), found
    assert found["quantile_skill"].value > 0.03


def test_who_knows_volatility_alone_is_stopped_by_the_direction(past: QuantilePredictions) -> None:
    table = make_moves(skill=0.0)
    rng = np.random.default_rng(1)
    guess = rng.standard_normal(table.scale.size)[:, None, None] * 1e-4 * table.scale[:, None, None]
    coarse = replace(past, label=past.label * 2)  # the past was twice as wild: the peer is too wide
    found = ask(replace(table, quantile=table.quantile + guess), coarse)
    assert found["quantile_skill"].outcome == "pass"
    assert found["quantile_calibration"].outcome == "pass"
    assert found["median_correlation"].outcome != "pass"
    assert found["hit_rate_lift"].outcome != "pass"
    assert found["placebo"].outcome != "pass"


def test_the_overconfident_are_called_so(past: QuantilePredictions) -> None:
    found = ask(make_moves(skill=0.4, width=0.5), past)
    assert found["quantile_calibration"].outcome == "fail"
    assert found["median_correlation"].outcome == "pass"


def test_without_a_training_zone_no_skill_is_shown() -> None:
    found = ask(make_moves(skill=0.4), None)
    assert "no training zone" in found["quantile_skill"].reason
    assert found["quantile_skill"].outcome == "fail"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": np.full(2400, np.nan)}, "past volatilities are not numbers above 0"),
        ({"quantile": np.zeros((2400, 5, 2))}, "have not 3 quantiles"),
        ({"levels": (0.1, 0.4, 0.9)}, "the median among them"),
        ({"label": np.full((2400, 5), np.inf)}, "moves that came are not finite"),
        ({"quantile": np.full((2400, 5, 3), np.nan)}, "quantiles are not finite"),
        ({"quantile": np.tile([3.0, 2.0, 1.0], (2400, 5, 1))}, "quantiles that cross"),
    ],
)
def test_broken_tables_fail_every_gate_with_the_reason(change: dict, words: str, past: QuantilePredictions) -> None:
    found = ask(replace(make_moves(skill=0.4), **change), past)
    assert {result.outcome for result in found.values()} == {"fail"}
    assert all(words in result.reason for result in found.values())


def test_a_copy_of_the_champion_is_no_worse_and_a_wider_one_is(past: QuantilePredictions) -> None:
    gates = tuple(gate for gate in QUANTILE_GATES if gate.metric == "champion_quantile_loss")
    config, champion = QUICK.model_copy(update={"gates": gates}), make_moves(skill=0.4)
    for width, outcome in ((1.0, "pass"), (2.0, "fail")):
        [result] = evaluate(
            make_moves(skill=0.4, width=width), config, bars_per_year=252.0, past=past, champion=champion
        )
        assert result.outcome == outcome, result


def test_a_fleet_is_asked_where_prices_go(past: QuantilePredictions) -> None:
    fleet = [
        Twin("knows", make_moves(skill=0.5, num_symbols=1, num_times=800), past),
        *(Twin(f"guesses{seed}", guessing(seed), past) for seed in range(3)),
    ]
    assert [item.name for item in discoveries(fleet, QUICK) if item.discovered] == ["knows"]
    assert np.isnan(p_value(Twin("alone", make_moves(skill=0.5, num_symbols=1)), QUICK))


def guessing(seed: int) -> QuantilePredictions:
    """Return what a model says that knows another market's signal."""
    table, other = (
        make_moves(skill=0.5 * number, num_symbols=1, num_times=800, seed=seed + number) for number in (0, 1)
    )
    said = QuantileZone(other).said * QuantileZone(table).unit[..., None]
    return replace(table, quantile=said)


def test_the_metrics_hold_error_and_hit_rate_beside_what_needs_no_model(past: QuantilePredictions) -> None:
    table = make_moves(skill=0.4)
    evidence = QuantileEvidence.of(QuantileZone(table), QuantileZone(past), QUICK, bars_per_year=252.0)
    found = {name: item.value for name, item in evidence.metrics("test").items()}
    last, median = table.label[:, -1], table.quantile[:, -1, 1]
    assert found["mae"] == pytest.approx(np.abs(last - median).mean())
    assert found["zero_mae"] == pytest.approx(np.abs(last).mean())
    assert found["mae"] < found["zero_mae"]
    assert found["hit_rate"] == pytest.approx((np.sign(last) == np.sign(median)).mean())
    assert found["base_hit_rate"] == pytest.approx(max((last > 0).mean(), (last < 0).mean()))
    assert found["quantile_loss"] < found["peer_quantile_loss"]
    assert [round(item.share, 1) for item in evidence.coverage] == [0.1, 0.5, 0.9]
    assert all(item.lower <= item.share <= item.upper for item in evidence.coverage)
    assert found["regime.calm.rows"] == found["regime.wild.rows"] == 800
