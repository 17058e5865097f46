"""The same search by Ray Tune: what it may try, what a trial is given, and every trial in the ledger."""

import logging
from pathlib import Path

import pytest
from hybrid_market import tiny
from searches import examples_in, search_in

from components.core import trials
from components.core.search import Options, Range
from components.tune.on_ray import domain_of, share_of, work_on_ray
from components.tune.results import best_of


@pytest.mark.promise("S4-88")
def test_a_trial_asks_for_two_cores_and_half_a_gpu_and_less_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert share_of({"CPU": 16.0, "GPU": 1.0}) == {"cpu": 2.0, "gpu": 0.5}
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING):
        assert share_of({"CPU": 1.0}) == {"cpu": 1.0, "gpu": 0.0}
    assert "asks for 2 cores and 0.5 of a GPU, and is given 1 and 0" in caplog.text


def test_the_space_is_the_same_ends_included() -> None:
    whole = domain_of(Range(1, 4))
    assert {whole.sample() for _ in range(200)} == {1, 2, 3, 4}
    assert domain_of(Options((16, 32))).categories == [16, 32]
    real = domain_of(Range(1e-5, 1e-2, log=True))
    assert (real.lower, real.upper) == (1e-5, 1e-2)
    assert "Log" in type(real.get_sampler()).__name__
    assert "Log" not in type(domain_of(Range(0.1, 0.5)).get_sampler()).__name__


@pytest.mark.alone
def test_every_trial_of_ray_is_counted_those_that_it_ends_early_too(tmp_path: Path) -> None:
    examples_in(tmp_path)
    search = search_in(tmp_path, recipe=tiny(train={"epochs": 11, "max_windows_per_epoch": 32}), metric="val_loss")
    found = work_on_ray(search, 4, num_at_a_time=1, num_cpus=1, num_gpus=0)
    assert [result.number for result in found] == [0, 1, 2, 3]
    assert {result.state for result in found} == {"complete", "ended early"}
    assert all(1e-4 <= result.params["train.lr"] <= 1e-2 for result in found)
    best = best_of(found, search.metric)
    assert best.value == min(result.value for result in found if result.state == "complete")
    counted = trials.read(search.workspace.trials("hybrid", "made_up"))
    assert len({trial.bundle for trial in counted}) == len(counted) == 4
