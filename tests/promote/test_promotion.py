"""Promotion: only a passing, untampered verdict for exactly this bundle; the ledger is the truth."""

import json
import multiprocessing
import multiprocessing.synchronize
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.core import bundle as bundles
from components.core import registry
from components.core.bundle import Bundle
from components.core.errors import ArtifactError, LedgerRaceError, PromotionRefusedError, QuantfoundryError
from components.core.judge import JudgeConfig
from components.core.verdict import VERDICT, Verdict, write
from components.core.workspace import Workspace
from components.promote import tracking
from components.promote.promotion import derive, enter, promote, roll_back

pytestmark = pytest.mark.filterwarnings(r"ignore:The ``noload`` loader strategy:DeprecationWarning")  # MLflow's own
FAMILY, DATASET = "price_action", "toy"


def clock() -> datetime:
    return datetime(2026, 1, 5, 12, tzinfo=UTC)


def make_bundle(folder: Path, weight: int) -> Bundle:
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(bytes([weight] * 64))
    return bundles.seal(folder, family=FAMILY, config={"train": {"lr": 0.1}}, schema={}, data={}, notes={})


def make_verdict(bundle: Bundle, champion: str | None, outcome: str = "pass") -> Verdict:
    values: dict[str, Any] = {
        "verdict": outcome, "reason": "because", "gates": [], "family": FAMILY, "bundle_digest": bundle.digest,
        "metrics": {"auc": {"zone": "test", "value": 0.6}, "sharpe": {"zone": "test", "value": None}},
        "examples_digest": "e", "recipe_digest": "r", "champion_digest": champion,
        "judge": json.loads(JudgeConfig().canonical()), "run_key": "k", "created": "2026-01-05T12:00:00+00:00",
    }  # fmt: skip
    return Verdict.parse(values, name="test")


def entered(workspace: Workspace, bundle: Bundle, champion: str | None) -> registry.ModelHistory:
    verdict = make_verdict(bundle, champion)
    return enter(workspace, bundle, verdict, dataset=DATASET, run_key="k", clock=clock)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(str(tmp_path / "root"))


def test_a_pass_makes_a_champion_and_doing_it_twice_is_doing_it_once(workspace: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    first = entered(workspace, bundle, None)
    assert first.champion is not None
    assert first.champion.load().digest == bundle.digest
    assert entered(workspace, bundle, None) == first
    assert first.length == 1


@pytest.mark.parametrize("outcome", ["fail", "insufficient evidence"])
def test_no_other_outcome_is_promoted(workspace: Workspace, tmp_path: Path, outcome: str) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    with pytest.raises(PromotionRefusedError, match=outcome):
        enter(workspace, bundle, make_verdict(bundle, None, outcome), dataset=DATASET, run_key="k", clock=clock)
    assert registry.history(workspace, FAMILY, DATASET).champion is None


def test_a_verdict_for_another_bundle_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    judged, other = make_bundle(tmp_path / "a", 1), make_bundle(tmp_path / "b", 2)
    with pytest.raises(PromotionRefusedError, match=f"for bundle {judged.digest[:12]}, not {other.digest[:12]}"):
        enter(workspace, other, make_verdict(judged, None), dataset=DATASET, run_key="k", clock=clock)


def test_a_verdict_against_an_earlier_champion_loses(workspace: Workspace, tmp_path: Path) -> None:
    first, second, third = (make_bundle(tmp_path / str(number), number) for number in (1, 2, 3))
    entered(workspace, first, None)
    entered(workspace, second, first.digest)
    with pytest.raises(LedgerRaceError, match="champion changed"):
        entered(workspace, third, first.digest)
    champion = registry.history(workspace, FAMILY, DATASET).champion
    assert champion is not None
    assert champion.bundle == second.digest


def test_rollback_returns_to_the_one_before_and_then_stops(workspace: Workspace, tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "1", 1), make_bundle(tmp_path / "2", 2)
    entered(workspace, first, None)
    entered(workspace, second, first.digest)
    after = roll_back(workspace, FAMILY, DATASET, clock=clock)
    assert after.champion is not None
    assert (after.champion.version, after.champion.bundle, after.length) == (1, first.digest, 3)
    latest = json.loads((workspace.model(FAMILY, DATASET) / "latest.json").read_text())
    assert latest["bundle"] == first.digest
    with pytest.raises(PromotionRefusedError, match="no earlier champion"):
        roll_back(workspace, FAMILY, DATASET, clock=clock)
    again = entered(workspace, second, first.digest)
    assert again.champion is not None
    assert again.champion.version == 3


def test_rollback_to_an_altered_bundle_is_refused_and_the_champion_stays(workspace: Workspace, tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "1", 1), make_bundle(tmp_path / "2", 2)
    before = entered(workspace, first, None)
    assert before.champion is not None
    entered(workspace, second, first.digest)
    (before.champion.folder / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="sha256 differs"):
        roll_back(workspace, FAMILY, DATASET, clock=clock)
    champion = registry.history(workspace, FAMILY, DATASET).champion
    assert champion is not None
    assert champion.bundle == second.digest


def _race(root: str, folder: Path, number: int, barrier: multiprocessing.synchronize.Barrier) -> None:
    bundle = make_bundle(folder / str(number), number)
    barrier.wait(60)
    try:
        entered(Workspace.at(root), bundle, None)
        (folder / f"won-{number}").touch()
    except QuantfoundryError:
        pass


def test_of_four_promoters_at_once_one_wins(workspace: Workspace, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    racers = [context.Process(target=_race, args=(str(workspace.root), tmp_path, n, barrier)) for n in (1, 2, 3, 4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
        assert racer.exitcode == 0
    won = [path.name for path in tmp_path.glob("won-*")]
    history = registry.history(workspace, FAMILY, DATASET)
    assert len(won) == history.length == 1
    assert history.champion is not None
    assert history.champion.bundle == bundles.load(tmp_path / won[0].removeprefix("won-")).digest


def test_aliases_and_latest_follow_the_ledger_after_a_crash_between(workspace: Workspace, tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "1", 1), make_bundle(tmp_path / "2", 2)
    derive(workspace, entered(workspace, first, None))
    crashed = entered(workspace, second, first.digest)  # the ledger has it; alias and pointer were never written
    client = tracking.client(workspace)
    name = tracking.model_name(FAMILY, DATASET)
    assert client.get_model_version_by_alias(name, "champion").tags[tracking.BUNDLE] == first.digest
    derive(workspace, registry.history(workspace, FAMILY, DATASET))
    assert client.get_model_version_by_alias(name, "champion").tags[tracking.BUNDLE] == second.digest
    assert client.get_model_version_by_alias(name, "previous").tags[tracking.BUNDLE] == first.digest
    derive(workspace, crashed)
    assert len(client.search_model_versions(f"name = '{name}'")) == 2
    roll_back(workspace, FAMILY, DATASET, clock=clock)
    assert client.get_model_version_by_alias(name, "champion").tags[tracking.BUNDLE] == first.digest
    assert "previous" not in client.get_registered_model(name).aliases


def step(workspace: Workspace, bundle: Bundle, folder: Path) -> str:
    return promote(str(bundle.folder), str(folder), FAMILY, DATASET, root=str(workspace.root), run_key="k")


def test_the_step_records_a_refused_model_once_and_promotes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    write(tmp_path / "verdict" / VERDICT, make_verdict(bundle, None, "fail"), workspace.signing_key)
    assert step(workspace, bundle, tmp_path / "verdict") == "refused"
    assert step(workspace, bundle, tmp_path / "verdict") == "refused"
    runs = tracking.client(workspace).search_runs(["1"])
    assert [run.data.tags["qf.verdict"] for run in runs] == ["fail"]
    assert runs[0].data.metrics == {"test/auc": 0.6}
    assert runs[0].data.params["train.lr"] == "0.1"
    assert registry.history(workspace, FAMILY, DATASET).length == 0


def test_the_step_ends_with_65_on_a_tampered_verdict(workspace: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    path = tmp_path / "verdict" / VERDICT
    write(path, make_verdict(bundle, None, "fail"), workspace.signing_key)
    path.write_text(path.read_text().replace('"fail"', '"pass"'))
    with pytest.raises(SystemExit) as caught:
        step(workspace, bundle, tmp_path / "verdict")
    assert caught.value.code == 65
    assert "signature does not fit" in json.loads((workspace.run("k") / "error.json").read_text())["message"]
    assert registry.history(workspace, FAMILY, DATASET).length == 0


def test_the_step_ends_with_65_on_an_altered_bundle(workspace: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a", 1)
    write(tmp_path / "verdict" / VERDICT, make_verdict(bundle, None), workspace.signing_key)
    (bundle.folder / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(SystemExit) as caught:
        step(workspace, bundle, tmp_path / "verdict")
    assert caught.value.code == 65
    assert registry.history(workspace, FAMILY, DATASET).length == 0
