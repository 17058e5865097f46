"""The pieces of the learning engine as this family composes them: parts, segments, masks, schedules, metrics."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_price_action_resume import KILLER, stopped

from components.core.bundle import Bundle
from components.core.errors import InterruptedRunError, RecipeError
from components.core.files import read_json
from components.core.run_context import RunContext
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.model import PriceActionTransformer
from components.families.price_action.train import train
from components.learning.checkpoint import CheckpointStore
from components.learning.dropout import MaskPool
from components.learning.spool import SPOOL

Config = Callable[..., PriceActionConfig]
Run = Callable[[str], RunContext]
POOL = {"masks": {"source": "pool", "pool_elements": 4096}}


def weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    return load_file(bundle.path("weights.safetensors"))


def lines(run: RunContext) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / SPOOL).read_text().splitlines()[1:]]


def events(run: RunContext, tag: str) -> list[Any]:
    return list(EventAccumulator(str(run.folder / "tensorboard")).Reload().Scalars(tag))


def again_and_again(config: PriceActionConfig, examples: Path, out: Path, run: RunContext, *, polls: int) -> Bundle:
    """Train, stopped at each ``polls``-th look at the flag, until it is done."""
    while not out.exists():
        try:
            train(config, examples, out, stopped(run, polls))
        except InterruptedRunError:
            continue
    return train(config, examples, out, run)


@pytest.mark.slow
def test_metrics_of_an_interrupted_training_are_those_of_a_whole_one(
    trained: Any, tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    run = make_run("stopped")
    again_and_again(tiny_config(), tiny_examples, tmp_path / "out", run, polls=9)
    found, wanted = ([line | {"time_ms": 0} for line in lines(context)] for context in (run, trained.run))
    assert found == wanted
    num_steps = sum("step/loss" in line["values"] for line in wanted)
    assert [line["number"] for line in wanted] == list(range(num_steps + 4))
    for tag in ("train/loss", "eval/loss", "train/gradient_norm"):
        assert [point.step for point in events(run, tag)] == [1, 2, 3, 4]


@pytest.mark.promise("S4-58")
def test_each_step_records_loss_norm_and_rate(trained: Any) -> None:
    steps = [line for line in lines(trained.run) if "step/loss" in line["values"]]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    assert {line["values"]["step/learning_rate"] for line in steps} == {0.003}
    history = read_json(trained.bundle.path("history.json"))
    epochs = [line["values"] for line in lines(trained.run) if "eval/loss" in line["values"]]
    assert [values["eval/loss"] for values in epochs] == history["val_loss"]
    num_steps = len(steps) // 4
    for epoch, values in enumerate(epochs):
        norms = [line["values"]["step/gradient_norm"] for line in steps[epoch * num_steps : (epoch + 1) * num_steps]]
        assert values["train/gradient_norm"] == pytest.approx(sum(norms) / num_steps)


@pytest.mark.promise("S2-55")
def test_a_batch_in_parts_trains_to_the_same_losses(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    losses: list[list[float]] = []
    for accumulate in (1, 4):
        config = tiny_config(model={"dropout": 0.0}, train={"epochs": 2, "gradient": {"accumulate": accumulate}})
        key = f"parts-{accumulate}"
        losses.append(
            read_json(train(config, tiny_examples, tmp_path / key, make_run(key)).path("history.json"))["val_loss"]
        )
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.parametrize("masks", ["fresh", "pool"])
def test_segments_change_no_bit(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run, masks: str
) -> None:
    ends: list[dict[str, torch.Tensor]] = []
    for segments in (None, 2):
        group = {"epochs": 1, "max_windows_per_epoch": 64, "gradient": {"segments": segments}, **POOL}
        group["masks"] = POOL["masks"] | {"source": masks}
        config = tiny_config(model={"layers": 2}, train=group)
        key = f"segments-{segments or 0}"
        ends.append(weights(train(config, tiny_examples, tmp_path / key, make_run(key))))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_without_dropout_masks_from_a_pool_change_no_bit(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    ends: list[dict[str, torch.Tensor]] = []
    for key, group in (("fresh", {"masks": {"source": "fresh"}}), ("pool", POOL)):
        config = tiny_config(model={"dropout": 0.0}, train={"epochs": 1, **group})
        ends.append(weights(train(config, tiny_examples, tmp_path / key, make_run(key))))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.slow
def test_with_masks_from_a_pool_a_stopped_training_ends_in_the_same_bits(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    config = tiny_config(train={"epochs": 2, **POOL})
    whole = train(config, tiny_examples, tmp_path / "whole", make_run("whole"))
    found = again_and_again(config, tiny_examples, tmp_path / "out", make_run("stopped"), polls=5)
    assert found.digest == whole.digest


@pytest.mark.slow
def test_with_masks_from_a_pool_a_killed_training_ends_in_the_same_bits(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    config = tiny_config(train=POOL | {"schedule": {"type": "cosine_annealing", "t_max": 4}})
    whole = train(config, tiny_examples, tmp_path / "whole", make_run("whole"))
    command = [sys.executable, "-c", KILLER, config.canonical(), str(tiny_examples), str(tmp_path), "3"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == whole.digest
    assert int(done.stdout.split("kills ")[1].split()[0]) >= 2
    found, wanted = ([line | {"time_ms": 0} for line in lines(make_run(key))] for key in ("killed", "whole"))
    assert found == wanted
    assert [point.step for point in events(make_run("killed"), "eval/loss")] == [1, 2, 3, 4]


def test_a_checkpoint_holds_all_that_a_resume_needs(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    run = make_run("stopped")
    with pytest.raises(InterruptedRunError):
        train(tiny_config(train=POOL), tiny_examples, tmp_path / "out", stopped(run, 40))
    [folder] = (path for path in run.checkpoints.iterdir() if path.is_dir())
    found = CheckpointStore(folder, log=run.log).newest()
    assert found is not None
    assert found.values["epoch"] == 1
    assert found.values["batch"] > 0
    assert found.values["step"] > found.values["batch"]
    assert found.values["num_lines"] == found.values["step"] + 1
    assert found.values["stopping"] == {"best": found.values["history"]["val_loss"][0], "epochs_without_gain": 0}
    assert found.values["norms"]["steps"] == found.values["batch"]
    assert {name.split(".")[0] for name in found.tensors} == {"model", "best", "optimizer", "rng", "pool"}
    assert found.tensors["rng.0.cpu"].dtype == found.tensors["pool.0.places"].dtype == torch.uint8


def test_masks_that_drop_nothing_give_the_published_network() -> None:
    torch.manual_seed(0)
    config = PriceActionConfig.parse({"model": {"dropout": 0.0}}, name="test")
    model = PriceActionTransformer(config.model, num_features=14, window=64)
    windows = torch.randn(8, 64, 14)
    masks = MaskPool(0.0, num_elements=2**20, seed=0, device=torch.device("cpu")).draw(model.num_sites)
    found, wanted = model.logits(windows, masks=masks), model.logits(windows)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    for ours, plain in zip(
        *(torch.autograd.grad(logits.square().sum(), list(model.parameters())) for logits in (found, wanted)),
        strict=True,
    ):
        assert float((ours - plain).norm()) <= 1e-5 * float(plain.norm()) + 1e-7


def test_a_schedule_is_followed_also_after_a_resume(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    schedule = {"type": "warm_restarts", "t_0": 2, "eta_min": 0.001, "unit": "epoch"}
    run = make_run("schedule")
    config = tiny_config(train={"epochs": 3, "max_windows_per_epoch": 64, "schedule": schedule})
    again_and_again(config, tiny_examples, tmp_path / "out", run, polls=5)
    rates = [line["values"]["step/learning_rate"] for line in lines(run) if "step/loss" in line["values"]]
    assert rates == pytest.approx([0.003] * 4 + [0.002] * 4 + [0.003] * 4)


def test_a_plateau_remembers_its_reductions(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    schedule = {"type": "plateau", "patience": 0, "threshold": 0.9}
    run = make_run("plateau")
    config = tiny_config(train={"epochs": 3, "max_windows_per_epoch": 64, "schedule": schedule})
    again_and_again(config, tiny_examples, tmp_path / "out", run, polls=5)
    rates = [line["values"]["step/learning_rate"] for line in lines(run) if "step/loss" in line["values"]]
    assert rates == pytest.approx([0.003] * 8 + [0.0015] * 4)


def test_a_plateau_of_a_metric_that_is_not_there_is_named(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    schedule = {"type": "plateau", "metric": "val_sharpe"}
    config = tiny_config(train={"epochs": 1, "max_windows_per_epoch": 32, "schedule": schedule})
    with pytest.raises(RecipeError, match=r"'val_sharpe'.*val_loss"):
        train(config, tiny_examples, tmp_path / "out", make_run("misspelt"))
