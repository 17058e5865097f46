import json
from pathlib import Path

import pytest

from components.core.bundle import Bundle, seal
from components.core.errors import ArtifactError, PromotionRefusedError
from components.core.files import read_json, write_json
from components.core.judge import CLASS_GATES, JudgeConfig
from components.core.verdict import Verdict
from components.market.examples_manifest import examples_digest
from components.validate.judge import judge
from components.validate.model_card import as_markdown, read_card
from components.validate.summary import summary

QUICK = JudgeConfig(bootstrap_samples=100)
SECTIONS = [
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
    "Quantitative analyses", "Ethical considerations", "Caveats and recommendations",
]  # fmt: skip


def judged(bench, predictions, *, config: JudgeConfig = QUICK, advice: str = "", **facts) -> tuple[Path, Verdict]:
    """Judge stored answers on examples whose digest fits; return the folder of the verdict, and the verdict."""
    test = predictions["test"] if isinstance(predictions, dict) else predictions
    examples = bench.examples(test)
    manifest = read_json(examples / "manifest.json") | {"interval": "daily", "horizon": 1} | facts
    manifest["digest"] = examples_digest(manifest)
    write_json(examples / "manifest.json", manifest)
    bundle: Bundle = bench.bundle(examples=manifest["digest"])
    notes = {"torch": "2.13.0"} | ({"advice": [advice]} if advice else {})
    bundle = seal(
        bundle.folder,
        family="stored",
        config={"seed": 7},
        schema={},
        data={"examples": manifest["digest"]},
        notes=notes,
    )
    out = bench.folder / "out"
    verdict = judge(
        bundle,
        examples,
        out,
        bench.run,
        config=config,
        family=bench.family({bundle.digest: predictions}),
        champion=None,
    )
    return out, verdict


def card_of(bench, out: Path) -> dict:
    return read_card(out, bench.run.workspace.verify_key)


def test_the_card_is_made_again_byte_for_byte_from_what_the_run_left(bench, make_zone) -> None:
    out, _ = judged(bench, make_zone(skill=0.35))
    sections = card_of(bench, out)
    assert list(sections) == SECTIONS
    text = as_markdown(sections)
    assert text.encode() == (out / "model_card.md").read_bytes() == (bench.run.folder / "model_card.md").read_bytes()
    assert json.loads((out / "model_card.json").read_text()) == sections
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    assert text.count("\n\n\n") == 0


def test_the_card_says_what_was_judged_and_how_it_went(bench, make_zone) -> None:
    out, verdict = judged(bench, make_zone(skill=0.35), advice="2 samples of one class")
    sections = card_of(bench, out)
    assert sections["Model details"]["Bundle"] == verdict.bundle_digest
    assert sections["Evaluation data"]["Zones"][0]["Rows"] == 2000
    assert [row["Zone"] for row in sections["Training data"]["Zones"]] == ["train"]
    assert len(sections["Metrics"]["Gates"]) == len(verdict.gates)
    measured = {row["Metric"]: row["Value"] for row in sections["Quantitative analyses"]["Measured"]}
    assert measured["auc"] == verdict.metrics["auc"].value
    caveats = sections["Caveats and recommendations"]["Caveats"]
    assert "Training says: 2 samples of one class." in caveats
    assert any("made by a generator" in line for line in caveats)
    assert not any("must not be promoted" in line for line in caveats)


def test_a_bundle_that_failed_says_so_among_its_caveats(bench, make_zone) -> None:
    out, verdict = judged(bench, make_zone(skill=0.0, seed=1))
    assert verdict.verdict == "fail"
    assert "- The verdict is fail: it must not be promoted." in as_markdown(card_of(bench, out))


def test_the_card_of_classes_lists_each_class(bench, make_classes) -> None:
    zones = {"test": make_classes(), "train": make_classes(num_times=600, seed=4)}
    names = list(zones["test"].classes)
    config = JudgeConfig(gates=CLASS_GATES, bootstrap_samples=100)
    out, verdict = judged(bench, zones, config=config, classes=names, labeller="made_v1")
    rows = card_of(bench, out)["Factors"]["By class, test zone"]
    assert [row["Class"] for row in rows] == names
    assert rows[3]["recall"] == verdict.metrics["recall.choppy"].value


@pytest.mark.parametrize("name", ["bundle.json", "examples.json"])
def test_a_manifest_that_was_altered_gives_no_card(bench, make_zone, name: str) -> None:
    out, _ = judged(bench, make_zone(skill=0.35))
    changed = read_json(out / name) | ({"symbols": ["CCC"]} if name == "examples.json" else {"config": {"seed": 8}})
    write_json(out / name, changed)
    with pytest.raises(ArtifactError, match=f"{name}: is not what the verdict was given on"):
        card_of(bench, out)


def test_a_verdict_that_was_altered_gives_no_card(bench, make_zone) -> None:
    out, _ = judged(bench, make_zone(skill=0.0, seed=1))
    text = (out / "verdict.json").read_text()
    (out / "verdict.json").write_text(text.replace('"verdict": "fail"', '"verdict": "pass"'))
    with pytest.raises(PromotionRefusedError, match="signature does not fit"):
        card_of(bench, out)


def test_names_from_outside_stay_text(bench, make_zone) -> None:
    evil = "<script>x</script>|[a](http://b)`c`\n# d"
    out, verdict = judged(bench, make_zone(skill=0.35), source=evil)
    source = next(line for line in as_markdown(card_of(bench, out)).splitlines() if line.startswith("- Source"))
    assert source == r"- Source: \<script\>x\</script\>\|\[a\](http://b)\`c\` # d"
    gate = replace_title(verdict, "is a|b?")
    assert r"| is a\|b? |" in summary(gate)


def replace_title(verdict: Verdict, title: str) -> Verdict:
    first = verdict.gates[0].model_copy(update={"title": title})
    return verdict.model_copy(update={"gates": (first, *verdict.gates[1:])})


def test_the_summary_is_half_a_page_with_one_row_for_each_gate(bench, make_zone) -> None:
    out, verdict = judged(bench, make_zone(skill=0.35))
    text = (out / "summary.md").read_text(encoding="utf-8")
    assert text == summary(verdict)
    assert text.startswith("# ✓ stored on planted: pass\n")
    assert text.count("\n| ") == 2 + len(verdict.gates)
    assert f"{len(verdict.gates)} of {len(verdict.gates)} gates passed" in text
    assert verdict.reason in text


def test_the_summary_writes_an_interval_only_where_there_is_one(bench, make_zone) -> None:
    _, verdict = judged(bench, make_zone(skill=0.35))
    rows = {gate.metric: line for gate, line in zip(verdict.gates, summary(verdict).splitlines()[8:], strict=False)}
    assert " to " in rows["auc"]
    assert "|  | at most 0.05 |" in rows["placebo"]
