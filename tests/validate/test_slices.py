"""Does the skill hold in every regime that was known at the decision?"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from report_page import Page

from components.core.judge import CLASS_GATES, DEFAULT_GATES, SCORE_GATES, GateConfig, JudgeConfig
from components.core.verdict import GateResult
from components.market.predictions import ClassPredictions, Predictions, ScorePredictions
from components.trading.statistics import auc
from components.validate import classes, directions, scores
from components.validate.gates import evaluate
from components.validate.judge import judge
from components.validate.kinds import Table
from components.validate.measures import value_of
from components.validate.slices import thirds, worst
from components.validate.zone import ClassZone, ScoreZone, Zone

GATES = {Predictions: DEFAULT_GATES, ClassPredictions: CLASS_GATES, ScorePredictions: SCORE_GATES}


def ask(predictions: Table, past: Table | None = None) -> GateResult:
    [gate] = [gate for gate in GATES[type(predictions)] if gate.metric == "worst_regime"]
    config = JudgeConfig(gates=(gate,), bootstrap_samples=200)
    [result] = evaluate(predictions, config, bars_per_year=252.0, past=past)
    return result


def test_volatility_is_that_of_the_last_21_returns_that_were_over(make_zone) -> None:
    zone = Zone(make_zone(skill=0.2, num_times=60, num_symbols=3))
    zone.predictions.forward_return[5] = np.nan  # of the second time, only two symbols are known
    market = np.nanmean(zone.predictions.forward_return.reshape(60, 3), axis=1)
    found = directions.past_volatility(zone)
    assert np.isnan(found[:22]).all()
    for t in (22, 40, 59):  # bought at the open of t - 1, sold at the open of t: the newest that is over
        assert found[t] == pytest.approx(np.std(market[t - 22 : t - 1], ddof=1), rel=1e-12)


def test_what_comes_after_the_decision_changes_no_regime(make_zone) -> None:
    table = make_zone(skill=0.2, num_times=60, num_symbols=3)
    before = directions.past_volatility(Zone(table))
    later = table.forward_return.copy()
    later[39 * 3 :] *= 5
    after = directions.past_volatility(Zone(replace(table, forward_return=later)))
    np.testing.assert_array_equal(before[:41], after[:41])
    assert (after[41:] > before[41:]).all()


def test_a_short_zone_has_no_volatility_and_a_gap_no_market(make_zone) -> None:
    assert np.isnan(directions.past_volatility(Zone(make_zone(skill=0.2, num_times=22)))).all()
    table = make_zone(skill=0.2, num_times=60, num_symbols=2)
    table.forward_return[[20, 21]] = np.nan
    found = directions.past_volatility(Zone(table))
    assert np.isnan(found[12:33]).all()
    assert np.isfinite(found[33:]).all()


def test_thirds_leave_out_what_is_unknown_and_keep_equals_together() -> None:
    low, middle, high = thirds(np.array([3.0, np.nan, 1.0, 2.0, 6.0, 5.0, 4.0]))
    assert (low.tolist(), middle.tolist(), high.tolist()) == ([2, 3], [0, 6], [4, 5])
    assert [part.size for part in thirds(np.ones(9))] == [9, 0, 0]
    assert [part.size for part in thirds(np.full(9, np.nan))] == [0, 0, 0]


def test_the_worst_is_the_lowest_auc_of_the_thirds(make_zone) -> None:
    zone = Zone(make_zone(skill=0.2))
    volatility = directions.past_volatility(zone)[zone.time]
    table = zone.predictions
    by_hand = [auc(table.label[rows], table.probability[rows]) for rows in thirds(volatility)]
    slices = directions.regimes(zone)
    assert list(slices) == ["calm", "usual", "wild"]
    assert value_of(worst(slices), zone) == pytest.approx(min(by_hand), abs=1e-12)
    only_calm = np.isin(np.arange(zone.num_times), slices["calm"].places).astype(np.float64)[None]
    with np.errstate(invalid="ignore"):
        found = worst(slices).of(only_calm)[0]
    assert found == pytest.approx(by_hand[0], abs=1e-12)  # a history without the others


def volatile(predictions: Predictions, seed: int) -> Predictions:
    """Return the zone in a market whose volatility comes and goes."""
    rng, zone = np.random.default_rng(seed), Zone(predictions)
    size = rng.standard_normal(zone.num_times)
    for t in range(1, size.size):
        size[t] = 0.97 * size[t - 1] + np.sqrt(1 - 0.97**2) * size[t]
    return replace(predictions, forward_return=predictions.forward_return * np.exp(0.7 * size)[zone.time])


def spoilt(predictions: Predictions, how: str, seed: int) -> Predictions:
    """Return the predictions, in calm times turned over, or guessed in all but calm times."""
    said = predictions.probability.copy()
    calm, *others = thirds(directions.past_volatility(Zone(predictions))[Zone(predictions).time])
    if how == "turned over when calm":
        said[calm] = 1 - said[calm]
    if how == "guessing unless calm":
        for rows in others:
            said[rows] = np.random.default_rng(seed).permutation(said[rows])
    return replace(predictions, probability=said)


def test_a_skill_of_all_times_passes_and_one_of_some_times_does_not(make_zone) -> None:
    outcomes: dict[str, Counter[str]] = {}
    for how in ("skilful", "turned over when calm", "guessing unless calm"):
        tables = (volatile(make_zone(skill=0.2, seed=seed), seed) for seed in range(40))
        outcomes[how] = Counter(ask(spoilt(table, how, seed)).outcome for seed, table in enumerate(tables))
    assert outcomes["skilful"]["pass"] >= 36
    assert outcomes["turned over when calm"]["pass"] == 0
    assert outcomes["guessing unless calm"]["pass"] <= 4


def test_a_model_upside_down_in_one_regime_fails_though_it_ranks_well_on_the_whole(make_zone) -> None:
    bad = spoilt(volatile(make_zone(skill=0.5, num_times=500), 1), "turned over when calm", 1)
    config = JudgeConfig(gates=(GateConfig(metric="auc", bound=0.5),), bootstrap_samples=200)
    assert evaluate(bad, config, bars_per_year=252.0)[0].outcome == "pass"
    answer = ask(bad)
    assert answer.outcome == "fail"
    assert answer.reason.index("(calm 0.2") < answer.reason.index("usual 0.7")


def looked(predictions: ScorePredictions, past: ScorePredictions, skill: float, seed: int) -> np.ndarray:
    """Return what must be added to the line of training for the skill."""
    level, slope = scores.line(ScoreZone(past))
    error = predictions.label - level - slope * predictions.now
    noise = error.std() * np.sqrt((1 - skill) / skill) * np.random.default_rng(seed).standard_normal(error.size)
    return skill * (error + noise)


def test_scores_that_mislead_where_the_score_is_low_now(make_scores) -> None:
    past, passed = make_scores(num_times=900, seed=99), Counter[str]()
    level, slope = scores.line(ScoreZone(past))
    for seed in range(20):
        table = make_scores(seed=seed)
        known, extra = level + slope * table.now, looked(table, past, 0.2, seed)
        low, *_ = thirds(table.now)
        turned = extra.copy()
        turned[low] *= -1
        passed["skilful"] += ask(replace(table, score=np.clip(known + extra, 0, 1)), past).outcome == "pass"
        passed["misleading"] += ask(replace(table, score=np.clip(known + turned, 0, 1)), past).outcome == "pass"
    assert passed["skilful"] >= 18
    assert passed["misleading"] == 0


def test_classes_that_mislead_in_one_class_now(make_classes) -> None:
    past = make_classes(num_times=900, seed=99)
    known, passed = classes.transitions(ClassZone(past)), Counter[str]()
    for seed in range(20):
        table = make_classes(num_times=700, seed=seed)
        prior = known[table.now]
        noise = np.random.default_rng(seed).standard_normal(prior.shape)
        came = np.eye(5)[table.label]
        good = classes.looked(prior, came, noise, lead=0.9)
        commonest = np.bincount(table.now).argmax()
        bad = np.where(table.now[:, None] == commonest, classes.looked(prior, -came, noise, lead=0.9), good)
        passed["skilful"] += ask(replace(table, probability=good), past).outcome == "pass"
        passed["misleading"] += ask(replace(table, probability=bad), past).outcome == "pass"
    assert passed["skilful"] >= 18
    assert passed["misleading"] == 0


def test_a_class_that_is_hardly_ever_now_is_named_but_not_asked(make_classes) -> None:
    table, past = make_classes(), make_classes(num_times=900, seed=99)
    now = table.now.copy()
    now[np.flatnonzero(now == 1)[5:]] = 2
    answer = ask(replace(table, now=now), past)
    assert answer.outcome == "pass"
    assert "too short to ask: risk_on_trend (5 times)" in answer.reason


def test_without_two_regimes_there_is_no_evidence(make_zone, make_classes) -> None:
    answer = ask(make_zone(skill=0.35, num_times=70))
    assert answer.outcome == "insufficient evidence"
    assert "0 of 3 regimes have the 20 decision times that each needs" in answer.reason
    past = make_classes(num_times=900, seed=99)
    constant = make_classes()
    answer = ask(replace(constant, now=np.zeros_like(constant.now)), past)
    assert "1 of 1 regimes" in answer.reason


def test_a_regime_whose_bars_all_rise_has_no_auc_and_fails_closed(make_zone) -> None:
    table = make_zone(skill=0.35)
    calm, *_ = thirds(directions.past_volatility(Zone(table))[Zone(table).time])
    label = table.label.copy()
    label[calm] = 1.0
    answer = ask(replace(table, label=label))
    assert (answer.outcome, answer.value) == ("fail", None)
    assert "Fails closed" in answer.reason


@pytest.mark.parametrize(
    ("kind", "gates", "names", "heading"),
    [
        ("zone", DEFAULT_GATES, ("calm", "usual", "wild"), "Past volatility"),
        ("classes", CLASS_GATES, ("calm_uptrend", "choppy"), "Class now"),
        ("scores", SCORE_GATES, ("low", "middle", "high"), "Score now"),
    ],
)
def test_the_verdict_and_the_report_list_the_regimes(bench, request, kind: str, gates, names, heading: str) -> None:
    make = request.getfixturevalue(f"make_{kind}")
    table = make(skill=0.35) if kind == "zone" else make()
    bundle = bench.bundle()
    verdict = judge(
        bundle, bench.examples(table), bench.folder / "out", bench.run,
        config=JudgeConfig(gates=gates, bootstrap_samples=50),
        family=bench.family({bundle.digest: {"test": table, "train": table}}), champion=None,
    )  # fmt: skip
    page = Page((bench.folder / "out" / "report.html").read_text(encoding="utf-8"))
    assert page.text.index("Regimes of the test zone") < page.text.index(heading)
    for name in names:
        found = {part: verdict.metrics[f"regime.{name}.{part}"].value for part in ("rows", "skill", "lower", "upper")}
        assert found["rows"] > 0
        assert found["lower"] <= found["skill"] <= found["upper"]
        assert name.replace("_", " ") in page.text
