"""Processes that train the hybrid network together: the same training as one, whatever is killed on the way."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gang import ended, start_gang, wait_for_steps, workers
from hybrid_market import raw_rows, tiny, write

from components.core import bundle
from components.core.errors import DONE
from components.core.files import read_json
from components.core.run_context import RunContext
from components.families.hybrid.config import HybridConfig
from components.families.hybrid.predict import predict
from components.families.hybrid.train import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hybrid") / "examples", raw_rows(4, 260, seed=3))


def recipe(*, dropout: float, processes: int, epochs: int) -> HybridConfig:
    values = tiny(train={"epochs": epochs}).model_dump(mode="json")
    values["model"]["dropout"] = values["model"]["cnn"]["dropout"] = dropout
    values["model"]["lstm"]["dropout"] = values["model"]["fusion"]["dropout"] = dropout
    return HybridConfig.parse(values | {"processes": processes}, name="test")


@pytest.mark.promise("S4-53")
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_train_as_one_does(
    processes: int, examples: Path, tmp_path: Path, make_run: Callable[[str], RunContext]
) -> None:
    """The batch norm, too, sees the whole batch, and each window is altered as it is by one process."""
    together = recipe(dropout=0.0, processes=processes, epochs=3)
    assert ended(start_gang("hybrid", together, examples, tmp_path)) == DONE
    assert read_json(tmp_path / "runs" / "k" / "train.json")["processes"] == processes
    one = train(recipe(dropout=0.0, processes=1, epochs=3), examples, tmp_path / "alone", make_run("alone"))
    both = bundle.load(tmp_path / "bundle")
    ours, theirs = (predict(found, examples, zone="test", threads=1).probability for found in (both, one))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    curves = [read_json(found.path("history.json")) for found in (both, one)]
    for name, values in curves[1].items():
        assert curves[0][name] == pytest.approx(values, rel=1e-4, abs=1e-6), name


def test_a_killed_process_costs_no_bits(examples: Path, tmp_path: Path) -> None:
    config, chance = recipe(dropout=0.2, processes=2, epochs=8), random.Random(7)
    assert ended(start_gang("hybrid", config, examples, tmp_path / "calm")) == DONE
    child = start_gang("hybrid", config, examples, tmp_path / "killed")
    wait_for_steps(tmp_path / "killed", child, chance.randrange(5, 40))
    os.kill(chance.choice(workers(tmp_path / "killed")), signal.SIGKILL)
    assert ended(child) == DONE, "seed 7"
    digests = [bundle.load(tmp_path / name / "bundle").digest for name in ("calm", "killed")]
    assert digests[0] == digests[1], "seed 7"
