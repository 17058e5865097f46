"""Stopped, killed or robbed of its newest checkpoint, a training ends in the same bits."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import RESUMABLE, InterruptedRunError
from components.core.run_context import RunContext, Stop
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.train import train

Config = Callable[..., PriceActionConfig]
Run = Callable[[str], RunContext]


class StopAfter(Stop):
    """Asks to stop at the ``polls``-th time that training looks."""

    def __init__(self, polls: int) -> None:
        super().__init__()
        self.left = polls

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def stopped(run: RunContext, polls: int) -> RunContext:
    return RunContext(run.step, run.run_key, run.workspace, stop=StopAfter(polls))


def test_stopped_again_and_again_a_training_ends_in_the_same_bits(
    trained: Any, tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    out, run = tmp_path / "out", make_run("stopped")
    reasons: list[InterruptedRunError] = []
    while not out.exists():
        try:
            train(tiny_config(), tiny_examples, out, stopped(run, 4))
        except InterruptedRunError as error:
            reasons.append(error)
        assert len(reasons) < 100
    assert len(reasons) > 10
    assert all("Run again with run key stopped" in str(error) for error in reasons)
    assert {error.exit_code for error in reasons} == {RESUMABLE}
    assert train(tiny_config(), tiny_examples, out, run).digest == trained.bundle.digest


def test_a_finished_training_run_again_takes_no_step(
    trained: Any, tiny_config: Config, tiny_examples: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        again = train(tiny_config(), tiny_examples, tmp_path / "again", trained.run)
    assert again.digest == trained.bundle.digest
    assert "resumed after epoch 4, batch 0" in caplog.messages
    assert not any(message.startswith(("epoch", "new best")) for message in caplog.messages)


@pytest.mark.parametrize("kind", ["json", "safetensors"])
def test_a_damaged_newest_checkpoint_costs_steps_but_no_bits(
    trained: Any,
    tiny_config: Config,
    tiny_examples: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    make_run: Run,
) -> None:
    run = make_run("damaged")
    with pytest.raises(InterruptedRunError):
        train(tiny_config(), tiny_examples, tmp_path / "out", stopped(run, 40))
    newest = sorted(run.checkpoints.glob(f"*/*.{kind}"))[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    assert train(tiny_config(), tiny_examples, tmp_path / "out", run).digest == trained.bundle.digest
    assert f"checkpoint {newest.stem}.json is damaged" in caplog.text


def test_another_recipe_never_resumes_a_strangers_checkpoint(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    run = make_run("shared-key")
    with pytest.raises(InterruptedRunError):
        train(tiny_config(), tiny_examples, tmp_path / "out", stopped(run, 20))
    other = tiny_config(train={"lr": 0.002})
    fresh = train(other, tiny_examples, tmp_path / "fresh", make_run("fresh"))
    assert train(other, tiny_examples, tmp_path / "out", run).digest == fresh.digest


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from typing import Any
from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.train import train

recipe, examples, root, seed = sys.argv[1:]
config = PriceActionConfig.parse_json(recipe, name="test")
chance = random.Random(int(seed))

def work():
    run = RunContext("train", "killed", Workspace.at(root))
    print(train(config, Path(examples), Path(root) / "out", run).digest, flush=True)

kills = 0
while kills < 12:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(chance.uniform(0.02, 0.35))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        break
    kills += 1
print("kills", kills, flush=True)
work()
"""


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_at_any_moment_a_training_ends_in_the_same_bits(
    trained: Any, tiny_config: Config, tiny_examples: Path, tmp_path: Path, seed: int
) -> None:
    command = [sys.executable, "-c", KILLER, tiny_config().canonical(), str(tiny_examples), str(tmp_path), str(seed)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    assert done.stdout.split()[-1] == trained.bundle.digest, f"seed {seed}"
    assert int(done.stdout.split("kills ")[1].split()[0]) >= 2, f"seed {seed}"
