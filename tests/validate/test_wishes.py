"""What would have to be true for a pass."""

import numpy as np
import pytest
from report_page import Page

from components.core.judge import GateConfig, JudgeConfig
from components.core.verdict import GateResult
from components.validate.gates import evaluate
from components.validate.judge import judge
from components.validate.wishes import value_needed, wish

OPEN = GateResult(
    metric="auc", title="Does it rank?", value=0.54, lower=0.46, upper=0.6, bound=0.5, side="above",
    outcome="insufficient evidence", reason="r",
)  # fmt: skip


def test_a_value_is_needed_as_far_above_the_bound_as_the_interval_reaches_down() -> None:
    assert value_needed(OPEN) == pytest.approx(0.58, abs=1e-12)  # 0.5 and the 0.08 from 0.46 to 0.54
    below = OPEN.model_copy(update={"side": "below"})
    assert value_needed(below) == pytest.approx(0.44, abs=1e-12)  # 0.5 less the 0.06 from 0.54 to 0.6
    assert value_needed(OPEN.model_copy(update={"lower": None})) == 0.5
    assert value_needed(OPEN.model_copy(update={"value": None, "lower": None})) is None


def test_an_open_gate_wants_a_value_or_a_longer_history() -> None:
    words = wish(OPEN, 100)
    assert words.startswith("Does it rank? Its lower bound must be above 0.5: with an interval as wide as this one, ")
    assert "a value above 0.580 would do; it is 0.540. If 0.540 is the true value, about " in words
    needed = int(words.split("about ")[1].split()[0])
    assert needed in {401, 402}  # 0.08 must shrink below 0.04
    assert f"{needed - 100} more than there are" in words


def test_a_failed_gate_wants_another_value_and_no_longer_history() -> None:
    words = wish(OPEN.model_copy(update={"value": 0.45, "lower": 0.41, "outcome": "fail"}), 100)
    assert words.endswith("a value above 0.540 would do; it is 0.450.")


def test_a_gate_without_an_interval_wants_its_bound_and_one_without_a_value_its_reason() -> None:
    placebo = OPEN.model_copy(
        update={"metric": "placebo", "side": "below", "bound": 0.05, "value": 0.3, "lower": None, "upper": None}
    )
    assert wish(placebo, 100) == "Does it rank? The value must be at most 0.05; it is 0.300."
    unmeasured = OPEN.model_copy(update={"value": None, "lower": None, "upper": None, "reason": "It says up 3 times."})
    assert wish(unmeasured, 100) == "Does it rank? It says up 3 times."


def test_a_control_says_itself_how_long_a_zone_would_do(make_zone) -> None:
    config = JudgeConfig(gates=(GateConfig(metric="planted_control", bound=0.8),))
    [answer] = evaluate(make_zone(skill=0.3, num_times=80, num_symbols=2), config, bars_per_year=252.0)
    assert wish(answer, 80) == f"{answer.title} {answer.reason}"


def test_the_report_lists_a_wish_for_every_gate_that_was_not_passed(bench, make_zone) -> None:
    table, bundle = make_zone(skill=0.0, seed=1), bench.bundle()
    verdict = judge(
        bundle, bench.examples(table), bench.folder / "out", bench.run, config=JudgeConfig(bootstrap_samples=100),
        family=bench.family({bundle.digest: table}), champion=None,
    )  # fmt: skip
    text = Page((bench.folder / "out" / "report.html").read_text(encoding="utf-8")).text
    missed = [gate for gate in verdict.gates if gate.outcome != "pass"]
    assert len(missed) >= 4
    for gate in missed:
        assert wish(gate, int(np.unique(table.timestamp).size)) in text
