"""The tuning pipeline as a person runs it, from bars to a recipe."""

from pathlib import Path

import pytest
from line import SMALL, TINY, Line

from components.core import trials
from components.core.workspace import Workspace
from components.families.price_action import FAMILY

pytestmark = pytest.mark.slow


def test_workers_search_and_what_they_found_is_a_recipe_to_run(tmp_path: Path) -> None:
    line = Line(tmp_path)
    asked = ("run", "price-action-tuning", "--source", SMALL, *TINY, "--trials", "2", "--run-key", "k")
    done = line.qf(*asked)
    assert done.returncode == 0, done.stderr
    assert line.facts("k", "tune-0")["num_trials"] + line.facts("k", "tune-1")["num_trials"] == 2
    found = line.facts("k", "collect")
    assert f"val_loss {found['value']:.4f}, the best of 2 trials" in done.stdout
    recipe = FAMILY.recipe(found["recipe"])
    assert recipe.train.lr == found["params"]["train.lr"]
    assert f"qf run price-action --source {SMALL} --recipe " in done.stdout
    counted = trials.read(Workspace.at(str(tmp_path)).trials("price_action", "synthetic_planted"))
    assert recipe.digest() in {trial.recipe for trial in counted}
    assert len({trial.bundle for trial in counted}) == 2
    assert "nothing to do" in line.qf(*asked).stdout
