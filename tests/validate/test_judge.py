import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from report_page import Page

from components.core.errors import ArtifactError
from components.core.judge import JudgeConfig
from components.core.verdict import Verdict, read_verified
from components.validate.judge import judge

QUICK = JudgeConfig(bootstrap_samples=200)


def run_judge(bench, predictions, *, champion: bool = False, config: JudgeConfig = QUICK) -> Verdict:
    bundle = bench.bundle()
    rival = bench.bundle("champion") if champion else None
    answers = {bundle.digest: predictions} | ({rival.digest: predictions} if rival else {})
    return judge(
        bundle,
        bench.examples(predictions),
        bench.folder / "out",
        bench.run,
        config=config,
        family=bench.family(answers),
        champion=rival,
    )


def page_of(bench) -> Page:
    return Page((bench.folder / "out" / "report.html").read_text(encoding="utf-8"))


def test_a_skilful_bundle_gets_a_signed_pass(bench, make_zone) -> None:
    verdict = run_judge(bench, make_zone(skill=0.35))
    assert verdict.verdict == "pass"
    assert read_verified(bench.folder / "out" / "verdict.json", bench.run.workspace.verify_key) == verdict
    assert verdict.bundle_digest == bench.bundle().digest
    assert (verdict.examples_digest, verdict.champion_digest) == ("e" * 64, None)
    assert verdict.created == "2026-01-05T12:00:00+00:00"
    assert {item.zone for item in verdict.metrics.values()} == {"test"}
    metrics = json.loads((bench.folder / "out" / "metrics.json").read_text())
    assert metrics["auc"] == {"zone": "test", "value": verdict.metrics["auc"].value}


def test_judging_twice_gives_the_same_bytes(bench, make_zone) -> None:
    run_judge(bench, make_zone(skill=0.35))
    first = {item.name: item.read_bytes() for item in (bench.folder / "out").iterdir()}
    run_judge(bench, make_zone(skill=0.35))
    assert first == {item.name: item.read_bytes() for item in (bench.folder / "out").iterdir()}


def test_a_guessing_bundle_is_not_passed_and_the_reason_names_a_gate(bench, make_zone) -> None:
    verdict = run_judge(bench, make_zone(skill=0.0, seed=1))
    assert verdict.verdict == "fail"
    assert re.search(r"\d of 12 gates failed\. .+ No: ", verdict.reason)


def test_examples_without_a_test_zone_are_insufficient_evidence_with_a_report(bench) -> None:
    bundle = bench.bundle()
    verdict = judge(
        bundle, bench.examples(None), bench.folder / "out", bench.run, config=QUICK, family=bench.family({}),
        champion=None,
    )  # fmt: skip
    assert verdict.verdict == "insufficient evidence"
    assert "no test zone" in verdict.reason
    assert "Insufficient evidence" in page_of(bench).text


def test_broken_predictions_still_get_a_failing_verdict_and_a_report(bench, make_zone) -> None:
    predictions = make_zone(skill=0.35)
    predictions.probability[5] = np.nan
    verdict = run_judge(bench, predictions)
    assert verdict.verdict == "fail"
    assert "1 probabilities are not numbers" in verdict.reason
    assert "must not be promoted" in page_of(bench).text


def test_the_champion_is_compared_and_named(bench, make_zone) -> None:
    verdict = run_judge(bench, make_zone(skill=0.35), champion=True)
    assert verdict.champion_digest == bench.bundle("champion").digest
    assert verdict.gates[-2].metric == "champion_log_loss"
    alone = JudgeConfig(bootstrap_samples=200, compare_with_champion=False)
    unasked = run_judge(bench, make_zone(skill=0.35), champion=True, config=alone)
    assert unasked.champion_digest == bench.bundle("champion").digest  # promotion is bound to it all the same
    assert "champion_log_loss" not in {gate.metric for gate in unasked.gates}


def test_the_champion_judged_again_is_said_to_be_itself(bench, make_zone) -> None:
    predictions, bundle = make_zone(skill=0.35), bench.bundle()
    verdict = judge(
        bundle, bench.examples(predictions), bench.folder / "out", bench.run, config=QUICK,
        family=bench.family({bundle.digest: predictions}), champion=bundle,
    )  # fmt: skip
    assert verdict.reason.endswith("This bundle is the champion itself.")


@pytest.mark.promise("S2-24")
def test_a_bundle_of_other_forecasts_is_refused(bench, make_zone) -> None:
    predictions = make_zone(skill=0.35)
    bundle = bench.bundle(forecast_source="Datadog/Toto-Open-Base-1.0@0f0f")
    words = "trained on forecasts by 'Datadog/Toto-Open-Base-1.0@0f0f', those of the examples are by None"
    with pytest.raises(ArtifactError, match=words):
        judge(
            bundle, bench.examples(predictions), bench.folder / "out", bench.run, config=QUICK,
            family=bench.family({bundle.digest: predictions}), champion=None,
        )  # fmt: skip


def test_a_bundle_of_other_examples_is_refused(bench, make_zone) -> None:
    predictions = make_zone(skill=0.35)
    bundle = bench.bundle(examples="d" * 64)
    with pytest.raises(ArtifactError, match="trained on examples dddddddddddd"):
        judge(
            bundle, bench.examples(predictions), bench.folder / "out", bench.run, config=QUICK,
            family=bench.family({bundle.digest: predictions}), champion=None,
        )  # fmt: skip


def test_the_verdict_and_its_reason_come_before_everything_else(bench, make_zone) -> None:
    verdict = run_judge(bench, make_zone(skill=0.35))
    text = page_of(bench).text
    assert text.index("Pass: it may be promoted") < text.index(verdict.reason) < text.index("Gates")


@pytest.mark.promise("S3-33")
def test_published_targets_are_text_beside_the_metrics_and_never_gates(bench, make_zone) -> None:
    verdict = run_judge(bench, make_zone(skill=0.35))
    text = page_of(bench).text
    assert verdict.metrics["precision"].value < 0.7
    assert verdict.metrics["f1"].value > 0.5
    assert "above 0.7: not reached" in text
    assert "above 0.5: reached" in text
    assert verdict.verdict == "pass"


def test_text_from_outside_is_escaped(bench, make_zone) -> None:
    predictions = make_zone(skill=0.35)
    bundle, folder = bench.bundle(), bench.examples(predictions)
    manifest = json.loads((folder / "manifest.json").read_text())
    evil = "<script>alert(1)</script>\"'&"
    table = pq.read_table(folder / "examples.parquet").append_column(evil, [[1.0] * 9])
    pq.write_table(table, folder / "examples.parquet")
    manifest["source"], manifest["symbols"], manifest["columns"] = evil, [evil], ["open", evil]
    manifest["zones"][evil] = {"rows": 1, "timestamps": 1, "first": "2019-01-01", "last": "2019-01-02"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    judge(
        bundle, folder, bench.folder / "out", bench.run, config=QUICK,
        family=replace(bench.family({bundle.digest: predictions}), title=evil), champion=None,
    )  # fmt: skip
    page = page_of(bench)
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(evil) >= 5


@pytest.mark.parametrize("num_times", [60, 2000])
def test_a_long_history_does_not_make_a_heavy_page(bench, make_zone, num_times: int) -> None:
    few = JudgeConfig(bootstrap_samples=20)
    run_judge(bench, make_zone(skill=0.35, num_times=num_times, num_symbols=3), config=few)
    assert (bench.folder / "out" / "report.html").stat().st_size < 80_000


def test_a_flat_book_and_one_epoch_still_draw(bench, make_zone) -> None:
    predictions = replace(make_zone(skill=0.35), threshold=1.0)
    bundle = bench.bundle()
    Path(bundle.folder / "history.json").write_text(json.dumps({"train_loss": [0.7], "val_loss": [0.69]}))
    verdict = judge(
        bundle, bench.examples(predictions), bench.folder / "out", bench.run, config=QUICK,
        family=bench.family({bundle.digest: predictions}), champion=None,
    )  # fmt: skip
    assert verdict.verdict == "insufficient evidence"
    assert "lowest in epoch 1 of 1" in page_of(bench).text
