from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from components.core.judge import GateConfig, JudgeConfig
from components.core.verdict import GateResult
from components.market.predictions import Predictions
from components.validate.gates import evaluate, overall, times_needed

QUICK = JudgeConfig(bootstrap_samples=200)


def ask(predictions: Predictions, config: JudgeConfig = QUICK, champion: Predictions | None = None) -> dict:
    results = evaluate(predictions, config, bars_per_year=252.0, champion=champion)
    return {"verdict": overall(results), **{result.metric: result for result in results}}


def cut(predictions: Predictions, keep: np.ndarray) -> Predictions:
    columns = ("symbol", "timestamp", "probability", "label", "forward_return")
    return replace(predictions, **{name: getattr(predictions, name)[keep] for name in columns})


def test_a_planted_signal_passes_every_gate(make_zone) -> None:
    answers = ask(make_zone(skill=0.35), JudgeConfig())
    assert answers["verdict"] == "pass"
    assert answers["auc"].lower > 0.6
    assert answers["timing_gain"].lower > 0.1


def test_a_guessing_model_passes_at_most_once_in_twenty(make_zone) -> None:
    verdicts = Counter(ask(make_zone(skill=0.0, num_times=120, seed=seed))["verdict"] for seed in range(60))
    assert verdicts["pass"] <= 3


@pytest.mark.parametrize("probability", [0.0, 0.5, 0.51, 1.0])
@pytest.mark.parametrize("skill", [0.0, 0.4])
def test_a_constant_model_never_passes(make_zone, probability: float, skill: float) -> None:
    predictions = make_zone(skill=skill)
    constant = replace(predictions, probability=np.full(predictions.label.size, probability))
    answers = ask(constant)
    assert answers["verdict"] == "fail"
    assert answers["auc"].value == 0.5
    assert answers["placebo"].outcome == "fail"


def test_always_long_in_a_rising_market_has_no_precision_lift(make_zone) -> None:
    predictions = make_zone(skill=0.0)
    rising = replace(
        predictions,
        probability=np.full(predictions.label.size, 0.9),
        forward_return=np.abs(predictions.forward_return),
        label=np.where(np.arange(predictions.label.size) % 10 < 7, 1.0, 0.0),
    )
    answers = ask(rising)
    assert answers["net_sharpe"].outcome == "pass"
    assert answers["timing_gain"].outcome == "fail"
    assert answers["precision_lift"].value == pytest.approx(0.0, abs=1e-12)
    assert answers["verdict"] == "fail"


@pytest.mark.parametrize("broken", [np.nan, np.inf, -0.1, 1.1])
def test_one_probability_that_is_none_fails_every_gate(make_zone, broken: float) -> None:
    predictions = make_zone(skill=0.35)
    predictions.probability[17] = broken
    results = evaluate(predictions, QUICK, bars_per_year=252.0)
    assert {result.outcome for result in results} == {"fail"}
    assert "1 probabilities are not numbers in [0, 1]" in results[0].reason


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("label", np.nan, "1 labels are neither 0 nor 1"),
        ("label", 0.5, "1 labels are neither 0 nor 1"),
        ("forward_return", np.inf, "1 forward returns"),
        ("forward_return", -1.2, "1 forward returns"),
    ],
)
def test_other_broken_numbers_fail_closed(make_zone, column: str, value: float, words: str) -> None:
    predictions = make_zone(skill=0.35)
    getattr(predictions, column)[3] = value
    answers = ask(predictions)
    assert answers["verdict"] == "fail"
    assert words in answers["auc"].reason


def test_a_threshold_that_is_no_number_fails(make_zone) -> None:
    assert ask(replace(make_zone(skill=0.35), threshold=float("nan")))["verdict"] == "fail"


def test_labels_of_one_class_fail_closed(make_zone) -> None:
    predictions = make_zone(skill=0.35)
    answers = ask(replace(predictions, label=np.ones(predictions.label.size)))
    assert answers["auc"].outcome == "fail"
    assert "Fails closed" in answers["auc"].reason
    assert answers["placebo"].outcome == "fail"


def test_too_few_decision_times_say_how_many_are_needed(make_zone) -> None:
    results = evaluate(make_zone(skill=0.35, num_times=59), QUICK, bars_per_year=252.0)
    assert overall(results) == "insufficient evidence"
    assert {result.outcome for result in results} == {"insufficient evidence"}
    assert "59 decision times (472 rows); at least 60 times are needed" in results[0].reason


def test_no_rows_at_all_are_no_evidence(make_zone) -> None:
    predictions = make_zone(skill=0.35)
    assert ask(cut(predictions, np.zeros(predictions.label.size, dtype=bool)))["verdict"] == "insufficient evidence"


def test_too_few_signals_leave_the_trading_gates_open(make_zone) -> None:
    answers = ask(make_zone(skill=0.35, threshold=0.93))
    assert answers["verdict"] == "insufficient evidence"
    assert "at least 100 such decisions are needed" in answers["precision_lift"].reason
    assert answers["net_sharpe"].outcome == "insufficient evidence"
    assert answers["auc"].outcome == "pass"


def test_nan_is_a_failure_even_where_history_is_short(make_zone) -> None:
    predictions = make_zone(skill=0.35, num_times=20)
    predictions.probability[0] = np.nan
    assert ask(predictions)["verdict"] == "fail"


def test_the_champion_is_not_worse_than_itself(make_zone) -> None:
    predictions = make_zone(skill=0.35)
    answer = ask(predictions, champion=predictions)["champion_log_loss"]
    assert (answer.outcome, answer.value) == ("pass", 0.0)
    assert "every prediction equals the champion's" in answer.reason


def test_a_challenger_that_lost_its_skill_is_worse_than_the_champion(make_zone) -> None:
    champion = make_zone(skill=0.5)
    shuffled = np.random.default_rng(0).permutation(champion.probability)
    answer = ask(replace(champion, probability=shuffled), champion=champion)["champion_log_loss"]
    assert answer.outcome == "fail"
    assert answer.value > 0.05


def test_the_champion_is_compared_on_common_rows_only(make_zone) -> None:
    predictions = make_zone(skill=0.35)
    late = predictions.timestamp >= np.unique(predictions.timestamp)[100]
    answer = ask(predictions, champion=cut(predictions, late))["champion_log_loss"]
    assert f"{8 * 150:,} common rows" in answer.reason
    tail = predictions.timestamp >= np.unique(predictions.timestamp)[200]
    assert ask(predictions, champion=cut(predictions, tail))["champion_log_loss"].outcome == "insufficient evidence"


def test_a_broken_champion_or_one_with_other_labels_fails_closed(make_zone) -> None:
    predictions, champion = make_zone(skill=0.35), make_zone(skill=0.35)
    assert ask(predictions, champion=replace(champion, label=1 - champion.label))["verdict"] == "fail"
    champion.probability[0] = np.nan
    assert "of the champion" in ask(predictions, champion=champion)["champion_log_loss"].reason


def test_the_same_seed_gives_the_same_answers(make_zone) -> None:
    predictions = make_zone(skill=0.2)
    first, second = (evaluate(predictions, QUICK, bars_per_year=252.0) for _ in range(2))
    assert first == second


def test_a_gate_whose_bound_lies_in_the_interval_is_open(make_zone) -> None:
    predictions = make_zone(skill=0.35)
    value = ask(predictions)["auc"].value
    tight = JudgeConfig(bootstrap_samples=200, gates=(GateConfig(metric="auc", bound=value - 0.001),))
    answers = ask(predictions, tight)
    assert answers["verdict"] == "insufficient evidence"
    assert times_needed(answers["auc"], 250) > 250


def test_four_times_the_history_halves_the_distance() -> None:
    gate = GateResult(
        metric="auc", title="t", value=0.54, lower=0.46, upper=0.6, bound=0.5, side="above",
        outcome="insufficient evidence", reason="r",
    )  # fmt: skip
    assert times_needed(gate, 100) in {401, 402}  # 0.08 must shrink to below 0.04
    assert times_needed(gate.model_copy(update={"outcome": "fail"}), 100) is None


def test_a_gate_can_ask_for_more_or_fewer_decision_times_than_the_judge(make_zone) -> None:
    gates = (
        GateConfig(metric="auc", bound=0.5, min_timestamps=40),
        GateConfig(metric="log_loss_skill", bound=0.0),
        GateConfig(metric="precision_lift", bound=0.0, min_timestamps=300),
    )
    config = JudgeConfig(gates=gates, bootstrap_samples=200)
    answers = ask(make_zone(skill=0.6, num_times=50), config)
    assert answers["auc"].outcome == "pass"
    assert "50 decision times (400 rows); at least 60 times are needed" in answers["log_loss_skill"].reason
    assert "at least 300 times are needed" in answers["precision_lift"].reason
    assert answers["verdict"] == "insufficient evidence"
    few = ask(make_zone(skill=0.6, num_times=39), config)
    assert {few[gate.metric].outcome for gate in gates} == {"insufficient evidence"}


def test_the_times_of_a_gate_count_for_what_it_has_in_common_with_the_champion(make_zone) -> None:
    predictions = make_zone(skill=0.35)
    tail = predictions.timestamp >= np.unique(predictions.timestamp)[200]
    gate = GateConfig(metric="champion_log_loss", bound=0.005, side="below", min_timestamps=50)
    config = JudgeConfig(gates=(gate,), bootstrap_samples=200)
    assert ask(predictions, config, champion=cut(predictions, tail))["champion_log_loss"].outcome == "pass"
    config = JudgeConfig(gates=(gate.model_copy(update={"min_timestamps": 51}),), bootstrap_samples=200)
    answer = ask(predictions, config, champion=cut(predictions, tail))["champion_log_loss"]
    assert answer.outcome == "insufficient evidence"
