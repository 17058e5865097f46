"""PPO before the judge: it passes where the truth was planted, and noise is refused."""

from pathlib import Path

import pytest

from components.families.agents import FAMILY
from pipelines.proving import prove

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


@pytest.mark.slow
@pytest.mark.parametrize(("market", "passes"), [("planted", True), ("noise", False)])
def test_a_planted_truth_passes_and_noise_is_refused(market: str, passes: bool, tmp_path: Path) -> None:
    assert FAMILY.truth is not None
    source = f"{getattr(FAMILY.truth, market)}&seed=1"
    found = prove(tmp_path, FAMILY, FAMILY.recipe("calibration"), source)
    outcomes = {(gate.metric, gate.zone): gate.outcome for gate in found.gates}
    assert (found.verdict == "pass") is passes, outcomes
    assert (outcomes["deflated_sharpe", "test"] == "pass") is passes
    assert outcomes["feature_causality", "test"] == outcomes["answer_causality", "test"] == "pass"
    assert outcomes["export_parity", "test"] == "pass"
