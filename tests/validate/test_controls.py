"""Would the judge have found a small skill? And does it find none where none is?"""

from dataclasses import replace

import numpy as np
import pytest

from components.core.judge import GateConfig, JudgeConfig
from components.market.predictions import Predictions
from components.validate import classes, controls, directions, measures, scores
from components.validate.case import Case
from components.validate.gates import evaluate, overall
from components.validate.kinds import kind_of
from components.validate.measures import Histories, value_of
from components.validate.zone import ClassZone, ScoreZone, Zone

GATE = GateConfig(metric="planted_control", bound=0.8)
CONTROL = JudgeConfig(gates=(GATE,), bootstrap_samples=400)


def case_of(predictions, past=None) -> Case:
    kind = kind_of(predictions)
    zone = kind.zone(predictions)
    return Case(
        zone, champion=None, past=None if past is None else kind.zone(past), config=CONTROL, bars_per_year=252.0,
        histories=Histories(zone, CONTROL, kind.block_length(zone, CONTROL)), trial_scores=(),
        parity=measures.Measured(0.0, 0.0, 0.0, ""), causality={},
    )  # fmt: skip


def skills(case: Case, control: controls.Control) -> np.ndarray:
    noises = controls.noises(case.zone, control.said, seed=0)
    return np.array([value_of(control.plant(noise), case.zone) for noise in noises])


def test_planted_models_have_the_skill_that_is_stated(make_zone, make_scores, make_classes) -> None:
    case = case_of(make_zone(skill=0.3, num_times=500))
    found = skills(case, directions.planted(case))
    assert (found.size, found.mean()) == (40, pytest.approx(0.58, abs=0.006))
    case, past = case_of(make_scores(num_times=500)), ScoreZone(make_scores(num_times=900, seed=99))
    assert skills(case, scores.planted(case, past)).mean() == pytest.approx(0.25, abs=0.02)
    case, past = case_of(make_classes(num_times=700)), ClassZone(make_classes(num_times=900, seed=99))
    assert skills(case, classes.planted(case, past)).mean() == pytest.approx(0.25, abs=0.03)


def test_the_noise_is_standard_normal_and_lasts_as_the_predictions_do(make_zone) -> None:
    zone = Zone(make_zone(skill=0.3, num_times=500, num_symbols=4))
    said = zone.predictions.probability.reshape(500, 4)
    real = np.corrcoef(said[1:].ravel(), said[:-1].ravel())[0, 1]
    for noise in controls.noises(zone, said.reshape(-1, 1), seed=3):
        shape = noise.reshape(500, 4)
        assert (shape.mean(), shape.std()) == (pytest.approx(0.0, abs=1e-9), pytest.approx(1.0, abs=1e-9))
        assert np.corrcoef(shape[1:].ravel(), shape[:-1].ravel())[0, 1] == pytest.approx(real, abs=0.02)
        assert abs(np.corrcoef(shape.ravel(), zone.predictions.label)[0, 1]) < 0.12


def test_a_long_zone_finds_them_whatever_the_model_is_worth(make_zone) -> None:
    for skill in (0.0, 0.35):
        [answer] = evaluate(make_zone(skill=skill, num_times=400), CONTROL, bars_per_year=252.0)
        assert answer.outcome == "pass"
        assert answer.value > 0.9


def test_a_short_zone_is_no_evidence_and_says_how_long_it_would_have_to_be(make_zone) -> None:
    short = make_zone(skill=0.35, num_times=80, num_symbols=2)
    [answer] = evaluate(short, CONTROL, bars_per_year=252.0)
    assert answer.outcome == "insufficient evidence"
    assert 0.0 < answer.value < 0.8
    assert "so 80 decision times are too few to see such skill; about " in answer.reason
    perfect = replace(short, probability=0.2 + 0.6 * short.label)
    answers = evaluate(perfect, JudgeConfig(gates=(GateConfig(metric="auc", bound=0.5), GATE)), bars_per_year=252.0)
    assert [answer.outcome for answer in answers] == ["pass", "insufficient evidence"]
    assert overall(answers) == "insufficient evidence"


def test_a_found_control_lets_no_bad_model_pass(make_zone) -> None:
    config = JudgeConfig(gates=(GateConfig(metric="auc", bound=0.5), GATE), bootstrap_samples=400)
    zone = make_zone(skill=0.35)
    answers = evaluate(replace(zone, probability=1 - zone.probability), config, bars_per_year=252.0)
    assert [answer.outcome for answer in answers] == ["fail", "pass"]
    assert overall(answers) == "fail"


def test_in_a_model_that_never_varies_the_noise_is_random(make_zone) -> None:
    zone = make_zone(skill=0.35)
    constant = case_of(replace(zone, probability=np.full(zone.label.size, 0.6)))
    assert skills(constant, directions.planted(constant)).mean() == pytest.approx(0.58, abs=0.006)


def test_the_history_that_would_do_by_hand() -> None:
    # Half are found: 1.645 standard errors. Four in five need 1.645 + 0.842: (2.487 / 1.645) squared is 2.285.
    assert controls.times_for(0.5, wanted=0.8, confidence=0.95, num_times=1000) == 2287
    assert controls.times_for(0.0, wanted=0.8, confidence=0.95, num_times=1000) is None
    assert controls.times_for(0.01, wanted=0.8, confidence=0.95, num_times=1000) is None  # on the wrong side


def shuffled(predictions: Predictions, seed: int) -> Predictions:
    order = np.random.default_rng(seed).permutation(predictions.label.size)
    return replace(predictions, label=predictions.label[order], forward_return=predictions.forward_return[order])


def test_the_negative_control_shuffled_labels_score_at_chance(make_zone) -> None:
    config = JudgeConfig(bootstrap_samples=200)
    aucs, shares, num_passed = [], [], 0
    for seed in range(40):
        zone = Zone(shuffled(make_zone(skill=0.35, num_times=150, seed=seed), seed))
        aucs.append(value_of(measures.ranking(zone), zone))
        shares.append(measures.placebo(zone, level=0.05, seed=0).value)
        num_passed += overall(evaluate(zone.predictions, config, bars_per_year=252.0)) == "pass"
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.01)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.12)  # as often below the middle shift as above
    assert np.mean(np.array(shares) <= 0.05) <= 0.125
    assert num_passed == 0


def test_labels_of_one_kind_leave_the_ranking_undefined(make_zone) -> None:
    table = make_zone(skill=0.2)
    zone = Zone(replace(table, label=np.ones(table.label.size)))
    assert np.isnan(value_of(measures.ranking(zone), zone))
