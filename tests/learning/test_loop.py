"""The loop takes the steps that a plain loop takes, keeps the best epoch, and goes on where it was."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from components.core.errors import InterruptedRunError
from components.core.run_context import RunContext, Stop
from components.core.workspace import Workspace
from components.learning.batches import epoch_order
from components.learning.checkpoint import CheckpointStore
from components.learning.dropout import MaskPool
from components.learning.faults import DivergedError
from components.learning.loop import Loop, Task
from components.learning.reproducible import reproducible
from components.learning.settings import LoopConfig

SAMPLES = 40
CPU = torch.device("cpu")


def sheet() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLES, 3, generator=generator)
    return x, x @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(SAMPLES, generator=generator)


def make_task(*, dropout: float = 0.0) -> Task:
    x, y = sheet()
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(dropout), nn.Linear(8, 1))

    def loss(samples: Tensor) -> Tensor:
        return (model(x[samples])[:, 0] - y[samples]).square().mean()

    return Task(model, SAMPLES, loss, name="line", seed=4)


def config(**values: Any) -> LoopConfig:
    return LoopConfig.parse({"batch": 16, "epochs": 3, "lr": 0.01, "checkpoint_every_batches": 2} | values, name="test")


def validation(loop: Loop) -> dict[str, float]:
    loop.model.eval()
    x, y = sheet()
    with torch.no_grad():
        return {"loss": float((loop.model(x)[:, 0] - y).square().mean())}


@pytest.fixture
def make_loop(tmp_path: Path) -> Callable[..., Loop]:
    def make(settings: LoopConfig, *, key: str = "k", stop: Stop | None = None, dropout: float = 0.0) -> Loop:
        run = RunContext("train", key, Workspace.at(str(tmp_path)), stop=Stop() if stop is None else stop)
        store = CheckpointStore(run.checkpoints / "line", log=logging.getLogger("test"))
        return Loop(make_task(dropout=dropout), settings, CPU, store, run)

    return make


def finish(loop: Loop) -> dict[str, Tensor]:
    with closing(loop):
        while not loop.finished:
            loop.close_epoch(loop.train_epoch(), validation(loop))
        loop.restore_best()
    return {name: tensor.clone() for name, tensor in loop.model.state_dict().items()}


def test_the_steps_are_those_of_a_plain_loop(make_loop: Callable[..., Loop]) -> None:
    with reproducible(seed=0, threads=1):
        loop = make_loop(config(gradient={"clip_norm": 0.5}))
        found = finish(loop)
    with reproducible(seed=0, threads=1):
        task = make_task()
        optimizer = torch.optim.AdamW(task.model.parameters(), lr=0.01, weight_decay=0.01, fused=True)
        for epoch in range(3):
            order = torch.from_numpy(epoch_order(SAMPLES, epoch=epoch, most=None, shuffle=True, seed=4))
            for samples in order.split(16):
                optimizer.zero_grad()
                task.loss(samples).backward()
                torch.nn.utils.clip_grad_norm_(task.model.parameters(), 0.5)
                optimizer.step()
    assert loop.position.best_epoch == 3
    for name, tensor in task.model.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def test_a_batch_in_parts_takes_the_same_step(make_loop: Callable[..., Loop]) -> None:
    with reproducible(seed=0, threads=1):
        whole = finish(make_loop(config(), key="whole"))
    with reproducible(seed=0, threads=1):
        cut = finish(make_loop(config(gradient={"accumulate": 3}), key="cut"))
    for name, tensor in whole.items():
        torch.testing.assert_close(cut[name], tensor, rtol=1e-5, atol=1e-6)


class StopAfter(Stop):
    def __init__(self, polls: int) -> None:
        super().__init__()
        self.left = polls

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_stopped_at_any_batch_it_ends_in_the_same_bits(make_loop: Callable[..., Loop]) -> None:
    with reproducible(seed=0, threads=1):
        whole = finish(make_loop(config(), key="whole", dropout=0.3))
    stops, found = 0, None
    while found is None:
        try:
            with reproducible(seed=0, threads=1):
                found = finish(make_loop(config(), key="stopped", stop=StopAfter(2), dropout=0.3))
        except InterruptedRunError:
            stops += 1
        assert stops < 50
    assert stops > 3
    for name, tensor in whole.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def masked_task() -> Task:
    """Return a task of positions that stand for two samples each, whose masks come from a pool."""
    x, y = sheet()
    model = nn.Linear(3, 1)
    pool = MaskPool(0.3, num_elements=2**12, seed=0, device=CPU)

    def loss(pairs: Tensor) -> Tensor:
        rows = torch.cat([2 * pairs, 2 * pairs + 1])
        return (model(pool.draw(1).drop(0, x[rows]))[:, 0] - y[rows]).square().mean()

    weigh = lambda pairs: 2 * len(pairs)  # noqa: E731
    return Task(model, SAMPLES // 2, loss, name="masked", seed=4, weigh=weigh, pool=pool)


def test_masks_of_a_pool_are_resumed_and_samples_are_counted_as_the_task_weighs_them(tmp_path: Path) -> None:
    def trained(key: str, polls: int) -> tuple[dict[str, Tensor], int]:
        for stops in range(50):
            run = RunContext("train", key, Workspace.at(str(tmp_path)), stop=StopAfter(polls))
            store = CheckpointStore(run.checkpoints / "masked", log=logging.getLogger("test"))
            with (
                reproducible(seed=0, threads=1),
                closing(Loop(masked_task(), config(batch=8), CPU, store, run)) as loop,
            ):
                try:
                    while not loop.finished:
                        loop.train_epoch()
                        assert loop.position.num_seen == SAMPLES
                        loop.close_epoch(0.0, validation(loop))
                except InterruptedRunError:
                    continue
                return {name: item.clone() for name, item in loop.model.state_dict().items()}, stops
        raise AssertionError("it never ended")

    (whole, never), (stopped, often) = trained("whole", 10_000), trained("stopped", 2)
    assert never == 0
    assert often > 3
    for name, tensor in whole.items():
        torch.testing.assert_close(stopped[name], tensor, rtol=0, atol=0)


def test_the_best_epoch_is_kept_and_patience_ends_the_training(make_loop: Callable[..., Loop]) -> None:
    losses = iter([3.0, 1.0, 2.0, 2.5, 1.5, 1.1])
    with reproducible(seed=0, threads=1), closing(make_loop(config(epochs=50, stopping={"patience": 3}))) as loop:
        kept: dict[str, Tensor] = {}
        while not loop.finished:
            loop.close_epoch(loop.train_epoch(), {"loss": next(losses)})
            if loop.position.epoch == 2:
                kept = {name: tensor.clone() for name, tensor in loop.model.state_dict().items()}
        assert loop.position.history["val_loss"] == [3.0, 1.0, 2.0, 2.5, 1.5]
        assert loop.restore_best() == 2
        for name, tensor in loop.model.state_dict().items():
            assert torch.equal(tensor, kept[name])


def test_a_validation_that_is_no_number_stops_and_names_the_setting(make_loop: Callable[..., Loop]) -> None:
    with reproducible(seed=0, threads=1), closing(make_loop(config())) as loop:
        trained = loop.train_epoch()
        with pytest.raises(DivergedError, match=r"validation 1: the loss is nan\. Lower train\.lr \(was 0\.01\)"):
            loop.close_epoch(trained, {"loss": float("nan")})
        with pytest.raises(ValueError, match="no epoch is over"):
            loop.restore_best()


def test_a_caller_who_has_seen_enough_gets_the_best_weights_so_far(make_loop: Callable[..., Loop]) -> None:
    seen = list[int]()
    loop = make_loop(config(epochs=9))
    loop._run = replace(loop._run, enough=lambda: loop.position.epoch >= 2)
    with closing(loop):
        while not loop.finished:
            loop.close_epoch(loop.train_epoch(), validation(loop))
            seen.append(loop.position.epoch)
        assert loop.restore_best() in seen
    assert seen == [1, 2]


def test_betas_reach_the_optimizer(make_loop: Callable[..., Loop]) -> None:
    with closing(make_loop(config(betas=(0.8, 0.95)))) as loop:
        assert loop.optimizer.param_groups[0]["betas"] == (0.8, 0.95)
