"""A fleet takes, for each of its networks, the steps that a plain loop over that one alone takes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from components.core.errors import InterruptedRunError, RecipeError
from components.core.run_context import RunContext, Stop
from components.core.workspace import Workspace
from components.learning.batches import epoch_order
from components.learning.fleet import Fitted, FleetTask, Layout, Member, fit_fleet
from components.learning.settings import FleetConfig

CPU = torch.device("cpu")
FEATURES, WIDTH = 3, 5
SIZES = (70, 40, 16, 33, 5)
"""Training samples of each network: some end an epoch early, and some with half a batch."""
VALIDATION = 20
LAYOUT = Layout({"w1": (FEATURES, WIDTH), "b1": (WIDTH,), "w2": (WIDTH, 1)})
TOLERANCE = 1e-5


def sheet() -> tuple[Tensor, Tensor]:
    """Return the samples of all networks, one after another: training and validation of the first, and so on."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(sum(SIZES) + VALIDATION * len(SIZES), FEATURES, generator=generator)
    slope = torch.tensor([1.0, -2.0, 0.5])
    return x, torch.tanh(x @ slope) + 0.3 * torch.randn(len(x), generator=generator)


def losses_on(x: Tensor, y: Tensor) -> Callable[[Mapping[str, Tensor], Tensor], Tensor]:
    def losses(parameters: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        hidden = torch.tanh(torch.baddbmm(parameters["b1"][:, None], x[rows], parameters["w1"]))
        return ((hidden @ parameters["w2"])[..., 0] - y[rows]).square()

    return losses


def start_of(place: int) -> Tensor:
    return 0.5 * torch.randn(LAYOUT.size, generator=torch.Generator().manual_seed(100 + place))


def members() -> list[Member]:
    found: list[Member] = []
    first = 0
    for place, size in enumerate(SIZES):
        rows = np.arange(first, first + size + VALIDATION)
        found.append(Member(f"T{place}", 7 + place, start_of(place), rows[:size], rows[size:]))
        first += size + VALIDATION
    return found


def config(**values: Any) -> FleetConfig:
    settings = {"batch": 16, "epochs": 12, "lr": 0.05, "weight_decay": 0.1, "clip_norm": 0.2, "group": 10}
    settings |= {"schedule": {"type": "cosine_annealing", "t_max": 12}, "stopping": {"patience": 3}}
    return FleetConfig.parse(settings | values, name="test")


def run_in(folder: Path, stop: Stop | None = None) -> RunContext:
    return RunContext("train", "k", Workspace.at(str(folder)), stop=Stop() if stop is None else stop)


def fit(folder: Path, settings: FleetConfig, chosen: list[Member], stop: Stop | None = None) -> tuple[Fitted, ...]:
    task = FleetTask(chosen, LAYOUT, losses_on(*sheet()), name="fleet")
    return fit_fleet(task, settings, CPU, run_in(folder, stop))


class Alone(nn.Module):
    """The network of one member as everybody would write it."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, 1, bias=False)
        w1, b1, w2 = start.split([FEATURES * WIDTH, WIDTH, WIDTH])
        with torch.no_grad():
            self.first.weight.copy_(w1.view(FEATURES, WIDTH).T)
            self.first.bias.copy_(b1)
            self.second.weight.copy_(w2.view(1, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.second(torch.tanh(self.first(x)))
        return output[:, 0]

    def row(self) -> Tensor:
        return torch.cat([self.first.weight.T.reshape(-1), self.first.bias, self.second.weight.reshape(-1)]).detach()


def train_alone(member: Member, settings: FleetConfig) -> tuple[list[float], list[float], Tensor]:
    """Return the curves and the best weights of a plain loop with torch's own optimizer, schedule and clipping."""
    x, y = sheet()
    model = Alone(member.start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12, eta_min=1e-5)
    trained: list[float] = []
    validated: list[float] = []
    best = member.start
    for epoch in range(settings.epochs):
        order = epoch_order(len(member.train), epoch=epoch, most=None, shuffle=True, seed=member.seed)
        total = 0.0
        for rows in torch.from_numpy(member.train[order]).split(settings.batch):
            optimizer.zero_grad()
            loss = (model(x[rows]) - y[rows]).square().mean()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        schedule.step()
        with torch.no_grad():
            val_loss = float((model(x[member.validation]) - y[member.validation]).square().mean())
        trained.append(total / len(member.train))
        validated.append(val_loss)
        if val_loss == min(validated):
            best = model.row()
        if len(validated) - 1 - int(np.argmin(validated)) >= settings.stopping.patience:
            break
    return trained, validated, best


def test_every_network_takes_the_steps_of_a_plain_loop_over_it_alone(tmp_path: Path) -> None:
    settings = config()
    lengths: set[int] = set()
    for member, fitted in zip(members(), fit(tmp_path, settings, members()), strict=True):
        trained, validated, best = train_alone(member, settings)
        np.testing.assert_allclose(fitted.history["train_loss"], trained, atol=TOLERANCE)
        np.testing.assert_allclose(fitted.history["val_loss"], validated, atol=TOLERANCE)
        torch.testing.assert_close(fitted.weights, best, rtol=0, atol=TOLERANCE)
        assert fitted.best_epoch == int(np.argmin(validated)) + 1
        assert not fitted.diverged
        lengths.add(len(validated))
    assert len(lengths) > 2  # they stopped at different epochs


@pytest.mark.parametrize("group", [1, 2, 10])
def test_neither_the_others_nor_the_group_change_a_network(tmp_path: Path, group: int) -> None:
    whole = fit(tmp_path / "whole", config(group=group), members())
    for place, member in enumerate(members()):
        [alone] = fit(tmp_path / member.name, config(), [member])
        torch.testing.assert_close(alone.weights, whole[place].weights, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(alone.history["val_loss"], whole[place].history["val_loss"], atol=TOLERANCE)


def test_a_network_that_stopped_moves_no_more(tmp_path: Path) -> None:
    """With the last weights kept instead of the best, those of the epoch in which patience ran out are left."""
    last = {"stopping": {"patience": 2, "restore_best": False}}
    long = fit(tmp_path / "long", config(**last), members())
    ends = [len(it.history["val_loss"]) for it in long]
    assert min(ends) < max(ends)
    for place, (member, end) in enumerate(zip(members(), ends, strict=True)):
        [short] = fit(tmp_path / f"short{place}", config(**last, epochs=end), [member])
        torch.testing.assert_close(short.weights, long[place].weights, rtol=0, atol=TOLERANCE)


def test_one_that_diverges_stays_behind_and_the_others_go_on(tmp_path: Path) -> None:
    x, y = sheet()
    sick = members()[1]
    y[sick.train[3]] = float("inf")
    task = FleetTask(members(), LAYOUT, losses_on(x, y), name="fleet")
    found = fit_fleet(task, config(), CPU, run_in(tmp_path / "sick"))
    well = fit(tmp_path / "well", config(), members())
    assert [it.diverged for it in found] == [False, True, False, False, False]
    assert torch.equal(found[1].weights, sick.start)
    assert (found[1].best_epoch, found[1].history["val_loss"]) == (0, [])
    for place in (0, 2, 3, 4):
        assert torch.equal(found[place].weights, well[place].weights)


class StopAfter(Stop):
    def __init__(self, polls: int) -> None:
        super().__init__()
        self.left = polls

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_stopped_at_any_step_it_ends_in_the_same_bits(tmp_path: Path) -> None:
    settings = config(group=3)
    whole = fit(tmp_path / "whole", settings, members())
    stops, found = 0, None
    while found is None:
        try:
            found = fit(tmp_path / "stopped", settings, members(), StopAfter(4))
        except InterruptedRunError:
            stops += 1
        assert stops < 100
    assert stops > 5
    for one, other in zip(whole, found, strict=True):
        assert torch.equal(one.weights, other.weights)
        assert one.history == other.history
        assert one.best_epoch == other.best_epoch


def test_killed_at_any_moment_it_ends_in_the_same_bits(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    whole = fit(tmp_path / "whole", config(epochs=60, stopping={"patience": 60}), members())
    command = [sys.executable, __file__, str(tmp_path / "killed")]
    kills, left = 0, np.random.default_rng(seed)
    while True:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        try:
            child.wait(timeout=float(left.uniform(0.05, 0.4)) if kills < 2 else None)
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
            kills += child.wait() == -signal.SIGKILL
            child.stdout.close()
            continue
        child.stdout.close()
        assert child.returncode == 0
        break
    found = torch.from_numpy(np.load(tmp_path / "killed" / "weights.npy"))
    assert torch.equal(found, torch.stack([it.weights for it in whole])), f"seed {seed}"
    assert kills, f"seed {seed}"


@pytest.mark.parametrize("schedule", [{"type": "plateau"}, {"type": "constant", "unit": "step", "warmup": 3}])
def test_a_schedule_that_differs_between_networks_is_refused(schedule: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="schedule must count epochs"):
        config(schedule=schedule)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    settings = config(epochs=60, stopping={"patience": 60}, checkpoint_every_batches=1)
    np.save(folder / "weights.npy", torch.stack([it.weights for it in fit(folder, settings, members())]).numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
