from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kurtosis, norm, skew

from components.core.judge import CostConfig, GateConfig, JudgeConfig
from components.core.verdict import GateResult
from components.market.predictions import Predictions
from components.trading.backtest import backtest
from components.trading.sharpe import (
    ReturnMoments,
    deflated_benchmark,
    deflated_sharpe,
    expected_maximum,
    moments_of,
    probabilistic_sharpe,
)
from components.validate.gates import evaluate

FREE = CostConfig(commission=0.0, slippage=0.0)
ALONE = JudgeConfig(costs=FREE, gates=(GateConfig(metric="deflated_sharpe", bound=0.95),))


def ask(predictions: Predictions, config: JudgeConfig = ALONE, **others) -> GateResult:
    [result] = evaluate(predictions, config, bars_per_year=252.0, **others)
    return result


@pytest.mark.parametrize(("num", "expected"), [(10, 1.5746), (45, 2.2356), (100, 2.5306)])
def test_the_best_of_many_normal_numbers(num: int, expected: float) -> None:
    assert expected_maximum(num) == pytest.approx(expected, abs=5e-5)
    assert expected_maximum(1) == 0.0
    with pytest.raises(ValueError, match="num_trials must be >= 1"):
        expected_maximum(0)


@pytest.mark.parametrize(
    ("skewness", "fat", "num_trials", "expected"),
    [(-3.0, 10.0, 100, 0.9004), (-3.0, 10.0, 46, 0.9505), (0.0, 3.0, 88, 0.9505)],
)
def test_the_numbers_of_the_paper(skewness: float, fat: float, num_trials: int, expected: float) -> None:
    per_day = ReturnMoments(2.5 / np.sqrt(250), skewness, fat, 1250)  # five years of days, 2.5 a year
    variance = 0.5 / 250
    assert deflated_benchmark(100, variance) == pytest.approx(0.1132, abs=5e-5)
    found = deflated_sharpe(per_day, num_trials=num_trials, trial_variance=variance, form="2014")
    assert found == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("form", "expected"), [("2014", 0.9127), ("2025", 0.987)])
def test_both_forms_of_the_probabilistic_ratio(form, expected: float) -> None:
    monthly = ReturnMoments(0.036 / 0.079, -2.448, 10.164, 24)
    assert probabilistic_sharpe(monthly, form=form) == pytest.approx(expected, abs=6e-4)


def test_the_moments_agree_with_scipy() -> None:
    returns = np.random.default_rng(0).standard_t(5, 400) * 0.01 + 0.001
    found = moments_of(returns)
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    assert (found.skew, found.kurtosis) == pytest.approx((skew(returns), kurtosis(returns, fisher=False)), rel=1e-12)
    assert np.isnan(moments_of(np.zeros(10)).sharpe)


def test_a_single_trial_is_the_probability_of_a_ratio_above_zero(make_zone) -> None:
    predictions = make_zone(skill=0.05)
    net = backtest(predictions, FREE).net
    ratio = net.mean() / net.std(ddof=1)
    error = np.sqrt((1 - skew(net) * ratio + (kurtosis(net, fisher=False) - 1) / 4 * ratio**2) / (net.size - 1))
    assert ask(predictions).value == pytest.approx(norm.cdf(ratio / error), rel=1e-9)


def test_the_luckiest_of_a_hundred_guesses_passes_alone_and_fails_among_its_trials(make_zone) -> None:
    zone, rng = make_zone(skill=0.0), np.random.default_rng(0)
    guesses = [replace(zone, probability=rng.random(zone.label.size), threshold=0.85) for _ in range(100)]
    scores = tuple(moments_of(backtest(guess, FREE).net).sharpe for guess in guesses)
    best = guesses[int(np.argmax(scores))]
    assert ask(best).outcome == "pass"
    among = ask(best, trial_scores=scores)
    assert among.outcome == "fail"
    assert "the best of 100 trials" in among.reason
    skilled = make_zone(skill=0.35)
    assert ask(skilled, trial_scores=(*scores, moments_of(backtest(skilled, FREE).net).sharpe)).outcome == "pass"


def test_trials_that_all_score_alike_take_nothing_off(make_zone) -> None:
    predictions = make_zone(skill=0.05)
    assert ask(predictions, trial_scores=(0.07, 0.07, 0.07)).value == ask(predictions).value


def test_what_is_undefined_fails_closed_and_too_few_signals_leave_it_open(make_zone) -> None:
    predictions = make_zone(skill=0.35)
    assert ask(predictions, trial_scores=(0.1, float("nan"))).outcome == "fail"
    assert ask(replace(predictions, threshold=0.93)).outcome == "insufficient evidence"
    flat = replace(predictions, forward_return=np.zeros(predictions.label.size))
    answer = ask(flat)
    assert (answer.outcome, answer.value) == ("fail", None)
    assert "Fails closed" in answer.reason


@pytest.mark.parametrize("num_trials", [2, 50])
@pytest.mark.parametrize(
    ("kind", "metric"), [("make_scores", "score_error_skill"), ("make_classes", "class_log_loss_skill")]
)
def test_trials_take_their_luck_off_the_distance_of_a_skill(request, kind: str, metric: str, num_trials: int) -> None:
    make = request.getfixturevalue(kind)
    predictions, past = make(), make(num_times=900, seed=99)
    [skill] = evaluate(
        predictions, JudgeConfig(gates=(GateConfig(metric=metric, bound=0.0),)), bars_per_year=252.0, past=past
    )
    gates = (GateConfig(metric="deflated_skill", bound=0.95), GateConfig(metric=metric, bound=skill.lower))
    alone, among = (
        evaluate(predictions, JudgeConfig(gates=gates), bars_per_year=252.0, past=past, trial_scores=(0.1,) * num)[0]
        for num in (0, num_trials)
    )
    assert norm.ppf(alone.value) == pytest.approx(1.645, abs=0.3)  # at 95%, were the skill normal
    assert norm.ppf(alone.value) - norm.ppf(among.value) == pytest.approx(expected_maximum(num_trials), abs=1e-6)
    assert among.outcome == "fail"
