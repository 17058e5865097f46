"""The profit family and its portfolios: promoted where there is something to know, refused where there is nothing."""

from pathlib import Path

import pytest

from components.core import family as families
from pipelines.calibration import RECIPE
from pipelines.proving import Ground, judge, prepare, promote, train

pytestmark = [
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "outcome"), [("planted", "promoted"), ("noise", "refused")])
def test_a_planted_market_is_promoted_and_its_noise_twin_refused(kind: str, outcome: str, tmp_path: Path) -> None:
    member = families.find("profit")
    assert member.truth is not None
    recipe, ground = member.recipe(RECIPE), Ground(tmp_path, tmp_path / "root")
    prepare(ground, member, recipe, f"{getattr(member.truth, kind)}&seed=11")
    train(ground, member, recipe)
    verdict = judge(ground, member, recipe, ground.bundle, tmp_path / "verdict")
    found = {f"{gate.metric}, {gate.zone}": gate.outcome for gate in verdict.gates}
    assert promote(ground, member, ground.bundle, tmp_path / "verdict")[0] == outcome, found
    if kind == "planted":
        assert set(found.values()) == {"pass"}
    else:
        assert found["timing, holdout"] == "insufficient evidence"  # it was not opened
        assert "pass" not in {found["timing_gain, test"], found["deflated_sharpe, test"]}


@pytest.mark.slow
@pytest.mark.promise("S2-06")
@pytest.mark.parametrize(("kind", "outcome"), [("planted", "promoted"), ("noise", "refused")])
def test_a_pair_with_a_planted_signal_is_promoted_and_its_noise_twin_refused(
    kind: str, outcome: str, tmp_path: Path
) -> None:
    member = families.find("pairs")
    assert member.truth is not None
    recipe, ground = member.recipe(RECIPE), Ground(tmp_path, tmp_path / "root")
    prepare(ground, member, recipe, f"{getattr(member.truth, kind)}&seed=11")
    train(ground, member, recipe)
    verdict = judge(ground, member, recipe, ground.bundle, tmp_path / "verdict")
    found = {f"{gate.metric}, {gate.zone}": gate.outcome for gate in verdict.gates}
    assert promote(ground, member, ground.bundle, tmp_path / "verdict")[0] == outcome, found
    if kind == "planted":
        assert set(found.values()) == {"pass"}
    else:
        assert found["timing, holdout"] == "insufficient evidence"  # it was not opened
        assert "pass" not in {found["relative_sharpe, test"], found["timing, test"]}
