"""A training that a job of the cluster does: the same bits as on this host, whoever is killed or preempted on the way.

The job's own command runs, as local processes of a stand-in for the cluster.
"""

import dataclasses
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trainer_api import serving, write_kubeconfig
from trainer_state import NAMESPACE, Trainer

from components.core import bundle
from components.core.errors import DONE
from components.core.family import Resources
from components.core.files import canonical_json, read_json
from components.core.workspace import JOB_NAMESPACE
from components.families.price_action.config import PriceActionConfig
from components.train.trainjob import job_name

pytestmark = pytest.mark.slow
NAME = job_name("price_action", "k")
STEP = """
import sys
from types import SimpleNamespace
from components.train.component import launch

examples, recipe, out, root, resources = sys.argv[1:]
launch.python_func(
    SimpleNamespace(path=examples), "price_action", recipe, "quantfoundry/python-gpu:0.1.0", resources, "k", root,
    SimpleNamespace(path=out, metadata={}),
)
"""
TWO_HOSTS = Resources(cpu="1", memory="1Gi", nodes=2, timeout_s=3600)
SPOT = Resources(cpu="1", memory="1Gi", spot=True, timeout_s=3600)


@pytest.fixture
def trainer() -> Trainer:
    return Trainer(runs=True)


@pytest.fixture
def cluster(trainer: Trainer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables with which a step finds the cluster."""
    with serving(trainer) as host:
        yield {"KUBECONFIG": str(write_kubeconfig(tmp_path / "kubeconfig", host)), JOB_NAMESPACE: NAMESPACE}


def start(
    recipe: PriceActionConfig, examples: Path, root: Path, cluster: dict[str, str], resources: Resources = TWO_HOSTS
) -> "subprocess.Popen[str]":
    asked = canonical_json(dataclasses.asdict(resources))
    arguments = [str(examples), recipe.canonical(), str(root / "bundle"), str(root), asked]
    environ = {**os.environ, **cluster}
    return subprocess.Popen([sys.executable, "-c", STEP, *arguments], stderr=subprocess.PIPE, text=True, env=environ)


def ended(child: "subprocess.Popen[str]") -> int:
    try:
        _, said = child.communicate(timeout=900)
    finally:
        child.kill()
    sys.stderr.write(said)  # shown where a test fails
    return child.returncode


def wait_for_steps(root: Path, num_lines: int) -> None:
    spool = root / "runs" / "k" / "metrics.jsonl"
    deadline = time.monotonic() + 600
    while not spool.exists() or spool.read_bytes().count(b"\n") < num_lines:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def recipe(tiny_config: Callable[..., PriceActionConfig]) -> PriceActionConfig:
    return tiny_config()


@pytest.fixture(scope="module")
def here(recipe: PriceActionConfig, tiny_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the bundle that two processes of this host make: where no cluster is, they train."""
    root = tmp_path_factory.mktemp("here")
    assert ended(start(recipe, tiny_examples, root, {})) == DONE
    assert read_json(root / "runs" / "k" / "train.json")["processes"] == 2
    return bundle.load(root / "bundle").digest


def test_two_hosts_make_the_bits_that_two_processes_of_one_make(
    recipe: PriceActionConfig, here: str, tiny_examples: Path, tmp_path: Path, trainer: Trainer, cluster: dict[str, str]
) -> None:
    assert ended(start(recipe, tiny_examples, tmp_path, cluster)) == DONE
    assert bundle.load(tmp_path / "bundle").digest == here
    facts = read_json(tmp_path / "runs" / "k" / "train.json")
    assert (facts["digest"], facts["processes"]) == (here, 2)
    assert ended(start(recipe, tiny_examples, tmp_path, cluster)) == DONE  # and again: there is nothing to do
    assert trainer.made == [NAME]


@pytest.mark.parametrize("seed", [1])
def test_a_killed_supervisor_finds_its_job_again_and_a_preempted_job_its_checkpoint(
    recipe: PriceActionConfig,
    here: str,
    tiny_examples: Path,
    tmp_path: Path,
    trainer: Trainer,
    cluster: dict[str, str],
    seed: int,
) -> None:
    sys.stderr.write(f"seed {seed}\n")
    child = start(recipe, tiny_examples, tmp_path, cluster)
    wait_for_steps(tmp_path, random.Random(seed).randrange(10, 50))
    launchers = trainer.pids(NAME)
    child.kill()
    child.communicate()
    assert trainer.pids(NAME) == launchers
    trainer.suspend(NAME)
    again = start(recipe, tiny_examples, tmp_path, cluster)
    with trainer.changed:
        assert trainer.changed.wait_for(lambda: trainer.jobs[NAME].get("status"), 300)
    trainer.resume(NAME)
    assert ended(again) == DONE
    assert trainer.made == [NAME]
    assert bundle.load(tmp_path / "bundle").digest == here


def test_what_a_worker_says_ends_the_step(
    tiny_config: Callable[..., PriceActionConfig], tiny_examples: Path, tmp_path: Path, cluster: dict[str, str]
) -> None:
    child = start(tiny_config(train={"lr": 1e30}), tiny_examples, tmp_path, cluster, SPOT)
    assert ended(child) == 65
    assert "Lower train.lr" in read_json(tmp_path / "runs" / "k" / "error.json")["message"]


def test_one_spot_host_makes_the_bits_of_one_process(
    recipe: PriceActionConfig,
    trained: Any,
    tiny_examples: Path,
    tmp_path: Path,
    cluster: dict[str, str],
) -> None:
    assert ended(start(recipe, tiny_examples, tmp_path, cluster, SPOT)) == DONE
    assert bundle.load(tmp_path / "bundle").digest == trained.bundle.digest
