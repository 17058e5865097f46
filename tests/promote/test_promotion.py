"""Promotion and rollback as they are meant: the ledger is the truth, everything else follows it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from judged import lay_down, make_bundle, make_verdict

from components.core import registry
from components.core.bundle import Bundle
from components.core.errors import ArtifactError, LedgerRaceError, PromotionRefusedError
from components.core.judge import JudgeConfig
from components.core.verdict import VERDICT, Measurement, Verdict
from components.core.workspace import Workspace
from components.promote import tracking
from components.promote.promotion import agrees, derive, enter, promote, roll_back

FAMILY, DATASET = "price_action", "toy"


def clock() -> datetime:
    return datetime(2026, 1, 5, 12, tzinfo=UTC)


def history(workspace: Workspace) -> registry.ModelHistory:
    return registry.history(workspace, FAMILY, DATASET)


def entered(workspace: Workspace, bundle: Bundle, before: registry.ModelHistory | None = None) -> registry.ModelHistory:
    """Judge the bundle after ``before``, the present history unless said, and promote it."""
    judged = bundle.folder.with_name(f"{bundle.folder.name}-verdict")
    verdict = make_verdict(bundle, DATASET, before or history(workspace))
    lay_down(judged, verdict, workspace)
    return enter(workspace, bundle, judged, dataset=DATASET, run_key="k", clock=clock)


def test_a_client_of_one_root_sends_nobody_elses_records_there(tracked: Workspace, tmp_path: Path) -> None:
    tracking.client(tracked)
    other = Workspace.at(str(tmp_path / "other"))
    assert other.mlflow_uri == f"sqlite:///{other.root / 'mlflow' / 'mlflow.db'}"


def test_a_pass_makes_a_champion_and_doing_it_twice_is_doing_it_once(workspace: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    before = history(workspace)
    first = entered(workspace, bundle, before)
    assert first.champion is not None
    assert first.champion.load().digest == bundle.digest
    assert entered(workspace, bundle, before) == first
    assert entered(workspace, bundle) == first
    assert first.length == 1


def test_the_evidence_of_the_first_promotion_is_kept_and_is_what_the_ledger_names(
    workspace: Workspace, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    champion = entered(workspace, bundle).champion
    assert champion is not None
    kept = champion.verdict(workspace.verify_key)
    assert {path.name for path in champion.evidence.iterdir()} == {VERDICT, "examples.json"}
    entered(workspace, bundle)  # judged again, against itself
    assert champion.verdict(workspace.verify_key) == kept
    again = lay_down(tmp_path / "other", make_verdict(bundle, DATASET, history(workspace)), workspace)
    (champion.evidence / VERDICT).write_bytes((again / VERDICT).read_bytes())
    with pytest.raises(PromotionRefusedError, match="not the verdict"):
        champion.verdict(workspace.verify_key)


def test_a_champion_without_evidence_of_an_older_release_is_promoted_again_with_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    champion = entered(workspace, bundle).champion
    assert champion is not None
    champion.evidence.rename(tmp_path / "gone")
    renewed = entered(workspace, bundle).champion
    assert renewed is not None
    assert (renewed.version, renewed.bundle) == (2, bundle.digest)
    assert renewed.verdict(workspace.verify_key).champion_digest == bundle.digest


def test_a_verdict_given_before_another_promotion_loses_and_names_the_winner(
    workspace: Workspace, tmp_path: Path
) -> None:
    first, second, third = (make_bundle(tmp_path / str(number), number) for number in (1, 2, 3))
    before = entered(workspace, first)
    entered(workspace, second, before)
    with pytest.raises(LedgerRaceError, match=f"now version 2, bundle {second.digest[:12]} of run k, serves"):
        entered(workspace, third, before)
    champion = history(workspace).champion
    assert champion is not None
    assert champion.bundle == second.digest


def test_rollback_returns_to_the_one_before_and_then_stops(tracked: Workspace, tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "1", 1), make_bundle(tmp_path / "2", 2)
    entered(tracked, first)
    entered(tracked, second)
    after = roll_back(tracked, FAMILY, DATASET, clock=clock)
    assert after.champion is not None
    assert (after.champion.version, after.champion.bundle, after.length) == (1, first.digest, 3)
    latest = json.loads((tracked.model(FAMILY, DATASET) / "latest.json").read_text())
    assert latest["bundle"] == first.digest
    with pytest.raises(PromotionRefusedError, match="no earlier champion"):
        roll_back(tracked, FAMILY, DATASET, clock=clock)
    again = entered(tracked, second)
    assert again.champion is not None
    assert again.champion.version == 3
    assert [item.version for item in again.promoted] == [1, 2, 3]


def test_a_verdict_from_before_a_rollback_does_not_bring_the_model_back(tracked: Workspace, tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "1", 1), make_bundle(tmp_path / "2", 2)
    before = entered(tracked, first)
    entered(tracked, second, before)
    roll_back(tracked, FAMILY, DATASET, clock=clock)
    with pytest.raises(LedgerRaceError, match="now version 1"):
        entered(tracked, second, before)


def test_rollback_to_an_altered_bundle_is_refused_and_the_champion_stays(tracked: Workspace, tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "1", 1), make_bundle(tmp_path / "2", 2)
    before = entered(tracked, first)
    assert before.champion is not None
    entered(tracked, second)
    (before.champion.folder / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="sha256 differs"):
        roll_back(tracked, FAMILY, DATASET, clock=clock)
    champion = history(tracked).champion
    assert champion is not None
    assert champion.bundle == second.digest


def test_aliases_and_latest_follow_the_ledger_after_a_crash_between(tracked: Workspace, tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "1", 1), make_bundle(tmp_path / "2", 2)
    entered(tracked, first)
    assert agrees(tracked, derive(tracked, FAMILY, DATASET))
    entered(tracked, second)  # the ledger has it; alias and pointer were never written
    assert not agrees(tracked, history(tracked))
    client = tracking.client(tracked)
    name = tracking.model_name(FAMILY, DATASET)
    assert client.get_model_version_by_alias(name, "champion").tags[tracking.BUNDLE] == first.digest
    derive(tracked, FAMILY, DATASET)
    assert client.get_model_version_by_alias(name, "champion").tags[tracking.BUNDLE] == second.digest
    assert client.get_model_version_by_alias(name, "previous").tags[tracking.BUNDLE] == first.digest
    derive(tracked, FAMILY, DATASET)
    assert len(client.search_model_versions(f"name = '{name}'")) == 2
    roll_back(tracked, FAMILY, DATASET, clock=clock)
    assert client.get_model_version_by_alias(name, "champion").tags[tracking.BUNDLE] == first.digest
    assert "previous" not in client.get_registered_model(name).aliases


def step(workspace: Workspace, bundle: Bundle, folder: Path) -> str:
    return promote(str(bundle.folder), str(folder), FAMILY, DATASET, root=str(workspace.root), run_key="k")


def said(workspace: Workspace) -> str:
    return json.loads((workspace.run("k") / "promote.json").read_text())["reason"]


def test_the_step_records_a_refused_model_once_and_promotes_nothing(tracked: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    metrics = {"auc": Measurement(zone="test", value=0.6), "sharpe": Measurement(zone="test", value=None)}
    verdict = make_verdict(bundle, DATASET, verdict="fail", metrics=metrics)
    folder = lay_down(tmp_path / "verdict", verdict, tracked)
    assert step(tracked, bundle, folder) == "refused"
    assert step(tracked, bundle, folder) == "refused"
    assert said(tracked) == "the verdict is fail"
    runs = tracking.client(tracked).search_runs(["1"])
    assert [run.data.tags["qf.verdict"] for run in runs] == ["fail"]
    assert runs[0].data.metrics == {"test/auc": 0.6}
    assert runs[0].data.params["train.lr"] == "0.1"
    assert history(tracked).length == 0


@pytest.mark.promise("S4-52")
def test_a_recipe_names_the_experiment_that_its_runs_are_recorded_in(tracked: Workspace, tmp_path: Path) -> None:
    for name, config in (("named", {"experiment": "hybrid_v1"}), ("unnamed", {"experiment": ""})):
        bundle = make_bundle(tmp_path / name, len(name), config=config)
        folder = lay_down(tmp_path / f"{name}-verdict", make_verdict(bundle, DATASET, verdict="fail"), tracked)
        assert step(tracked, bundle, folder) == "refused"
    store = tracking.client(tracked)
    found = {item.name: item.experiment_id for item in store.search_experiments() if item.name != "Default"}
    assert found.keys() == {"hybrid_v1", FAMILY}
    for experiment_id in found.values():
        assert len(store.search_runs([experiment_id])) == 1


def test_the_step_refuses_a_pass_by_a_laxer_judge_and_says_what_is_lacking(tracked: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    verdict = make_verdict(bundle, DATASET, judge=JudgeConfig(min_signals=5))
    assert step(tracked, bundle, lay_down(tmp_path / "verdict", verdict, tracked)) == "refused"
    assert said(tracked).startswith("its judge asks less than price_action demands: min_signals is 5, not 100. Judge")
    assert history(tracked).length == 0
    assert not (tracked.model(FAMILY, DATASET) / "latest.json").exists()


def altered(verdict: Path) -> None:
    path = verdict / VERDICT
    path.write_text(path.read_text().replace('"fail"', '"pass"'))


def test_the_step_ends_with_65_on_a_tampered_verdict(tracked: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    verdict: Verdict = make_verdict(bundle, DATASET, verdict="fail")
    altered(lay_down(tmp_path / "verdict", verdict, tracked))
    with pytest.raises(SystemExit) as caught:
        step(tracked, bundle, tmp_path / "verdict")
    assert caught.value.code == 65
    assert "signature does not fit" in json.loads((tracked.run("k") / "error.json").read_text())["message"]
    assert history(tracked).length == 0


def test_the_step_ends_with_65_on_an_altered_bundle(tracked: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    lay_down(tmp_path / "verdict", make_verdict(bundle, DATASET), tracked)
    (bundle.folder / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(SystemExit) as caught:
        step(tracked, bundle, tmp_path / "verdict")
    assert caught.value.code == 65
    assert history(tracked).length == 0


def test_the_step_wants_the_public_key_alone(
    tracked: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "judging"))
    folder = lay_down(tmp_path / "verdict", make_verdict(bundle, DATASET), tracked)
    tracked.verify_key.rename(tmp_path / "trusted.pub")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "promoting"))
    with pytest.raises(SystemExit) as caught:
        step(tracked, bundle, folder)
    assert caught.value.code == 65
    assert "no such public key" in json.loads((tracked.run("k") / "error.json").read_text())["message"]
    monkeypatch.setenv("QF_VERIFY_KEY", str(tmp_path / "trusted.pub"))
    assert step(tracked, bundle, folder) == "promoted"
    assert not (tmp_path / "promoting").exists(), "no key was made"
