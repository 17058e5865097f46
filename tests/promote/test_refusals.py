"""No way leads past the gate: every verdict that is no honest pass for exactly this is refused, and nothing is left."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from judged import lay_down, make_bundle, make_verdict

from components.core import bundle as bundles
from components.core import registry
from components.core.bundle import Bundle
from components.core.errors import ArtifactError, PromotionRefusedError
from components.core.judge import (
    ACTION_GATES,
    CLASS_GATES,
    DEFAULT_GATES,
    SCORE_GATES,
    CostConfig,
    GateConfig,
    JudgeConfig,
)
from components.core.verdict import VERDICT, Verdict
from components.core.workspace import Workspace
from components.promote.demands import demanded, shortfalls
from components.promote.promotion import enter

FAMILY, DATASET = "price_action", "toy"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path / "bundle", 1)


def put(workspace: Workspace, bundle: Bundle, judged: Path, dataset: str = DATASET) -> None:
    enter(workspace, bundle, judged, dataset=dataset, run_key="k", clock=lambda: datetime(2026, 1, 5, tzinfo=UTC))


def refused(workspace: Workspace, bundle: Bundle, verdict: Verdict, words: str, dataset: str = DATASET) -> None:
    judged = lay_down(bundle.folder.with_name("judged"), verdict, workspace)
    with pytest.raises(PromotionRefusedError, match=words):
        put(workspace, bundle, judged, dataset)
    assert registry.history(workspace, FAMILY, dataset).length == 0
    assert list(workspace.model(FAMILY, dataset).glob("v*")) == []


@pytest.mark.parametrize("outcome", ["fail", "insufficient evidence"])
def test_no_other_outcome(workspace: Workspace, bundle: Bundle, outcome: str) -> None:
    refused(workspace, bundle, make_verdict(bundle, DATASET, verdict=outcome), outcome)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("bundle_digest", "0" * 64, "for bundle 000000000000, not"),
        ("family", "regime", "for family regime, not price_action"),
        ("dataset", "other", "for dataset other, not toy"),
        ("recipe_digest", "0" * 64, "for recipe 000000000000, not"),
        ("forecast_source", "toto@0f0f", "for forecasts by toto@0f0f, not None"),
    ],
)
def test_a_verdict_for_something_else(workspace: Workspace, bundle: Bundle, field: str, value: str, words: str) -> None:
    refused(workspace, bundle, make_verdict(bundle, DATASET, **{field: value}), words)


def test_a_verdict_on_other_examples_than_it_was_trained_with(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    data = {"examples": "1" * 64}
    bundle = bundles.seal(tmp_path / "bundle", family=FAMILY, config={}, schema={}, data=data, notes={})
    refused(workspace, bundle, make_verdict(bundle, DATASET), "for examples eeeeeeeeeeee, not 111111111111")


def test_a_verdict_of_one_dataset_used_on_another(workspace: Workspace, bundle: Bundle) -> None:
    refused(workspace, bundle, make_verdict(bundle, DATASET), "for dataset toy, not noise", dataset="noise")


def test_an_unsigned_a_forged_and_a_tampered_verdict(
    workspace: Workspace, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = lay_down(tmp_path / "judged", make_verdict(bundle, DATASET), workspace)
    content = json.loads((judged / VERDICT).read_text())
    (judged / VERDICT).write_text(json.dumps({"verdict": content["verdict"]}))
    with pytest.raises(PromotionRefusedError, match="want a verdict and its signature"):
        put(workspace, bundle, judged)
    raised = content["verdict"] | {"gates": [gate | {"lower": 0.9} for gate in content["verdict"]["gates"]]}
    (judged / VERDICT).write_text(json.dumps({"verdict": raised, "signature": content["signature"]}))
    with pytest.raises(PromotionRefusedError, match="signature does not fit"):
        put(workspace, bundle, judged)
    with monkeypatch.context() as other:
        other.setenv("XDG_CONFIG_HOME", str(tmp_path / "forger"))
        lay_down(judged, make_verdict(bundle, DATASET), workspace)
    with pytest.raises(PromotionRefusedError, match="another key"):
        put(workspace, bundle, judged)
    assert registry.history(workspace, FAMILY, DATASET).length == 0


def test_a_nan_in_a_verdict_is_no_number(workspace: Workspace, bundle: Bundle, tmp_path: Path) -> None:
    judged = lay_down(tmp_path / "judged", make_verdict(bundle, DATASET), workspace)
    text = (judged / VERDICT).read_text()
    (judged / VERDICT).write_text(text.replace('"lower": 0.01', '"lower": NaN', 1))
    assert "NaN" in (judged / VERDICT).read_text()
    with pytest.raises(ArtifactError, match="NaN is no number"):
        put(workspace, bundle, judged)


@pytest.mark.parametrize("name", ["notes.txt", "code/loader.py"])
def test_an_extra_file_in_the_bundle(workspace: Workspace, bundle: Bundle, tmp_path: Path, name: str) -> None:
    judged = lay_down(tmp_path / "judged", make_verdict(bundle, DATASET), workspace)
    (bundle.folder / name).parent.mkdir(exist_ok=True)
    (bundle.folder / name).write_text("hello")
    with pytest.raises(ArtifactError, match="not in the manifest"):
        put(workspace, bundle, judged)
    assert registry.history(workspace, FAMILY, DATASET).length == 0
    assert list(workspace.model(FAMILY, DATASET).glob("*v1*")) == [], "not even a half is left"


def test_a_file_swapped_after_the_bundle_was_read(workspace: Workspace, bundle: Bundle, tmp_path: Path) -> None:
    judged = lay_down(tmp_path / "judged", make_verdict(bundle, DATASET), workspace)
    (bundle.folder / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(ArtifactError, match="sha256 differs"):
        put(workspace, bundle, judged)


def with_gate(verdict: Verdict, place: int, **changes: Any) -> Verdict:
    gates = list(verdict.gates)
    gates[place] = gates[place].model_copy(update=changes)
    return verdict.model_copy(update={"gates": tuple(gates)})


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "fail"},
        {"outcome": "insufficient evidence"},
        {"lower": -0.01},  # the end of the interval decides, not the value
        {"lower": 0.0},  # above is strictly above
        {"value": None},
        {"lower": None},
        {"lower": None, "upper": None, "value": 0.0},
        {"lower": 0.9, "upper": 0.1},
    ],
)
def test_a_signed_pass_with_a_gate_that_does_not_pass_by_its_own_numbers(
    workspace: Workspace, bundle: Bundle, changes: dict[str, Any]
) -> None:
    verdict = with_gate(make_verdict(bundle, DATASET), 0, **changes)
    refused(workspace, bundle, verdict, "says pass, but gate precision_lift does not")


def test_a_gate_below_its_bound_is_decided_by_the_upper_end(workspace: Workspace, bundle: Bundle) -> None:
    place = [gate.metric for gate in DEFAULT_GATES].index("placebo")
    verdict = with_gate(make_verdict(bundle, DATASET), place, upper=0.0501)
    refused(workspace, bundle, verdict, "gate placebo does not.*must be below 0.05")


def test_a_signed_pass_that_answers_less_or_something_else_than_was_asked(workspace: Workspace, bundle: Bundle) -> None:
    whole = make_verdict(bundle, DATASET)
    for gates in ((), whole.gates[1:], (*whole.gates, whole.gates[0])):
        verdict = whole.model_copy(update={"gates": gates})
        refused(workspace, bundle, verdict, "what was asked is not what was answered: .*precision_lift")
    moved = with_gate(whole, 0, bound=-1.0)
    refused(workspace, bundle, moved, "not what was answered")


def test_a_champion_that_was_asked_about_must_be_answered(workspace: Workspace, bundle: Bundle) -> None:
    verdict = make_verdict(bundle, DATASET, champion_digest="2" * 64)
    refused(workspace, bundle, verdict, "not what was answered: champion_log_loss")


def gates_with(**changes: dict[str, Any]) -> tuple[GateConfig, ...]:
    return tuple(gate.model_copy(update=changes.get(gate.metric, {})) for gate in DEFAULT_GATES)


LAXER = {
    "a gate is left out": ({"gates": DEFAULT_GATES[1:]}, "gate precision_lift is not asked"),
    "a bound is moved down": ({"gates": gates_with(auc={"bound": 0.49})}, "gate auc asks for above 0.49, not 0.5"),
    "a bound is moved up": ({"gates": gates_with(placebo={"bound": 0.06})}, "gate placebo asks for below 0.06, not 0"),
    "a side is turned": ({"gates": gates_with(net_sharpe={"side": "below"})}, "gate net_sharpe is not asked"),
    "less confidence": ({"confidence": 0.9}, "confidence is 0.9, not 0.95"),
    "too few resamples": ({"bootstrap_samples": 999}, "bootstrap_samples is 999, less than half of 2000"),
    "fewer times": ({"min_timestamps": 59}, "min_timestamps is 59, not 60"),
    "fewer signals": ({"min_signals": 1}, "min_signals is 1, not 100"),
    "fewer rows of a class": ({"min_rows_per_class": 1}, "min_rows_per_class is 1, not 20"),
    "no commission": ({"costs": CostConfig(commission=0.0)}, "costs.commission is 0.0, not 0.001"),
    "no slippage": ({"costs": CostConfig(slippage=0.0)}, "costs.slippage is 0.0, not 0.0005"),
    "another throw of the dice": ({"seed": 1}, "seed is 1, not 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", LAXER)
def test_a_judge_that_asks_less_than_the_family(workspace: Workspace, bundle: Bundle, case: str) -> None:
    changes, words = LAXER[case]
    verdict = make_verdict(bundle, DATASET, judge=JudgeConfig(**changes))
    refused(workspace, bundle, verdict, f"asks less than price_action demands: {words}")


def test_a_champion_may_not_be_passed_over(bundle: Bundle) -> None:
    judge = JudgeConfig(compare_with_champion=False)
    alone, beside = (make_verdict(bundle, DATASET, judge=judge, champion_digest=one) for one in (None, "2" * 64))
    assert shortfalls(alone) == []
    assert shortfalls(beside) == ["the champion was not compared with"]


def test_a_stricter_judge_is_welcome(workspace: Workspace, bundle: Bundle, tmp_path: Path) -> None:
    judge = JudgeConfig(
        gates=(*gates_with(auc={"bound": 0.55}, placebo={"bound": 0.01}), GateConfig(metric="class_ece", bound=0.1)),
        confidence=0.99, bootstrap_samples=1000, min_timestamps=100, costs=CostConfig(commission=0.01),
    )  # fmt: skip
    put(workspace, bundle, lay_down(tmp_path / "judged", make_verdict(bundle, DATASET, judge=judge), workspace))
    assert registry.history(workspace, FAMILY, DATASET).champion is not None


def test_each_family_demands_its_own_gates() -> None:
    found = {family: demanded(family).gates for family in ("price_action", "regime", "health", "hybrid")}
    wanted = {"price_action": DEFAULT_GATES, "regime": CLASS_GATES, "health": SCORE_GATES, "hybrid": ACTION_GATES}
    assert found == wanted


def test_gates_of_another_kind_do_not_stand_in(workspace: Workspace, tmp_path: Path) -> None:
    regime = make_bundle(tmp_path / "regime", 1, family="regime")
    verdict = make_verdict(regime, DATASET, judge=JudgeConfig())
    judged = lay_down(tmp_path / "judged", verdict, workspace)
    with pytest.raises(PromotionRefusedError, match="gate class_log_loss_skill is not asked"):
        put(workspace, regime, judged)
