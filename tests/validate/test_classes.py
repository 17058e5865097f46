from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from components.core.judge import ACTION_GATES, CAUSAL_METRICS, CLASS_GATES, GateConfig, JudgeConfig
from components.market.predictions import ClassPredictions
from components.validate import classes
from components.validate.gates import evaluate, overall
from components.validate.measures import Measured, bounded
from components.validate.zone import ClassZone

QUICK = JudgeConfig(gates=CLASS_GATES, bootstrap_samples=200)
SAME = Measured(0.0, 0.0, 0.0, "served as judged")


@pytest.fixture(scope="module")
def past(make_classes) -> ClassPredictions:
    return make_classes(num_times=900, seed=99)


def ask(predictions: ClassPredictions, past: ClassPredictions | None, config: JudgeConfig = QUICK, **others) -> dict:
    results = evaluate(predictions, config, bars_per_year=252.0, past=past, **others)
    return {"verdict": overall(results), **{result.metric: result for result in results}}


def cut(predictions: ClassPredictions, places: np.ndarray) -> ClassPredictions:
    columns = {item.name: getattr(predictions, item.name) for item in fields(predictions)}
    return replace(predictions, **{k: rows[places] for k, rows in columns.items() if isinstance(rows, np.ndarray)})


def two_classes(now: list[int], label: list[int], probability: list[float]) -> ClassZone:
    """Return one symbol's rows of the classes 0 and 1; ``probability`` is that of class 1."""
    sure = np.array(probability)
    return ClassZone(
        ClassPredictions(
            symbols=("MARKET",),
            symbol=np.zeros(sure.size, dtype=np.int64),
            timestamp=np.datetime64("2024-01-01", "us") + np.arange(sure.size) * np.timedelta64(1, "D"),
            classes=("calm", "panic"),
            probability=np.stack([1 - sure, sure], axis=1),
            label=np.array(label),
            now=np.array(now),
            horizon=1,
        )
    )


def whole(quantity, zone: ClassZone) -> float:
    return float(quantity.of(np.ones((1, zone.num_times)))[0])


def test_transitions_are_frequencies_with_one_row_shared_out() -> None:
    past = two_classes(now=[0, 0, 1], label=[0, 1, 1], probability=[0.5] * 3)
    # Classes came 1 and 2 times: shares 2/5 and 3/5. From 0: (1 + .4) / 3 and (1 + .6) / 3; from 1: .4 / 2 and 1.6 / 2.
    np.testing.assert_allclose(classes.transitions(past), [[1.4 / 3, 1.6 / 3], [0.2, 0.8]], rtol=1e-15)


def test_log_loss_skill_by_hand() -> None:
    zone = two_classes(now=[0, 0, 1], label=[0, 1, 1], probability=[0.2, 0.8, 0.8])
    peer = -(np.log(1.4 / 3) + np.log(1.6 / 3) + np.log(0.8)) / 3  # 0.538, less than the 0.637 of the frequencies
    assert whole(classes.log_loss_skill(zone, zone), zone) == pytest.approx(1 + np.log(0.8) / peer, abs=1e-12)


def test_the_peer_is_the_frequencies_where_the_past_misleads() -> None:
    zone = two_classes(now=[0, 0, 1], label=[0, 1, 1], probability=[1 / 3, 2 / 3, 2 / 3])
    past = two_classes(now=[0, 1] * 50, label=[1, 0] * 50, probability=[0.5] * 100)
    entropy = -(np.log(1 / 3) + 2 * np.log(2 / 3)) / 3
    skill = whole(classes.log_loss_skill(zone, past), zone)
    assert skill == pytest.approx(1 + np.log(2 / 3) / entropy, abs=1e-12)


def test_accuracy_lift_and_calibration_by_hand() -> None:
    zone = two_classes(now=[0, 0, 1, 1], label=[0, 1, 1, 0], probability=[0.1, 0.9, 0.9, 0.9])
    assert whole(classes.accuracy_lift(zone), zone) == 0.25  # right 3 of 4 times; nothing changes 2 of 4 times
    assert whole(classes.calibration_error(zone), zone) == pytest.approx(0.15, abs=1e-12)  # says 0.9, is 0.75


def test_values_agree_with_scikit_learn(make_classes) -> None:
    predictions = make_classes(num_times=150, num_symbols=2)
    zone, label, said = ClassZone(predictions), predictions.label, predictions.probability.argmax(axis=1)
    macro = f1_score(label, said, average="macro")
    assert whole(classes.macro_f1_lift(zone), zone) == pytest.approx(macro - 0.2, abs=1e-12)
    lift = accuracy_score(label, said) - accuracy_score(label, predictions.now)
    assert whole(classes.accuracy_lift(zone), zone) == pytest.approx(lift, abs=1e-12)
    assert classes.losses(zone).mean() == pytest.approx(log_loss(label, predictions.probability), abs=1e-12)


def test_guessing_by_frequency_has_the_macro_f1_of_one_in_so_many() -> None:
    rng = np.random.default_rng(0)
    came, said = (rng.choice(4, size=400_000, p=[0.55, 0.3, 0.1, 0.05]) for _ in range(2))
    assert f1_score(came, said, average="macro") == pytest.approx(0.25, abs=0.004)


def test_a_weight_of_two_is_the_decision_time_twice(make_classes, past) -> None:
    zone = ClassZone(make_classes(num_times=80, num_symbols=2))
    weights = np.random.default_rng(0).multinomial(80, np.full(80, 1 / 80)).astype(np.float64)
    rows = np.concatenate([np.flatnonzero(zone.time == t) for t in np.repeat(np.arange(80), weights.astype(int))])
    table = zone.predictions
    label, said = table.label[rows], zone.said[rows]
    f1 = f1_score(label, said, average="macro", labels=range(5), zero_division=0)
    assert classes.macro_f1_lift(zone).of(weights[None])[0] == pytest.approx(f1 - 0.2, abs=1e-12)
    share = np.bincount(label) / label.size
    entropy = -(share[share > 0] * np.log(share[share > 0])).sum()
    known = classes.transition_losses(zone, ClassZone(past))[rows].mean()
    skill = 1 - log_loss(label, table.probability[rows], labels=range(5)) / min(known, entropy)
    assert classes.log_loss_skill(zone, ClassZone(past)).of(weights[None])[0] == pytest.approx(skill, abs=1e-12)


def test_a_block_is_no_shorter_than_the_horizon(make_classes) -> None:
    predictions = make_classes()
    assert classes.block_length(ClassZone(replace(predictions, horizon=63)), QUICK) == 63.0
    assert classes.block_length(ClassZone(predictions), QUICK) >= 5.0


def test_lower_bounds_hold_in_about_nineteen_of_twenty_histories(make_classes, past) -> None:
    many, known = ClassZone(make_classes(num_times=8000, seed=98)), ClassZone(past)
    truth = {
        classes.log_loss_skill: whole(classes.log_loss_skill(many, known), many),
        classes.accuracy_lift: whole(classes.accuracy_lift(many), many),
    }
    config, held = JudgeConfig(bootstrap_samples=200), Counter()
    for seed in range(60):
        zone = ClassZone(make_classes(num_times=250, seed=seed))
        block = classes.block_length(zone, config)
        for of, expected in truth.items():
            quantity = of(zone, known) if of is classes.log_loss_skill else of(zone)
            held[of] += bounded(quantity, zone, config, block=block).lower <= expected
    assert min(held.values()) >= 52  # 57 are expected; block bootstraps of short histories run a little low
    assert held[classes.accuracy_lift] < 60


def test_a_planted_model_passes_every_gate(make_classes, past) -> None:
    predictions = make_classes(num_times=700)
    answers = ask(predictions, past, JudgeConfig(gates=CLASS_GATES), champion=predictions, parity=SAME)
    assert answers["verdict"] == "pass"
    assert answers.keys() == {"verdict", *(gate.metric for gate in CLASS_GATES)} - CAUSAL_METRICS
    assert answers["class_log_loss_skill"].lower > 0.3


def test_a_guessing_model_never_passes(make_classes, past) -> None:
    config = JudgeConfig(gates=CLASS_GATES, bootstrap_samples=50, min_rows_per_class=1)
    verdicts: Counter[str] = Counter()
    for seed in range(30):
        predictions, rng = make_classes(num_times=150, seed=seed), np.random.default_rng(seed)
        guess = predictions.probability[rng.permutation(150)]
        verdicts[ask(replace(predictions, probability=guess), past, config)["verdict"]] += 1
    assert verdicts["pass"] == 0


def repeats_now(predictions: ClassPredictions, past: ClassPredictions) -> np.ndarray:
    return classes.transitions(ClassZone(past))[predictions.now]


def repeats_now_for_sure(predictions: ClassPredictions, past: ClassPredictions) -> np.ndarray:
    return np.eye(5)[predictions.now]


def transitions_smoothed_otherwise(predictions: ClassPredictions, past: ClassPredictions) -> np.ndarray:
    pairs = np.bincount(past.now * 5 + past.label, minlength=25).reshape(5, 5) + 0.1
    return (pairs / pairs.sum(axis=1, keepdims=True))[predictions.now]


def frequencies_of_the_zone(predictions: ClassPredictions, past: ClassPredictions) -> np.ndarray:
    return np.tile(np.bincount(predictions.label, minlength=5) / predictions.label.size, (predictions.label.size, 1))


def twenty_bars_late(predictions: ClassPredictions, past: ClassPredictions) -> np.ndarray:
    return np.concatenate([predictions.probability[:20], predictions.probability[:-20]])


def transitions_five_bars_late(predictions: ClassPredictions, past: ClassPredictions) -> np.ndarray:
    return classes.transitions(ClassZone(past))[np.concatenate([predictions.now[:5], predictions.now[:-5]])]


@pytest.mark.parametrize(
    "say",
    [
        repeats_now,
        repeats_now_for_sure,
        transitions_smoothed_otherwise,
        frequencies_of_the_zone,
        twenty_bars_late,
        transitions_five_bars_late,
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_who_knows_nothing_more_is_refused_for_want_of_log_loss_skill(make_classes, past, say, seed: int) -> None:
    predictions = make_classes(seed=seed, num_times=500)
    answers = ask(replace(predictions, probability=say(predictions, past)), past)
    assert answers["verdict"] != "pass"
    assert answers["class_log_loss_skill"].outcome != "pass"


def test_who_is_too_sure_is_refused_for_its_calibration(make_classes, past) -> None:
    predictions = make_classes()
    sharp = predictions.probability**3
    answers = ask(replace(predictions, probability=sharp / sharp.sum(axis=1, keepdims=True)), past)
    assert answers["class_accuracy_lift"].outcome == "pass"
    assert answers["class_ece"].outcome == "fail"


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("probability", np.nan, "probabilities are not numbers in [0, 1]; 1 rows of probabilities do not sum to 1"),
        ("probability", 0.9, "1 rows of probabilities do not sum to 1"),
        ("label", 5, "1 classes that came are no code of a class"),
        ("now", -1, "1 classes now are no code of a class"),
    ],
)
def test_one_broken_number_fails_every_gate(make_classes, past, column: str, value: float, words: str) -> None:
    predictions = make_classes()
    getattr(predictions, column)[17] = value
    results = evaluate(predictions, QUICK, bars_per_year=252.0, past=past)
    assert {result.outcome for result in results} == {"fail"}
    assert words in results[0].reason


def test_probabilities_of_too_few_classes_fail_closed(make_classes, past) -> None:
    predictions = make_classes()
    answers = ask(replace(predictions, probability=predictions.probability[:, :4]), past)
    assert "rows have not 5 probabilities each" in answers["class_ece"].reason
    assert answers["verdict"] == "fail"


def test_a_class_that_hardly_comes_is_named_and_leaves_every_gate_open(make_classes, past) -> None:
    predictions = make_classes()
    rare = np.flatnonzero(predictions.label == 4)[3:]
    predictions.label[rare] = 2
    results = evaluate(predictions, QUICK, bars_per_year=252.0, past=past)
    assert {result.outcome for result in results} == {"insufficient evidence"}
    assert "high_vol_panic on 3 of 400; at least 20 of each are needed" in results[0].reason
    enough = JudgeConfig(gates=CLASS_GATES, bootstrap_samples=50, min_rows_per_class=3)
    assert {result.value is None for result in evaluate(predictions, enough, bars_per_year=252.0, past=past)} == {False}


def test_too_few_decision_times_come_before_too_few_rows_of_a_class(make_classes, past) -> None:
    answers = ask(make_classes(num_times=59), past)
    assert "59 decision times (59 rows); at least 60 times are needed" in answers["macro_f1_lift"].reason
    assert answers["verdict"] == "insufficient evidence"


def test_without_a_sound_training_zone_there_is_no_peer_and_no_pass(make_classes) -> None:
    predictions, past = make_classes(), make_classes(num_times=900, seed=4)
    for broken in (None, cut(past, np.zeros(0, dtype=int)), replace(past, now=past.now - 1)):
        answers = ask(predictions, broken)
        assert answers["verdict"] == "fail"
        assert "Fails closed" in answers["class_log_loss_skill"].reason
        assert answers["class_accuracy_lift"].outcome == "pass"


def test_the_order_of_the_rows_changes_nothing(make_classes, past) -> None:
    predictions = make_classes(num_times=120, num_symbols=3)
    places = np.random.default_rng(0).permutation(predictions.label.size)
    config = QUICK.model_copy(update={"min_rows_per_class": 5})
    first, second = (
        evaluate(table, config, bars_per_year=252.0, past=past, champion=predictions)
        for table in (predictions, cut(predictions, places))
    )
    for one, other in zip(first, second, strict=True):
        assert one.outcome == other.outcome
        np.testing.assert_allclose(
            [one.value, one.lower or 0.0, one.upper or 0.0],
            [other.value, other.lower or 0.0, other.upper or 0.0],
            atol=1e-12,
        )


def test_a_champion_that_knew_more_refuses_the_challenger(make_classes, past) -> None:
    champion = make_classes()
    flat = 0.5 * champion.probability + 0.1
    answer = ask(replace(champion, probability=flat), past, champion=champion)["champion_log_loss"]
    assert answer.outcome == "fail"
    assert ask(champion, past, champion=replace(champion, probability=flat))["champion_log_loss"].outcome == "pass"


@pytest.mark.parametrize("change", [{"horizon": 21}, {"classes": ("a", "b", "c", "d", "e")}])
def test_a_champion_of_another_question_fails_closed(make_classes, past, change: dict) -> None:
    predictions = make_classes()
    answer = ask(predictions, past, champion=replace(predictions, **change))["champion_log_loss"]
    assert (answer.outcome, "other labels" in answer.reason) == ("fail", True)


def test_the_placebo_of_a_blind_model_is_no_pass(make_classes) -> None:
    predictions = make_classes()
    blind = replace(predictions, probability=frequencies_of_the_zone(predictions, predictions))
    assert classes.placebo(ClassZone(blind), level=0.05, seed=0).value == 1.0
    assert classes.placebo(ClassZone(predictions), level=0.05, seed=0).value < 0.01


def test_a_question_of_another_kind_fails_closed(make_classes, past) -> None:
    config = JudgeConfig(gates=(*CLASS_GATES, GateConfig(metric="auc", bound=0.5)), bootstrap_samples=50)
    answers = ask(make_classes(), past, config)
    assert answers["verdict"] == "fail"
    assert "auc says nothing of such predictions; ask class_log_loss_skill, " in answers["auc"].reason


def three_classes(label: list[int], probability: list[list[float]]) -> ClassZone:
    """Return one symbol's rows of buy, hold and sell; the class now is always hold."""
    zone = two_classes([1] * len(label), label, [0.5] * len(label))
    chances = np.array(probability)
    return ClassZone(replace(zone.predictions, classes=("buy", "hold", "sell"), probability=chances))


def test_side_skill_by_hand() -> None:
    zone = three_classes([0, 2, 2, 1], [[0.6, 0.2, 0.2], [0.1, 0.5, 0.4], [0.2, 0.0, 0.8], [0.9, 0.1, 0.0]])
    loss = -(np.log(0.75) + 2 * np.log(0.8)) / 3  # of the three rows with a side; the fourth, a hold, tells nothing
    entropy = -(np.log(1 / 3) + 2 * np.log(2 / 3)) / 3
    past = three_classes([0, 2] * 50, [[1 / 3] * 3] * 100)  # both sides as often: ln 2, more than the entropy here
    assert whole(classes.side_skill(zone, past), zone) == pytest.approx(1 - loss / entropy, abs=1e-12)


def test_who_knows_how_far_and_not_which_way_has_skill_and_no_side() -> None:
    rng = np.random.default_rng(0)
    wild = rng.random(4000) < 0.5  # a day of large moves, whose side nobody knows
    label = np.where(rng.random(4000) < np.where(wild, 0.1, 0.9), 1, 2 * rng.integers(0, 2, 4000))
    chance = np.where(wild[:, None], [0.45, 0.1, 0.45], [0.05, 0.9, 0.05])
    zone = three_classes(label.tolist(), chance.tolist())
    past = three_classes(label.tolist(), chance.tolist())
    assert whole(classes.log_loss_skill(zone, past), zone) > 0.3
    assert whole(classes.side_skill(zone, past), zone) == pytest.approx(0.0, abs=2e-3)
    config = JudgeConfig(gates=ACTION_GATES, bootstrap_samples=200)
    answers = ask(zone.predictions, past.predictions, config, parity=SAME)
    assert answers["class_log_loss_skill"].outcome == "pass"
    assert answers["side_log_loss_skill"].outcome == answers["deflated_skill"].outcome == "fail"
    assert answers["verdict"] == "fail"
    assert classes.trial_score(zone, past, config) < 2e-3
    assert classes.trial_score(zone, past, QUICK) > 0.3
