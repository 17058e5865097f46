from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from components.core.judge import CAUSAL_METRICS, SCORE_GATES, JudgeConfig
from components.market.predictions import ScorePredictions
from components.validate import scores
from components.validate.gates import evaluate, overall
from components.validate.measures import Measured
from components.validate.zone import ScoreZone

QUICK = JudgeConfig(gates=SCORE_GATES, bootstrap_samples=200)
SAME = Measured(0.0, 0.0, 0.0, "served as judged")


@pytest.fixture(scope="module")
def past(make_scores) -> ScorePredictions:
    return make_scores(num_times=900, seed=99)


def ask(predictions: ScorePredictions, past: ScorePredictions | None, config: JudgeConfig = QUICK, **others) -> dict:
    results = evaluate(predictions, config, bars_per_year=252.0, past=past, **others)
    return {"verdict": overall(results), **{result.metric: result for result in results}}


def cut(predictions: ScorePredictions, places: np.ndarray) -> ScorePredictions:
    columns = {item.name: getattr(predictions, item.name) for item in fields(predictions)}
    return replace(predictions, **{k: rows[places] for k, rows in columns.items() if isinstance(rows, np.ndarray)})


def one_symbol(now: list[float], label: list[float], score: list[float]) -> ScoreZone:
    size = len(now)
    times = np.datetime64("2024-01-01", "us") + np.arange(size) * np.timedelta64(1, "D")
    numbers = (np.array(column) for column in (score, label, now))
    return ScoreZone(ScorePredictions(("AAA",), np.zeros(size, dtype=np.int64), times, *numbers, np.ones(size), 1))


def whole(quantity, zone: ScoreZone) -> float:
    return float(quantity.of(np.ones((1, zone.num_times)))[0])


def test_the_line_is_that_of_least_squares() -> None:
    past = one_symbol(now=[0.2, 0.4, 0.6], label=[0.3, 0.5, 0.4], score=[0.5] * 3)
    assert scores.line(past) == pytest.approx((0.3, 0.25), abs=1e-12)  # slope 0.02 / 0.08, through (0.4, 0.4)
    flat = one_symbol(now=[0.5, 0.5], label=[0.1, 0.3], score=[0.5] * 2)
    assert scores.line(flat) == pytest.approx((0.2, 0.0), abs=1e-12)


@pytest.mark.parametrize(
    ("now", "peer"),
    [
        ([0.3, 0.5, 0.7], 0.01),  # nothing changes: wrong by 0.1 each time
        ([0.9, 0.5, 0.1], 0.08 / 3),  # the mean of the zone is best: wrong by 0.2, 0 and 0.2
    ],
)
def test_error_skill_by_hand_against_the_best_peer(now: list[float], peer: float) -> None:
    zone = one_symbol(now=now, label=[0.4, 0.6, 0.8], score=[0.4, 0.6, 0.7])
    past = one_symbol(now=[0.0, 1.0], label=[1.0, 0.0], score=[0.5] * 2)  # the line misleads: 1 - now
    skill = whole(scores.error_skill(zone, past), zone)
    line = np.mean((1 - np.array(now) - np.array([0.4, 0.6, 0.8])) ** 2)
    assert skill == pytest.approx(1 - (0.01 / 3) / min(peer, line), abs=1e-9)


def test_the_correlation_agrees_with_scipy(make_scores) -> None:
    predictions = make_scores(num_times=80)
    rounded = replace(predictions, score=predictions.score.round(1))  # many ties
    zone = ScoreZone(rounded)
    expected = spearmanr(rounded.score, rounded.label).statistic
    assert whole(scores.correlation(zone), zone) == pytest.approx(expected, abs=1e-12)


def test_reconstruction_is_the_mean_of_the_errors(make_scores) -> None:
    predictions = make_scores(num_times=80)
    zone = ScoreZone(predictions)
    assert whole(scores.reconstruction(zone), zone) == pytest.approx(predictions.error.mean(), abs=1e-12)


def test_a_block_is_no_shorter_than_the_horizon(make_scores) -> None:
    assert scores.block_length(ScoreZone(replace(make_scores(), horizon=42)), QUICK) == 42.0


def test_a_planted_model_passes_every_gate(make_scores, past) -> None:
    predictions = make_scores()
    answers = ask(predictions, past, JudgeConfig(gates=SCORE_GATES), champion=predictions, parity=SAME)
    assert answers["verdict"] == "pass"
    assert answers.keys() == {"verdict", *(gate.metric for gate in SCORE_GATES)} - CAUSAL_METRICS
    assert answers["champion_score_error"].value == 0.0


def test_a_market_of_one_symbol_can_pass_too(make_scores) -> None:
    past = make_scores(num_times=900, num_symbols=1, seed=9)
    assert ask(make_scores(num_symbols=1), past)["verdict"] == "pass"


def test_a_guessing_model_never_passes(make_scores, past) -> None:
    config = JudgeConfig(gates=SCORE_GATES, bootstrap_samples=50)
    verdicts: Counter[str] = Counter()
    for seed in range(30):
        predictions, rng = make_scores(num_times=100, seed=seed), np.random.default_rng(seed)
        guess = 0.5 + 0.05 * rng.standard_normal(predictions.label.size)
        verdicts[ask(replace(predictions, score=guess), past, config)["verdict"]] += 1
    assert verdicts["pass"] == 0


def the_score_now(predictions: ScorePredictions, past: ScorePredictions) -> np.ndarray:
    return predictions.now


def the_line_of_training(predictions: ScorePredictions, past: ScorePredictions) -> np.ndarray:
    level, slope = scores.line(ScoreZone(past))
    return level + slope * predictions.now


def the_mean_of_the_zone(predictions: ScorePredictions, past: ScorePredictions) -> np.ndarray:
    return np.full(predictions.label.size, predictions.label.mean())


def five_bars_late(predictions: ScorePredictions, past: ScorePredictions) -> np.ndarray:
    return np.concatenate([predictions.score[:20], predictions.score[:-20]])  # four symbols at each time


@pytest.mark.parametrize("say", [the_score_now, the_line_of_training, the_mean_of_the_zone, five_bars_late])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_who_knows_nothing_more_is_refused_for_want_of_error_skill(make_scores, past, say, seed: int) -> None:
    predictions = make_scores(seed=seed)
    answers = ask(replace(predictions, score=say(predictions, past)), past)
    assert answers["verdict"] == "fail"
    assert answers["score_error_skill"].outcome == "fail"


def test_a_constant_score_has_no_correlation_and_fails_closed(make_scores, past) -> None:
    predictions = make_scores()
    answers = ask(replace(predictions, score=np.full(predictions.label.size, 0.5)), past)
    for metric in ("score_correlation", "placebo"):
        assert answers[metric].outcome == "fail"
        assert "Fails closed" in answers[metric].reason


def test_a_model_that_lost_the_shape_of_the_data_is_refused(make_scores, past) -> None:
    predictions = make_scores()
    answers = ask(replace(predictions, error=3 * predictions.error), past)
    assert answers["reconstruction_mse"].outcome == "fail"
    assert answers["score_error_skill"].outcome == "pass"


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("score", np.nan, "1 scores said are not numbers in [0, 1]"),
        ("label", 1.1, "1 scores that came are not numbers in [0, 1]"),
        ("now", np.nan, "1 scores now are not numbers in [0, 1]"),
        ("error", np.inf, "1 reconstruction errors are not numbers from 0 on"),
        ("error", -0.1, "1 reconstruction errors are not numbers from 0 on"),
    ],
)
def test_one_broken_number_fails_every_gate(make_scores, past, column: str, value: float, words: str) -> None:
    predictions = make_scores()
    getattr(predictions, column)[17] = value
    results = evaluate(predictions, QUICK, bars_per_year=252.0, past=past)
    assert {result.outcome for result in results} == {"fail"}
    assert words in results[0].reason


def test_a_short_zone_is_no_evidence_and_a_missing_past_no_pass(make_scores, past) -> None:
    assert ask(make_scores(num_times=59), past)["verdict"] == "insufficient evidence"
    answers = ask(make_scores(), None)
    assert answers["verdict"] == "fail"
    assert "no training zone" in answers["score_error_skill"].reason


def test_the_order_of_the_rows_changes_nothing(make_scores, past) -> None:
    predictions = make_scores()
    places = np.random.default_rng(0).permutation(predictions.label.size)
    first, second = (ask(table, past, champion=predictions) for table in (predictions, cut(predictions, places)))
    assert first["verdict"] == second["verdict"]
    for metric in first.keys() - {"verdict"}:
        assert first[metric].value == pytest.approx(second[metric].value, abs=1e-12)


def test_a_challenger_that_is_two_percent_worse_is_refused(make_scores, past) -> None:
    champion = make_scores(noise=0.1)
    worse = make_scores(noise=0.12)
    answers = ask(worse, past, champion=champion)
    assert answers["champion_score_error"].outcome == "fail"
    assert answers["champion_score_error"].value == pytest.approx(0.44, abs=0.05)  # 0.12 squared over 0.1 squared
    assert ask(champion, past, champion=worse)["champion_score_error"].outcome == "pass"
