"""The foundation through the whole line: a direction that volume tells is promoted, pure noise is refused."""

from pathlib import Path

import pytest
from line import Line

from components.core import registry
from components.core.files import read_json
from components.core.workspace import Workspace
from components.families.foundation import FAMILY
from components.learning.foundation import load_foundation_model

QUICK = ("--recipe", "smoke", "--run-key", "k")


@pytest.mark.slow
@pytest.mark.promise("S0-06")
def test_one_command_trains_a_foundation_that_is_promoted_and_loads(tmp_path: Path) -> None:
    line = Line(tmp_path)
    result = line.qf("run", "foundation", *QUICK)
    assert result.returncode == 0, result.stderr
    assert line.facts("k", "validate")["outcome"] == "pass", result.stdout
    assert "5.3 years of 8 stocks: a foundation wants 3 years of 500" in result.stdout
    champion = registry.history(Workspace.at(str(tmp_path)), "foundation", "synthetic_planted").champion
    assert champion is not None
    assert f"bundle   {line.facts('k', 'train')['folder']}" in result.stdout
    facts = read_json(champion.folder / "model.json")
    assert (facts["num_stocks"], facts["enough_history"]) == (8, False)
    assert champion.load().digest == line.facts("k", "train")["digest"]
    assert load_foundation_model(champion.folder, FAMILY.recipe("smoke").model).horizon == 5


@pytest.mark.slow
def test_where_nobody_knows_a_direction_nothing_is_promoted(tmp_path: Path) -> None:
    line = Line(tmp_path)
    result = line.qf("run", "foundation", *QUICK, "--source", "synthetic://noise")
    assert result.returncode == 0, result.stderr
    gates = {gate["metric"]: gate["outcome"] for gate in line.facts("k", "validate")["gates"]}
    assert gates["median_correlation"] != "pass", result.stdout
    assert line.facts("k", "promote")["outcome"] == "refused"
    assert line.ledger("promotions") == []
