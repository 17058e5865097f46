"""What the judge writes into the ledger of trials, and how many it counts."""

from dataclasses import replace

import numpy as np
import pytest

from components.core.errors import ArtifactError
from components.core.judge import CLASS_GATES, SCORE_GATES, JudgeConfig
from components.core.verdict import Verdict
from components.trading.backtest import backtest
from components.validate import classes, scores
from components.validate import judge as judging
from components.validate.measures import bounded
from components.validate.returns import RETURNS, read_returns
from components.validate.zone import ClassZone, ScoreZone

QUICK = JudgeConfig(bootstrap_samples=20)


def look(
    bench, zones: dict, *, name: str = "bundle", seed: int = 7, config: JudgeConfig = QUICK, killed_at: str = ""
) -> Verdict:
    bundle = bench.bundle(name, seed=seed)
    return judging.judge(
        bundle, bench.examples(zones["test"]), bench.folder / "out", bench.run, config=config,
        family=bench.family({bundle.digest: zones}, killed_at=killed_at), champion=None,
    )  # fmt: skip


def entries(bench) -> list[dict]:
    return bench.run.workspace.trials("stored", "planted").read()


def later(table, *, days: int):
    return replace(table, timestamp=table.timestamp + np.timedelta64(days, "D"))


def test_a_judged_bundle_is_one_trial_with_the_sharpe_ratio_of_one_day(bench, make_zone) -> None:
    zone = make_zone(skill=0.35, num_times=120)
    verdict = look(bench, {"test": zone})
    net = backtest(zone, QUICK.costs).net
    [entry] = entries(bench)
    assert entry["score"] == pytest.approx(net.mean() / net.std(ddof=1), rel=1e-12)
    assert (entry["kind"], entry["bundle"], entry["recipe"]) == ("judge", verdict.bundle_digest, verdict.recipe_digest)
    assert (entry["examples"], entry["run_key"], entry["num_times"]) == ("e" * 64, "r1", 120)
    assert entry["span"] == {"first": "2024-01-01", "last": "2024-04-29"}
    assert verdict.num_trials == 1


def test_the_returns_of_a_judged_bundle_are_kept_twice_and_their_digest_in_the_ledger(bench, make_zone) -> None:
    zone = make_zone(skill=0.35, num_times=120)
    look(bench, {"test": zone})
    [entry] = entries(bench)
    book = backtest(zone, QUICK.costs)
    for folder in (bench.folder / "out", bench.run.folder):
        kept = read_returns(folder / RETURNS, entry["returns"])
        np.testing.assert_array_equal(kept.timestamp, book.timestamp)
        np.testing.assert_array_equal(kept.net, book.net)
        assert kept.bars_per_year == 252.0


def test_what_cannot_be_traded_leaves_no_returns(bench, make_zone, make_classes) -> None:
    zone = make_zone(skill=0.35, num_times=120)
    look(bench, {"test": replace(zone, probability=np.full(zone.label.size, np.nan))}, name="broken")
    config = JudgeConfig(gates=CLASS_GATES, bootstrap_samples=20)
    look(bench, {"test": make_classes(), "train": make_classes(num_times=600, seed=4)}, name="classes", config=config)
    assert [entry["returns"] for entry in entries(bench)] == [None, None]
    assert not (bench.folder / "out" / RETURNS).exists()


def test_recipes_add_up_judging_again_does_not_and_other_days_are_not_counted(bench, make_zone) -> None:
    zone = make_zone(skill=0.35, num_times=120)
    looks = (("a", 1), ("b", 2), ("a", 1), ("c", 3), ("b", 2))
    counts = [look(bench, {"test": zone}, name=name, seed=seed).num_trials for name, seed in looks]
    assert counts == [1, 2, 1, 3, 2]
    assert look(bench, {"test": later(zone, days=120)}, name="d").num_trials == 1
    assert look(bench, {"test": later(zone, days=119)}, name="e").num_trials == 5
    assert len(entries(bench)) == 5


def test_a_judge_that_is_killed_after_the_entry_counts_once(bench, make_zone) -> None:
    zones = {"test": make_zone(skill=0.35)}
    with pytest.raises(KeyboardInterrupt):
        look(bench, zones, killed_at="holdout")
    assert len(entries(bench)) == 1
    assert not (bench.folder / "out" / "verdict.json").exists()
    assert look(bench, zones).num_trials == 1


def test_the_scores_of_all_trials_reach_the_gates(bench, make_zone, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[float, ...]] = []
    evaluate = judging.evaluate

    def listen(*tables, trial_scores: tuple[float, ...], **settings):
        heard.append(trial_scores)
        return evaluate(*tables, trial_scores=trial_scores, **settings)

    monkeypatch.setattr(judging, "evaluate", listen)
    look(bench, {"test": make_zone(skill=0.35, num_times=120)}, name="a")
    look(bench, {"test": make_zone(skill=0.0, num_times=120)}, name="b")
    assert heard == [tuple(entry["score"] for entry in entries(bench)[: number + 1]) for number in range(2)]


def test_a_model_that_never_trades_and_one_that_is_broken_are_trials_without_a_score(bench, make_zone) -> None:
    zone = make_zone(skill=0.35, num_times=120)
    broken = replace(zone, probability=np.where(np.arange(zone.label.size) == 3, np.nan, zone.probability))
    look(bench, {"test": replace(zone, threshold=1.0)}, name="flat")
    assert look(bench, {"test": broken}, name="broken").num_trials == 2
    assert [entry["score"] for entry in entries(bench)] == [None, None]


def test_classes_and_scores_are_entered_with_their_skill(bench, make_classes, make_scores) -> None:
    cases = (
        (make_classes, JudgeConfig(gates=CLASS_GATES, bootstrap_samples=20), classes.log_loss_skill, ClassZone),
        (make_scores, JudgeConfig(gates=SCORE_GATES, bootstrap_samples=20), scores.error_skill, ScoreZone),
    )
    for make, config, skill, zone in cases:
        zones = {"test": make(), "train": make(num_times=600, seed=4)}
        look(bench, zones, name=zone.__name__, config=config)
        test, train = (zone(zones[key]) for key in ("test", "train"))
        assert entries(bench)[-1]["score"] == bounded(skill(test, train), test, config, block=5.0).value


def test_without_a_test_zone_nothing_was_tried(bench) -> None:
    bundle = bench.bundle()
    verdict = judging.judge(
        bundle, bench.examples(None), bench.folder / "out", bench.run, config=QUICK, family=bench.family({}),
        champion=None,
    )  # fmt: skip
    assert (verdict.num_trials, entries(bench)) == (0, [])


def test_with_an_edited_ledger_nothing_is_judged(bench, make_zone) -> None:
    zones = {"test": make_zone(skill=0.35, num_times=120)}
    for name in ("a", "b"):
        look(bench, zones, name=name)
    path = bench.run.workspace.trials("stored", "planted").folder / "00000000.json"
    path.write_text(path.read_text().replace('"kind":"judge"', '"kind":"other"'))
    (bench.folder / "out" / "verdict.json").unlink()
    with pytest.raises(ArtifactError, match="chain is broken"):
        look(bench, zones, name="c")
    assert not (bench.folder / "out" / "verdict.json").exists()
