"""What workers found is gathered: the best becomes a recipe, and a search that is not over is not taken for one."""

import json
from pathlib import Path

import pytest
import yaml

from components.core.errors import RESUMABLE, ArtifactError, RecipeError
from components.families.hybrid import FAMILY
from components.tune.results import Result, best_of, read_results, write_results
from components.tune.step import collect


def result(number: int, value: float | None, **changes: object) -> Result:
    facts = {"number": number, "state": "complete", "value": value, "params": {"train.lr": 0.001 * (number + 1)}}
    return Result(**{**facts, "worker": "tune-0", **changes})


def test_more_is_better_of_all_but_losses_and_the_oldest_of_equal_ones_is_taken() -> None:
    found = [result(2, 0.5), result(0, 0.1), result(1, 0.5), result(3, 9.0, state="ended early")]
    assert best_of(found, "val_sharpe_ratio").number == 1
    assert best_of(found, "val_loss").number == 0


def test_a_search_without_a_whole_trial_says_why() -> None:
    found = [result(1, 0.5, state="ended early"), result(0, None, state="refused", error="too wide")]
    with pytest.raises(RecipeError, match=r"no trial could be trained to its end\. The first one says: too wide"):
        best_of(found, "val_loss")


def test_results_come_back_as_they_were_and_others_are_refused(tmp_path: Path) -> None:
    write_results([result(0, 0.1), result(1, None, state="refused", error="no")], tmp_path)
    assert read_results(tmp_path) == [result(0, 0.1), result(1, None, state="refused", error="no")]
    (tmp_path / "trials.json").write_text('{"trials": [{"number": 1}]}')
    with pytest.raises(ArtifactError, match="holds no trials"):
        read_results(tmp_path)


def gathered(tmp_path: Path, *, num_trials: int) -> None:
    write_results([result(0, 0.2), result(3, 0.4)], tmp_path / "a")
    write_results([result(1, 0.9, worker="tune-1"), result(2, 0.1, worker="tune-1")], tmp_path / "b")
    collect(
        [str(tmp_path / "a"), str(tmp_path / "b")], "hybrid", FAMILY.recipe("smoke").canonical(), num_trials=num_trials,
        out=str(tmp_path / "best"), root=str(tmp_path / "root"), run_key="k",
    )  # fmt: skip


def test_the_best_of_all_workers_is_a_recipe_to_run(tmp_path: Path) -> None:
    gathered(tmp_path, num_trials=4)
    found = FAMILY.recipe(str(tmp_path / "best" / "best.yaml"))
    assert found == FAMILY.recipe("smoke", ("train.lr=0.002",))
    assert (tmp_path / "best" / "best.yaml").read_text().startswith("# Best of 4 trials by val_sharpe_ratio, 0.9 on")
    assert yaml.safe_load((tmp_path / "root" / "runs" / "k" / "best.yaml").read_text())["train"]["lr"] == 0.002
    assert [item.number for item in read_results(tmp_path / "best")] == [0, 1, 2, 3]
    assert json.loads((tmp_path / "root" / "runs" / "k" / "collect.json").read_text())["num_trials"] == 4


def test_a_search_that_is_not_over_is_resumable(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        gathered(tmp_path, num_trials=5)
    assert left.value.code == RESUMABLE
    assert not (tmp_path / "best").exists()
