"""The profit family and its portfolios: promoted where there is something to know, refused where there is nothing."""

from pathlib import Path

import pytest

from components.core import family as families
from pipelines.calibration import RECIPE
from pipelines.proving import Ground, judge, prepare, promote, train

pytestmark = [
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]


UNPROVEN = {
    "profit": {"timing_gain, test", "deflated_sharpe, test"},
    "pairs": {"relative_sharpe, test", "timing, test"},
}
"""By family, gates of which a market of noise passes none."""


@pytest.mark.slow
@pytest.mark.parametrize("family", ["profit", pytest.param("pairs", marks=pytest.mark.promise("S2-06"))])
@pytest.mark.parametrize(("kind", "outcome"), [("planted", "promoted"), ("noise", "refused")])
def test_a_planted_market_is_promoted_and_its_noise_twin_refused(
    family: str, kind: str, outcome: str, tmp_path: Path
) -> None:
    member = families.find(family)
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
        assert "pass" not in {found[name] for name in UNPROVEN[family]}
