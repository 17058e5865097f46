"""What a count of verdicts says of the gates, and the count itself on two small studies."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli.gates import gates
from components.core import family as families
from components.core.errors import UsageError
from pipelines import fleet_calibration
from pipelines.calibration import RECIPE, mean_row, share_row, study_of, table_of
from pipelines.fleet_calibration import draws


def results(kind: str, outcomes: list[str]) -> list[dict]:
    return [{"kind": kind, "verdict": outcome, "gates": {"auc, test": outcome}} for outcome in outcomes]


def test_exact_bounds_by_hand() -> None:
    none = share_row("noise", 0, 59, side="at most", limit=0.05)
    assert none.bound == pytest.approx(1 - 0.05 ** (1 / 59))  # the p at which (1 - p)^59 is 0.05: just below 0.05
    assert none.outcome == "shown"
    assert share_row("noise", 0, 58, side="at most", limit=0.05).outcome == "held, too few to show"
    assert share_row("noise", 6, 100, side="at most", limit=0.05).missed
    every = share_row("truth", 14, 14, side="at least", limit=0.8)
    assert every.bound == pytest.approx(0.05 ** (1 / 14))
    assert every.outcome == "shown"
    assert share_row("truth", 7, 10, side="at least", limit=0.8).outcome == "MISSED"


def test_the_bound_of_a_mean_by_hand() -> None:
    row = mean_row("false", np.array([0.0, 0.04, 0.02]), side="at most", limit=0.05)
    # Mean 0.02, standard error 0.02 / sqrt(3), Student's 95 % with two degrees of freedom 2.920.
    assert (row.value, row.bound) == (pytest.approx(0.02), pytest.approx(0.02 + 2.91999 * 0.02 / 3**0.5, rel=1e-5))
    assert mean_row("false", np.array([0.0]), side="at most", limit=0.05).bound == 1.0


def test_a_table_counts_passes_and_says_which_gate_holds() -> None:
    family = families.find("price-action")
    found = table_of(family, [*results("noise", ["fail"] * 59 + ["pass"]), *results("planted", ["pass"] * 60)])
    assert [row.counted for row in found.rows] == ["1 of 60", "60 of 60"]
    assert not found.missed
    assert "| auc, test | 1.7% | 100.0% |" in found.markdown()
    assert table_of(family, [*results("noise", ["pass"] * 2), *results("planted", ["pass"] * 2)]).missed


def test_another_recipe_seed_or_code_is_another_folder_and_a_market_has_its_seed(tmp_path: Path) -> None:
    family = families.find("price-action")
    first, second = (study_of(family, num_markets=2, seed=seed, out=tmp_path) for seed in (0, 1))
    assert first.folder != second.folder
    assert list(first.jobs) == ["noise-00000", "planted-00000", "noise-00001", "planted-00001"]
    assert [job["source"].rpartition("=")[2] for job in second.jobs.values()] == ["1", "1", "2", "2"]


@pytest.mark.parametrize("family", [item for item in families.every() if item.truth], ids=lambda item: item.name)
def test_a_family_with_a_truth_has_a_recipe_that_is_judged_like_every_other(family: families.Family) -> None:
    assert family.recipe(RECIPE).judge == family.recipe(family.default_recipe).judge


def test_a_family_without_a_truth_names_those_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is agents, foundation, health, hybrid, pairs, price-action, profit"):
        study_of(replace(families.find("regime"), truth=None), num_markets=1, seed=0, out=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["price-action", "regime"])
def test_one_market_of_each_kind_is_judged_right_and_asked_again_costs_nothing(family: str, tmp_path: Path) -> None:
    command = ["calibrate", "--family", family, "--markets", "1", "--jobs", "1", "--seed", "6", "--out", str(tmp_path)]
    first = CliRunner().invoke(gates, command)
    assert first.exit_code == 0, first.output
    assert "| noise that passes | 0 of 1 |" in first.output
    assert "| truth that passes | 1 of 1 |" in first.output
    [folder] = (path.parent for path in tmp_path.rglob("table.json"))
    before = {path: path.stat().st_mtime_ns for path in (folder / "done").iterdir()}
    assert CliRunner().invoke(gates, command).stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in (folder / "done").iterdir()} == before
    rows = json.loads((folder / "table.json").read_text())["rows"]
    assert [row["outcome"] for row in rows] == ["held, too few to show"] * 2


def test_the_kinds_of_fleets_of_one_seed_draw_apart_and_each_again_alike() -> None:
    first, again = ([draws(kind, 4).random() for kind in fleet_calibration.KINDS] for _ in range(2))
    assert first == again
    assert len(set(first)) == 2


def test_fleets_of_noise_promote_nobody_and_mixed_ones_mostly_the_skilful() -> None:
    facts = [
        fleet_calibration.judge_fleet(kind=kind, seed=seed, num_twins=24, num_times=250)
        for seed in range(2) for kind in ("noise", "mixed")
    ]  # fmt: skip
    found = fleet_calibration.table_of(facts)
    assert [row.missed for row in found.rows] == [False, False]
    assert [line.partition(":")[0] for line in found.details] == ["Benjamini-Yekutieli", "Benjamini-Hochberg"]
    # Two fleets are too few to bound the mean of either; nobody is promoted from noise by either.
    noise, mixed = ([item["bh"] for item in facts if item["kind"] == kind] for kind in ("noise", "mixed"))
    assert [item["promoted"] for item in noise] == [0, 0]
    promoted, false = (sum(item[key] for item in mixed) for key in ("promoted", "false"))
    assert promoted > 4 * false
