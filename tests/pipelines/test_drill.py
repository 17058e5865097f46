"""The drill: what counts as held, and, slowly, every plant before the real judge; a drill that cannot fail is none."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.gates import gates
from components.core import family as families
from components.core.errors import UsageError
from components.core.judge import GateConfig, JudgeConfig
from components.core.verdict import GateResult, Verdict
from pipelines.calibration import RECIPE
from pipelines.drill import FAMILY, Attempt, Field, Matrix, attempt, judge_without


def gate(metric: str, outcome: str, zone: str = "test") -> GateResult:
    return GateResult.parse(
        {"metric": metric, "title": "?", "value": 0.0, "lower": None, "upper": None, "bound": 0.0, "side": "above",
         "zone": zone, "outcome": outcome, "reason": "because"}, name="test",
    )  # fmt: skip


def verdict(outcome: str, *gates: GateResult) -> Verdict:
    facts: dict[str, Any] = {name: "x" for name, field in Verdict.model_fields.items() if field.annotation is str}
    facts |= {"verdict": outcome, "gates": gates, "metrics": {}, "judge": JudgeConfig(), "champion_digest": None}
    facts |= {name: 0 for name, field in Verdict.model_fields.items() if field.annotation is int}
    return Verdict.model_construct(**facts)


def tried(outcome: str, judged: Verdict | None, *, wanted: str = "refused", **others: Any) -> Attempt:
    facts: dict[str, Any] = {"plant": "it", "story": "", "wanted": wanted, "refusal": "", **others}
    return Attempt(verdict=judged, outcome=outcome, **facts)


def test_a_bad_model_must_be_refused_and_a_good_one_promoted() -> None:
    failed, passed = verdict("fail", gate("auc", "fail")), verdict("pass", gate("auc", "pass"))
    assert tried("refused", failed).held
    assert not tried("promoted", passed).held
    assert not tried("unchanged", passed).held
    assert tried("promoted", passed, wanted="promoted").held
    assert not tried("refused", failed, wanted="promoted").held


def test_to_be_refused_by_accident_is_not_enough() -> None:
    failed = verdict("fail", gate("auc", "fail"), gate("placebo", "pass"))
    assert tried("refused", failed, meant_gate="auc").held
    assert not tried("refused", failed, meant_gate="placebo").held
    passed = verdict("pass", gate("auc", "pass"))
    assert tried("refused", passed, refusal="promote: sha256 differs", meant_words="sha256 differs").held
    assert not tried("refused", passed, refusal="promote: no such key", meant_words="sha256 differs").held
    assert not tried("refused", passed, refusal="promote: auc is not asked", meant_gate="auc").held
    assert not tried("refused", None).held  # nobody says why


def test_only_the_gates_that_decided_are_named_and_a_refusal_goes_first() -> None:
    failed = verdict("fail", gate("auc", "fail"), gate("auc", "insufficient evidence", "holdout"))
    assert tried("refused", failed).caught_by == ["auc"]
    assert tried("refused", failed, refusal="promote: forged").caught_by == ["promote: forged"]


def test_the_matrix_has_a_row_for_each_plant_and_a_column_for_each_gate_and_zone() -> None:
    failed = verdict("fail", gate("auc", "fail"), gate("auc", "insufficient evidence", "holdout"))
    good = tried("promoted", verdict("pass", gate("placebo", "pass")), wanted="promoted", plant="good")
    matrix = Matrix((good, tried("refused", failed, plant="random")))
    assert matrix.held
    lines = matrix.text().splitlines()
    assert lines[1].split() == ["good", ".", "promoted", "yes"]
    assert lines[2].split() == ["random", "X", "?", "refused", "yes", "auc"]
    assert lines[-3:] == [" 1 placebo", " 2 auc", " 3 auc of the holdout"]
    assert not Matrix((good, tried("promoted", failed, plant="random"))).held


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    """Markets and trained models, for several drills."""
    from pipelines.planting import sow  # noqa: PLC0415 - loads torch

    family = families.find(FAMILY)
    made = Field(tmp_path_factory.mktemp("field"), family, family.recipe(RECIPE))
    sow(made)
    return made


def weakened(field: Field, gates: tuple[GateConfig, ...]) -> Field:
    judge = field.recipe.judge.model_copy(update={"gates": gates})
    return Field(field.folder, field.family, field.recipe.model_copy(update={"judge": judge}))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_without_its_gate_a_leak_passes_all_others_and_the_drill_says_so(field: Field) -> None:
    from pipelines.planting import PLANTS  # noqa: PLC0415 - loads torch

    asked = tuple(gate for gate in field.recipe.judge.gates if gate.metric != "feature_causality")
    plants = {plant.name: plant for plant in PLANTS}
    leak = attempt(plants["leaking feature"], weakened(field, asked))
    assert leak.verdict is not None
    assert leak.verdict.verdict == "pass", leak.verdict.reason
    assert leak.outcome == "refused"  # by the promote step, which knows what the family asks
    assert not leak.held
    good = attempt(plants["good"], weakened(field, asked))
    assert not good.held
    assert not Matrix((good, leak)).held


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_plant_goes_as_it_must_and_the_command_exits_0(tmp_path: Path) -> None:
    result = CliRunner().invoke(gates, ["drill", "--json", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    kept = json.loads((tmp_path / "drill.json").read_text())
    assert kept["held"]
    assert json.loads(result.stdout) == kept["attempts"]
    outcomes = {attempt["plant"]: attempt["outcome"] for attempt in kept["attempts"]}
    assert outcomes.pop("good") == "promoted"
    assert set(outcomes.values()) == {"refused"}
    assert len(outcomes) >= 14


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_with_a_gate_left_out_the_command_exits_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(gates, ["drill", "--without", "export_parity", "--out", str(tmp_path)])
    assert isinstance(result.exception, SystemExit), result.output  # it ended, and did not crash
    assert result.exit_code == 1
    kept = json.loads((tmp_path / "drill.json").read_text())
    held = {attempt["plant"]: attempt["held"] for attempt in kept["attempts"]}
    assert not held["good"]
    assert not held["another graph"]


def test_a_gate_that_is_not_asked_cannot_be_left_out() -> None:
    with pytest.raises(UsageError, match=r"no gate asks about it\. There is precision_lift, auc"):
        judge_without("luck")
    assert "auc" not in {gate.metric for gate in judge_without("auc").gates}
