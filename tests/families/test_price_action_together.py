"""Two processes that train together: the same training as one, whatever is killed on the way."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gang import Child, ended, start_gang, wait_for_steps, workers

from components.core import bundle
from components.core.errors import DONE, RESUMABLE
from components.core.files import read_json
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.predict import predict
from components.families.price_action.train import train

pytestmark = pytest.mark.slow
Config = Callable[..., PriceActionConfig]


def start(recipe: PriceActionConfig, examples: Path, root: Path) -> Child:
    return start_gang("price_action", recipe, examples, root)


@pytest.fixture(scope="module")
def recipe(tiny_config: Config) -> PriceActionConfig:
    values = tiny_config(train={"epochs": 12, "patience": 12}).model_dump(mode="json")
    return PriceActionConfig.parse(values | {"processes": 2}, name="test")


@pytest.fixture(scope="module")
def undisturbed(recipe: PriceActionConfig, tiny_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("undisturbed")
    assert ended(start(recipe, tiny_examples, root)) == DONE
    assert read_json(root / "runs" / "k" / "train.json")["processes"] == 2
    return bundle.load(root / "bundle").digest


@pytest.mark.promise("S4-99")
@pytest.mark.promise("S2-56")
def test_two_processes_train_as_one_does(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Callable[..., object]
) -> None:
    plain = tiny_config(model={"dropout": 0.0}).model_dump(mode="json")
    together = PriceActionConfig.parse(plain | {"processes": 2}, name="test")
    assert ended(start(together, tiny_examples, tmp_path)) == DONE
    alone = train(PriceActionConfig.parse(plain, name="test"), tiny_examples, tmp_path / "alone", make_run("alone"))
    both = bundle.load(tmp_path / "bundle")
    ours, theirs = (predict(found, tiny_examples, zone="test", threads=1).probability for found in (both, alone))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    curves = [read_json(found.path("history.json")) for found in (both, alone)]
    for name in ("train_loss", "val_loss"):
        assert curves[0][name] == pytest.approx(curves[1][name], rel=1e-5), name
    assert curves[0]["train_accuracy"] == curves[1]["train_accuracy"]


@pytest.mark.parametrize("seed", [1])
def test_a_killed_process_restarts_the_gang_and_costs_no_bits(
    recipe: PriceActionConfig, undisturbed: str, tiny_examples: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    child = start(recipe, tiny_examples, tmp_path)
    wait_for_steps(tmp_path, child, chance.randrange(20, 150))
    os.kill(chance.choice(workers(tmp_path)), signal.SIGKILL)
    assert ended(child) == DONE, f"seed {seed}"
    assert bundle.load(tmp_path / "bundle").digest == undisturbed, f"seed {seed}"
    assert "resumed after epoch" in "".join(path.read_text() for path in (tmp_path / "runs").rglob("std*"))


def test_a_stopped_gang_saves_leaves_with_75_and_goes_on(
    recipe: PriceActionConfig, undisturbed: str, tiny_examples: Path, tmp_path: Path
) -> None:
    child = start(recipe, tiny_examples, tmp_path)
    wait_for_steps(tmp_path, child, 60)
    child.send_signal(signal.SIGTERM)
    assert ended(child) == RESUMABLE
    assert not workers(tmp_path)
    assert ended(start(recipe, tiny_examples, tmp_path)) == DONE
    assert bundle.load(tmp_path / "bundle").digest == undisturbed


def test_a_gang_whose_caller_was_killed_saves_and_leaves(
    recipe: PriceActionConfig, undisturbed: str, tiny_examples: Path, tmp_path: Path
) -> None:
    child = start(recipe, tiny_examples, tmp_path)
    wait_for_steps(tmp_path, child, 60)
    child.kill()
    child.communicate()
    deadline = time.monotonic() + 60
    while workers(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ended(start(recipe, tiny_examples, tmp_path)) == DONE
    assert bundle.load(tmp_path / "bundle").digest == undisturbed


def test_what_a_process_says_ends_the_run_at_once(tiny_config: Config, tiny_examples: Path, tmp_path: Path) -> None:
    values = tiny_config(train={"lr": 1e30}).model_dump(mode="json")
    child = start(PriceActionConfig.parse(values | {"processes": 2}, name="test"), tiny_examples, tmp_path)
    assert ended(child) == 65
    error = read_json(tmp_path / "runs" / "k" / "error.json")
    assert "Lower train.lr" in error["message"]
