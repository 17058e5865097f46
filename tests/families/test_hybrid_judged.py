"""The hybrid network before the judge: it passes where the truth was planted, and noise is refused."""

from pathlib import Path

import pytest

from components.families.hybrid import FAMILY
from pipelines.proving import prove

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


@pytest.mark.slow
@pytest.mark.parametrize(("market", "passes"), [("planted", True), ("noise", False)])
def test_a_planted_truth_passes_and_noise_is_refused(market: str, passes: bool, tmp_path: Path) -> None:
    # Louder than the truth it is calibrated with: what one network learns of that depends on the processor's rounding.
    source = {"planted": "synthetic://planted?strength=1&seed=1", "noise": "synthetic://noise?seed=1"}[market]
    found = prove(tmp_path, FAMILY, FAMILY.recipe("calibration"), source)
    outcomes = {(gate.metric, gate.zone): gate.outcome for gate in found.gates}
    assert (found.verdict == "pass") is passes, outcomes
    assert (outcomes["side_log_loss_skill", "test"] == "pass") is passes
    assert outcomes["feature_causality", "test"] == outcomes["answer_causality", "test"] == "pass"
    assert outcomes["export_parity", "test"] == outcomes["planted_control", "test"] == "pass"
