"""Learning rates are those of torch's schedulers, from the count alone."""

from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler

from components.core.config import Config
from components.core.errors import RecipeError
from components.learning.schedule import PlateauState, learning_rate, set_learning_rate
from components.learning.settings import Constant, CosineAnnealing, Plateau, Schedule, WarmRestarts

BASE = 0.001


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)


def torchs(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], counts: int) -> list[float]:
    """Return what torch's scheduler gives at each count."""
    subject = optimizer()
    scheduler = make(subject)
    rates: list[float] = []
    for _ in range(counts):
        rates.append(float(subject.param_groups[0]["lr"]))
        subject.step()
        scheduler.step()
    return rates


def ours(schedule: Schedule, counts: int) -> list[float]:
    return [learning_rate(schedule, BASE, step=-1, epoch=count) for count in range(counts)]


def test_cosine_annealing_is_torchs() -> None:
    schedule = CosineAnnealing(type="cosine_annealing")
    assert (schedule.t_max, schedule.eta_min) == (100, 1e-5)
    theirs = torchs(lambda subject: lr_scheduler.CosineAnnealingLR(subject, T_max=100, eta_min=1e-5), 130)
    assert ours(schedule, 130) == pytest.approx(theirs, rel=1e-9)
    assert ours(schedule, 101)[50] == pytest.approx((BASE + 1e-5) / 2)
    assert ours(schedule, 101)[100] == pytest.approx(1e-5)


@pytest.mark.promise("S4-83")
def test_warm_restarts_are_torchs() -> None:
    schedule = WarmRestarts(type="warm_restarts")
    assert (schedule.t_0, schedule.t_mult, schedule.eta_min) == (10, 2, 1e-6)
    theirs = torchs(
        lambda subject: lr_scheduler.CosineAnnealingWarmRestarts(subject, T_0=10, T_mult=2, eta_min=1e-6), 160
    )
    assert ours(schedule, 160) == pytest.approx(theirs, rel=1e-9)
    assert [count for count, rate in enumerate(ours(schedule, 160)) if rate == BASE] == [0, 10, 30, 70, 150]


def test_a_warmup_of_1000_steps_is_torchs_and_ends_at_the_base() -> None:
    schedule = Constant(warmup=1000, unit="step")
    rates = [learning_rate(schedule, BASE, step=step, epoch=7) for step in range(1200)]
    theirs = torchs(lambda subject: lr_scheduler.LinearLR(subject, start_factor=1 / 1000, total_iters=999), 1200)
    assert rates == pytest.approx(theirs, rel=1e-6)
    assert rates[0] == pytest.approx(1e-6)
    assert rates[999:] == [BASE] * 201


def test_a_schedule_starts_where_its_warmup_ends() -> None:
    plain = CosineAnnealing(type="cosine_annealing", t_max=10)
    warmed = plain.model_copy(update={"warmup": 4})
    assert ours(warmed, 14)[:4] == pytest.approx([BASE / 4, BASE / 2, BASE * 3 / 4, BASE])
    assert ours(warmed, 14)[4:] == ours(plain, 10)


def test_constant_is_the_base_to_the_bit() -> None:
    assert set(ours(Constant(), 50)) == {BASE}


METRICS = [1.0, 0.9, 0.95, 0.9, 0.89999, 0.91, 0.93, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [0, 2, 5])
def test_plateau_is_torchs(mode: str, patience: int) -> None:
    schedule = Plateau.parse(
        {"type": "plateau", "mode": mode, "patience": patience, "eta_min": 1e-4, "metric": "x"}, name="test"
    )
    assert schedule.factor == Plateau(type="plateau").factor == 0.5
    assert Plateau(type="plateau").patience == 5
    subject = optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(subject, mode=mode, factor=0.5, patience=patience, min_lr=1e-4)
    state = PlateauState()
    for metric in METRICS:
        scheduler.step(metric)
        state = state.advance(schedule, {"x": metric})
        rate = learning_rate(schedule, BASE, step=0, epoch=0, plateau=state)
        assert rate == pytest.approx(subject.param_groups[0]["lr"], rel=1e-9)
    assert state.reductions > 0


def test_no_number_is_no_gain() -> None:
    state = PlateauState().advance(Plateau(type="plateau"), {"val_loss": float("nan")})
    assert (state.best, state.epochs_without_gain) == (None, 1)


def test_a_metric_that_is_not_there_is_named() -> None:
    with pytest.raises(RecipeError, match=r"'val_los'.*There are val_loss, val_f1"):
        PlateauState().advance(Plateau(type="plateau", metric="val_los"), {"val_loss": 1.0, "val_f1": 0.5})


def test_the_optimizer_takes_the_rate() -> None:
    subject = optimizer()
    set_learning_rate(subject, 0.25)
    assert [group["lr"] for group in subject.param_groups] == [0.25]


class Holder(Config):
    schedule: Schedule = Constant()
    """One of the schedules."""


def test_a_recipe_says_which_schedule() -> None:
    found = Holder.parse({"schedule": {"type": "warm_restarts", "t_0": 3}}, name="recipe").schedule
    assert found == WarmRestarts(type="warm_restarts", t_0=3)
    with pytest.raises(RecipeError, match=r"schedule.*t_max: unknown key"):
        Holder.parse({"schedule": {"type": "warm_restarts", "t_max": 3}}, name="recipe")
