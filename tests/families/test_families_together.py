"""Processes that train a family together: the same training as one, whatever is killed on the way."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hybrid_market
import numpy as np
import profit_market
import pytest
from gang import ended, start_gang, wait_for_steps, workers
from made_bars import foundation_rows
from safetensors.numpy import load_file

from components.core import bundle
from components.core import family as families
from components.core.errors import DONE
from components.core.files import read_json
from components.core.recipe import RecipeConfig
from components.core.run_context import RunContext

pytestmark = pytest.mark.slow
ZONES = {"train": 0.5, "validation": 0.2, "calibration": 0.1, "test": 0.2}
FOUNDATION: dict[str, Any] = {
    "data": {"window": 8, "zones": ZONES},
    "model": {"hidden": 8, "continuous": 4, "heads": 2, "dropout": 0.0},
    "train": {"batch": 64, "slab_rows": 8, "slab_stride": 2, "epochs": 2, "lr": 0.01, "threads": 1, "device": "cpu"},
}
NO_DROPOUT = {"cnn": {"dropout": 0.0}, "lstm": {"dropout": 0.0}, "fusion": {"dropout": 0.0}, "dropout": 0.0}

Case = tuple[RecipeConfig, Path]


def hybrid(*, epochs: int, drops: bool) -> RecipeConfig:
    model = {name: hybrid_market.TINY["model"].get(name, {}) | values if isinstance(values, dict) else values
             for name, values in NO_DROPOUT.items()}  # fmt: skip
    return hybrid_market.tiny(
        train=hybrid_market.TINY["train"] | {"epochs": epochs}, **({} if drops else {"model": model})
    )


@pytest.fixture
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, write_foundation: Callable[..., Path]
) -> Case:
    """Return a recipe without dropout, and the examples that it is trained on."""
    folder = tmp_path_factory.mktemp(request.param) / "examples"
    if request.param == "hybrid":
        rows = hybrid_market.raw_rows(4, 260, seed=3)
        return hybrid(epochs=3, drops=False), hybrid_market.write(folder, rows)
    if request.param == "profit":
        return profit_market.config(model={"dropout": 0.0}), profit_market.write(folder)
    rows = foundation_rows(num_symbols=5, num_times=240, strength=0.8)
    recipe = families.find("foundation").config.parse(FOUNDATION, name="test")
    return recipe, write_foundation(folder, rows, ZONES)


def shared(recipe: RecipeConfig, *, processes: int) -> RecipeConfig:
    return type(recipe).parse(recipe.model_dump(mode="json") | {"processes": processes}, name="test")


@pytest.mark.promise("S2-56")
@pytest.mark.promise("S4-53")
@pytest.mark.parametrize(("case", "processes"), [("hybrid", 3), ("profit", 2), ("foundation", 3)], indirect=["case"])
def test_several_processes_train_as_one_does(
    case: Case, processes: int, tmp_path: Path, make_run: Callable[[str], RunContext]
) -> None:
    """A batch norm sees the whole batch, a Sharpe ratio all its paths, and each window is altered as by one process."""
    recipe, examples = case
    family = families.find(type(recipe).__module__.split(".")[2])
    assert ended(start_gang(family.name, shared(recipe, processes=processes), examples, tmp_path)) == DONE
    assert read_json(tmp_path / "runs" / "k" / "train.json")["processes"] == processes
    one = family.module("train").train(shared(recipe, processes=1), examples, tmp_path / "alone", make_run("alone"))
    both = bundle.load(tmp_path / "bundle")
    curves = [read_json(found.path("history.json")) for found in (both, one)]
    for name, values in curves[1].items():
        assert curves[0][name] == pytest.approx(values, rel=1e-3, abs=1e-6), name
    ours, theirs = (load_file(found.path("weights.safetensors")) for found in (both, one))
    for name in theirs.keys() - {"attention.in_proj_bias", "fusion.in_proj_bias"}:  # AdamW on keys' gradients of 1e-9
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("case", ["hybrid"], indirect=True)
def test_a_killed_process_costs_no_bits(case: Case, tmp_path: Path) -> None:
    config, examples = shared(hybrid(epochs=8, drops=True), processes=2), case[1]
    seed = 7
    chance = random.Random(seed)
    assert ended(start_gang("hybrid", config, examples, tmp_path / "calm")) == DONE
    child = start_gang("hybrid", config, examples, tmp_path / "killed")
    wait_for_steps(tmp_path / "killed", child, chance.randrange(5, 40))
    os.kill(chance.choice(workers(tmp_path / "killed")), signal.SIGKILL)
    assert ended(child) == DONE, f"seed {seed}"
    digests = [bundle.load(tmp_path / name / "bundle").digest for name in ("calm", "killed")]
    assert digests[0] == digests[1], f"seed {seed}"
