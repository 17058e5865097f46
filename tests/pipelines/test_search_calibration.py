"""Searches on noise: every trial is counted, and the best of them is not promoted."""

from pathlib import Path
from typing import Any

import pytest

from components.core import family as families
from components.core.errors import UsageError
from components.families.price_action import FAMILY
from pipelines.search_calibration import calibrate, study_of, table_of

MARKET = "synthetic://noise?symbols=4&days=1000"
QUICK = ("train.epochs=1", "judge.bootstrap_samples=200")


def facts(outcome: str, **gates: str) -> dict[str, Any]:
    return {"outcome": outcome, "trials": 50, "gates": {"auc, test": "fail", **gates}}


def test_the_share_of_searches_that_are_promoted_is_held_to_five_in_a_hundred() -> None:
    refused = [facts("refused") for _ in range(19)]
    one = table_of(FAMILY, [*refused, facts("promoted", **{"auc, test": "pass"})])
    assert (one.rows[0].counted, one.rows[0].missed) == ("1 of 20", False)
    two = table_of(FAMILY, [*refused[:18], facts("promoted"), facts("promoted")])
    assert two.missed
    assert "20 markets of noise, 50 trials in the ledger of each" in one.markdown()
    assert "| auc, test | 1 of 20 |" in one.markdown()


def test_each_market_has_a_seed_of_its_own_and_other_settings_another_folder(tmp_path: Path) -> None:
    few = {"num_markets": 3, "num_trials": 50, "seed": 7, "out": tmp_path}
    study = study_of(FAMILY, QUICK, market=MARKET, **few)
    assert [job["source"] for job in study.jobs.values()] == [f"{MARKET}&seed={seed}" for seed in (7, 8, 9)]
    assert study_of(FAMILY, market=MARKET, **few).folder != study.folder
    assert study_of(FAMILY, QUICK, market=MARKET, **few).folder == study.folder
    with pytest.raises(UsageError, match="want a market of noise"):
        study_of(FAMILY, market="synthetic://planted?symbols=4", **few)
    with pytest.raises(UsageError, match="twin: declares no market of known truth"):
        study_of(families.find("twin"), **few)


@pytest.mark.slow
def test_the_best_of_ten_trials_on_noise_is_refused(tmp_path: Path) -> None:
    study = study_of(FAMILY, QUICK, market=MARKET, num_markets=2, num_trials=10, seed=40, out=tmp_path)
    found, folder = calibrate(FAMILY, study, num_processes=1, on_done=lambda number, total: None)
    assert (found.rows[0].counted, found.rows[0].value) == ("0 of 2", 0.0)
    assert "2 markets of noise, 10 trials in the ledger of each" in (folder / "table.md").read_text()
    for result in study.results():
        assert result["gates"]["deflated_sharpe, test"] != "pass"
        assert result["verdict"] != "pass"
