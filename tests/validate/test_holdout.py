"""The sealed holdout: who may open it, what an opening costs, and what is left on record."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest

from components.core.errors import ArtifactError, RecipeError
from components.core.judge import CLASS_GATES, JudgeConfig
from components.core.span import Span
from components.core.verdict import GateResult, Verdict
from components.validate.holdout import Opening, Sealed, confidence_after, open_days
from components.validate.judge import judge

QUICK = JudgeConfig(bootstrap_samples=100)
FIRST, SECOND = "e" * 64, "f" * 64
MORE = 50


def look(
    bench, table, *, name: str = "bundle", seed: int = 7, digest: str = FIRST, holdout: bool = True,
    config: JudgeConfig = QUICK, killed_at: str = "", sealed_rows=None, past=None,
) -> Verdict:  # fmt: skip
    bundle = bench.bundle(name, examples=digest, seed=seed)
    zones = {"test": table, "holdout": sealed_rows, "train": past}
    answers = {zone: rows for zone, rows in zones.items() if rows is not None}
    return judge(
        bundle, bench.examples(table, digest=digest, holdout=holdout), bench.folder / f"out-{name}", bench.run,
        config=config, family=bench.family({bundle.digest: answers}, killed_at=killed_at), champion=None,
    )  # fmt: skip


def later(table, *, days: int):
    return replace(table, timestamp=table.timestamp + np.timedelta64(days, "D"))


def openings(bench) -> list[dict]:
    return bench.run.workspace.holdouts("stored", "planted").read()


def sealed(verdict: Verdict) -> GateResult:
    [answer] = [gate for gate in verdict.gates if gate.zone == "holdout"]
    return answer


@pytest.fixture
def good(make_zone):
    """250 days of 2024, which end on 6 September."""
    return make_zone(skill=0.35)


def test_after_all_other_gates_it_is_opened_and_the_opening_is_on_record(bench, good) -> None:
    verdict = look(bench, good)
    assert verdict.verdict == "pass"
    assert sealed(verdict).title == "Sealed holdout: Does it rank bars that rise above bars that fall?"
    assert "95% confidence" in sealed(verdict).reason
    [entry] = openings(bench)
    wanted = {
        "bundle": verdict.bundle_digest, "recipe": verdict.recipe_digest, "examples": FIRST, "run_key": "r1",
        "span": {"first": "2024-09-07", "last": "2025-05-14"}, "num_times": 250 - 64 - 1 + 1,
    }  # fmt: skip
    assert wanted.items() <= entry.items()


@pytest.mark.parametrize(("skill", "num_times", "outcome"), [(0.0, 250, "fail"), (0.35, 59, "insufficient evidence")])
def test_where_another_gate_did_not_pass_it_stays_sealed(bench, make_zone, skill, num_times, outcome) -> None:
    verdict = look(bench, make_zone(skill=skill, num_times=num_times, seed=1))
    assert verdict.verdict == outcome
    assert sealed(verdict).outcome == "insufficient evidence"
    assert sealed(verdict).reason == "It stays sealed until every other gate has passed."
    assert openings(bench) == []


def test_skill_that_is_gone_on_the_sealed_days_fails(bench, good, make_zone) -> None:
    luck = later(make_zone(skill=0.0, seed=1), days=250)
    verdict = look(bench, good, sealed_rows=replace(luck, probability=1 - luck.label * 0.9))
    assert verdict.verdict == "fail"
    assert [gate.zone for gate in verdict.gates if gate.outcome == "fail"] == ["holdout"]


def test_the_same_bundle_on_the_same_examples_may_look_again(bench, good) -> None:
    first, second = look(bench, good), look(bench, good)
    assert first == second
    assert len(openings(bench)) == 1


def test_a_bound_that_is_moved_after_the_look_costs_another_look(bench, good) -> None:
    look(bench, good)
    moved = JudgeConfig(bootstrap_samples=100, seed=1)
    assert "with 97.5% confidence" in sealed(look(bench, good, config=moved)).reason
    assert len(openings(bench)) == 2


def test_a_judge_that_was_killed_after_the_opening_goes_on(bench, good) -> None:
    with pytest.raises(KeyboardInterrupt):
        look(bench, good, killed_at="holdout")
    assert len(openings(bench)) == 1
    assert not (bench.folder / "out-bundle" / "verdict.json").exists()
    assert look(bench, good).verdict == "pass"
    assert len(openings(bench)) == 1


def test_another_recipe_may_not_open_the_days_and_hears_who_did(bench, good) -> None:
    winner = look(bench, good)
    verdict = look(bench, good, name="other", seed=8)
    assert verdict.verdict == "insufficient evidence"
    assert sealed(verdict).reason == (
        f"2024-09-07 to 2025-05-14 were opened by run r1 for bundle {winner.bundle_digest[:12]}; "
        "ingest bars after 2025-05-14, until the holdout begins after it."
    )
    assert sealed(verdict).reason in verdict.reason
    assert [entry["bundle"] for entry in openings(bench)] == [winner.bundle_digest]
    on_the_last_day = look(bench, later(good, days=249), name="third", seed=9, digest=SECOND)
    assert on_the_last_day.verdict == "insufficient evidence"
    assert look(bench, later(good, days=250), name="fourth", seed=9, digest=SECOND).verdict == "pass"
    assert len(openings(bench)) == 2


def test_the_same_recipe_pays_for_each_earlier_look_at_shared_days(bench, good) -> None:
    confidences = []
    for number in range(3):
        table, name = later(good, days=MORE * number), f"b{number}"
        confidences.append(sealed(look(bench, table, name=name, digest=f"{number}" * 64)).reason)
    apart = look(bench, later(good, days=250 + MORE * 3), name="b3", digest="3" * 64)
    assert [text.split(" with ")[1].split(" conf")[0] for text in confidences] == ["95%", "97.5%", "98.33%"]
    assert "with 95% confidence" in sealed(apart).reason
    again = look(bench, later(good, days=MORE), name="b1", digest="1" * 64)
    assert sealed(again).reason == confidences[1]
    assert len(openings(bench)) == 4


@pytest.mark.parametrize(("num_earlier", "wanted"), [(0, 0.95), (1, 0.975), (4, 0.99)])
def test_confidence_is_shared_out_over_the_looks(num_earlier: int, wanted: float) -> None:
    assert confidence_after(0.95, num_earlier) == pytest.approx(wanted, abs=1e-12)


def test_examples_without_a_holdout_are_told_how_to_get_one(bench, good) -> None:
    verdict = look(bench, good, holdout=False)
    assert verdict.verdict == "insufficient evidence"
    assert "Give data.zones.holdout a share" in sealed(verdict).reason
    test_only = QUICK.model_copy(update={"gates": tuple(gate for gate in QUICK.gates if gate.zone == "test")})
    assert look(bench, good, holdout=False, config=test_only).verdict == "pass"
    assert openings(bench) == []


def test_a_holdout_that_is_too_short_to_answer_is_not_opened_for_nothing(bench, make_zone) -> None:
    table = make_zone(skill=0.5, num_times=93, num_symbols=40)
    verdict = look(bench, table)
    assert {gate.outcome for gate in verdict.gates if gate.zone == "test"} == {"pass"}
    assert "at most 29 decision times, and 30 are needed" in sealed(verdict).reason
    assert openings(bench) == []


def test_a_class_that_did_not_come_on_the_sealed_days_does_not_close_them(bench, make_classes) -> None:
    table, past = make_classes(), make_classes(num_times=600, seed=4)
    kept = np.flatnonzero(table.label != 4)
    columns = ("symbol", "timestamp", "probability", "label", "now")
    rare = replace(later(table, days=400), **{name: getattr(later(table, days=400), name)[kept] for name in columns})
    config = JudgeConfig(gates=CLASS_GATES, bootstrap_samples=100)
    verdict = look(bench, table, config=config, sealed_rows=rare, past=past)
    assert sealed(verdict).outcome == "pass"
    assert sealed(verdict).value is not None


def _judge_alone(bench, table, seed: int, barrier) -> None:
    barrier.wait(60)
    look(bench, table, name=f"b{seed}", seed=seed)


def test_of_four_judges_of_four_recipes_at_once_one_opens_and_all_are_counted(bench, good) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    bench.examples(good)
    judges = [context.Process(target=_judge_alone, args=(bench, good, seed, barrier)) for seed in range(4)]
    for each in judges:
        each.start()
    for each in judges:
        each.join(120)
        assert each.exitcode == 0
    assert len(openings(bench)) == 1
    trials = bench.run.workspace.trials("stored", "planted").read()
    assert len({entry["recipe"] for entry in trials}) == len(trials) == 4


def test_openings_that_were_edited_close_the_holdout(bench, good) -> None:
    look(bench, good)
    look(bench, later(good, days=300), name="other", seed=8, digest=SECOND)
    path = bench.run.workspace.holdouts("stored", "planted").folder / "00000000.json"
    path.write_text(path.read_text().replace("2025-05-14", "2024-09-08"))
    with pytest.raises(ArtifactError, match="chain is broken"):
        look(bench, good, name="third", seed=9)
    assert not (bench.folder / "out-third" / "verdict.json").exists()


def test_a_rival_that_lands_first_keeps_the_days(bench) -> None:
    ledger = bench.run.workspace.holdouts("stored", "planted")
    mine = Opening(
        run_key="r", bundle="b", recipe="c", examples="e", judge="j", span=Span("2024-01-01", "2024-02-01"), num_times=9
    )
    rival = replace(mine, bundle="b2", recipe="c2", span=Span("2024-02-01", "2024-03-01"))
    assert open_days(ledger, mine) == 0
    assert isinstance(open_days(ledger, rival), Sealed)
    assert open_days(ledger, replace(mine, bundle="b3")) == 1
    assert open_days(ledger, mine) == 0


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        ([{"metric": "auc", "bound": 0.5, "zone": "holdout"}] * 2, "auc more than once for the holdout"),
        ([{"metric": "champion_log_loss", "bound": 0.5, "zone": "holdout"}], "champion_log_loss of the holdout"),
        ([{"metric": "auc", "bound": 0.5, "zone": "train"}], "gates.0.zone"),
    ],
)
def test_questions_that_the_holdout_cannot_be_asked(gates: list[dict], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        JudgeConfig.parse({"gates": gates}, name="judge")
