import json
from dataclasses import replace

import numpy as np
import pytest
from report_page import Page

from components.core.judge import CLASS_GATES, SCORE_GATES, JudgeConfig
from components.core.verdict import Verdict, read_verified
from components.validate.judge import judge

CLASSES = JudgeConfig(gates=CLASS_GATES, bootstrap_samples=100)
SCORES = JudgeConfig(gates=SCORE_GATES, bootstrap_samples=100)


def run_judge(bench, config: JudgeConfig, zones: dict) -> tuple[Verdict, Page]:
    bundle = bench.bundle()
    verdict = judge(
        bundle, bench.examples(zones.get("test")), bench.folder / "out", bench.run, config=config,
        family=bench.family({bundle.digest: zones}), champion=None,
    )  # fmt: skip
    return verdict, Page((bench.folder / "out" / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def class_zones(make_classes) -> dict:
    return {"test": make_classes(num_times=700), "train": make_classes(num_times=600, seed=4)}


@pytest.fixture
def score_zones(make_scores) -> dict:
    return {"test": make_scores(), "train": make_scores(num_times=600, seed=4)}


def test_classes_get_a_signed_pass_with_their_metrics(bench, class_zones) -> None:
    verdict, _ = run_judge(bench, CLASSES, class_zones)
    assert verdict.verdict == "pass"
    assert read_verified(bench.folder / "out" / "verdict.json", bench.run.workspace.verify_key) == verdict
    value = {name: item.value for name, item in verdict.metrics.items()}
    table = class_zones["test"]
    said = table.probability.argmax(axis=1)
    assert value["test_accuracy"] == pytest.approx((said == table.label).mean(), abs=1e-12)
    assert 0.5 < value["test_f1_macro"] < 0.7
    assert value["rows.choppy"] == np.count_nonzero(table.label == 3)
    assert sum(number for name, number in value.items() if name.startswith("confusion.")) == 700
    assert value["confusion.choppy.high_vol_panic"] == np.count_nonzero((table.label == 3) & (said == 4))
    assert value["log_loss"] < min(value["transition_log_loss"], value["frequency_log_loss"])
    assert {item.zone for item in verdict.metrics.values()} == {"test"}


def test_scores_get_a_signed_pass_with_their_metrics(bench, score_zones) -> None:
    verdict, _ = run_judge(bench, SCORES, score_zones)
    assert verdict.verdict == "pass"
    value, table = {name: item.value for name, item in verdict.metrics.items()}, score_zones["test"]
    assert value["test_recon_mse"] == pytest.approx(table.error.mean(), abs=1e-12)
    assert value["test_health_correlation"] == pytest.approx(0.89, abs=0.01)
    assert value["mse"] == pytest.approx(np.mean((table.score - table.label) ** 2), abs=1e-12)
    assert value["mse"] < min(value["unchanged_mse"], value["line_mse"], value["mean_mse"])


def test_names_of_classes_are_escaped(bench, class_zones) -> None:
    evil = "<script>alert(1)</script>\"'&"
    names = ("a", "b", "c", "d", evil)
    _, page = run_judge(bench, CLASSES, {key: replace(table, classes=names) for key, table in class_zones.items()})
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(evil) == 6  # lane, row and column of the matrix, two tables, the gate of the regimes


def test_a_long_history_of_classes_does_not_make_a_heavy_page(bench, make_classes) -> None:
    zones = {"test": make_classes(num_times=3000), "train": make_classes(num_times=600, seed=4)}
    run_judge(bench, CLASSES.model_copy(update={"bootstrap_samples": 20}), zones)
    assert (bench.folder / "out" / "report.html").stat().st_size < 90_000


@pytest.mark.parametrize(("config", "word"), [(CLASSES, "Macro F1"), (SCORES, "Rank correlation")])
def test_without_a_test_zone_the_gates_say_what_is_judged(bench, config: JudgeConfig, word: str) -> None:
    verdict, page = run_judge(bench, config, {})
    assert verdict.verdict == "insufficient evidence"
    assert word in page.text
    assert "no test zone" in verdict.reason


def test_a_class_that_hardly_comes_still_gets_its_numbers_and_its_name(bench, class_zones) -> None:
    table = class_zones["test"]
    table.label[table.label == 4] = 2
    verdict, page = run_judge(bench, CLASSES, class_zones)
    assert verdict.verdict == "insufficient evidence"
    assert "high_vol_panic on 0 of 700; at least 20 of each are needed" in verdict.reason
    assert verdict.metrics["recall.high_vol_panic"].value is None
    assert verdict.metrics["test_accuracy"].value > 0.3
    assert "What came and what it said" in page.text


def test_broken_numbers_fail_with_counts_only(bench, class_zones, score_zones) -> None:
    class_zones["test"].probability[5] = np.nan
    score_zones["test"].score[5] = np.nan
    for config, zones in ((CLASSES, class_zones), (SCORES, score_zones)):
        verdict, page = run_judge(bench, config, zones)
        assert verdict.verdict == "fail"
        assert set(verdict.metrics) == {"rows", "timestamps"}
        assert "must not be promoted" in page.text


def test_broken_numbers_of_the_training_zone_fail_the_gate_that_needs_them(bench, class_zones) -> None:
    class_zones["train"].probability[5] = np.nan
    verdict, _ = run_judge(bench, CLASSES, class_zones)
    assert verdict.verdict == "fail"
    assert verdict.metrics["transition_log_loss"].value is None
    assert [gate.metric for gate in verdict.gates if gate.outcome == "fail"] == [
        "class_log_loss_skill", "deflated_skill", "worst_regime", "planted_control",
    ]  # fmt: skip


def test_scores_that_never_vary_still_draw(bench, score_zones) -> None:
    table = score_zones["test"]
    flat = replace(table, score=np.full(table.label.size, 0.5), error=np.zeros(table.label.size))
    verdict, page = run_judge(bench, SCORES, {**score_zones, "test": flat})
    assert verdict.metrics["test_health_correlation"].value is None
    assert "What came after each score" in page.text
    assert json.loads((bench.folder / "out" / "metrics.json").read_text())["mae"]["value"] > 0
