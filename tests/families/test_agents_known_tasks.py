"""Each agent solves a task whose solution is known, to a stated score, from a fixed seed."""

from typing import Any

import pytest
import torch
from gym_rows import GymRows, mean_score

from components.families.agents.algorithms import RainbowConfig, SACConfig, TD3Config
from components.families.agents.config import NetworkConfig
from components.families.agents.rainbow import Rainbow
from components.families.agents.sac import SAC
from components.families.agents.td3 import TD3

QUICK: dict[str, Any] = {"learning_starts": 400, "steps_per_round": 4}
PENDULUM: dict[str, Any] = {**QUICK, "batch": 128, "gradients_per_round": 8, "lr": 3e-3, "gamma": 0.9, "tau": 0.05}
CARTPOLE: dict[str, Any] = {**QUICK, "batch": 64, "gradients_per_round": 4, "lr": 1e-3, "v_min": 0.0, "v_max": 100.0}


def steps_until(kind: Any, config: Any, task: str, *, score: float, most: int) -> int:
    """Return the steps after which an evaluation of 10 episodes first reaches ``score``; fails after ``most``."""
    torch.manual_seed(0)
    learner = kind(
        GymRows(task, num_envs=4, seed=0),
        config,
        NetworkConfig(hidden=(64, 64)),
        generator=torch.Generator().manual_seed(0),
        device=torch.device("cpu"),
        total_steps=most,
    )
    scores: list[float] = []
    while learner.num_steps < most:
        while learner.num_steps < 500 * (len(scores) + 1):
            learner.advance()
        scores.append(mean_score(learner, task, episodes=10, seed=1000))
        if scores[-1] >= score:
            return learner.num_steps
    pytest.fail(f"{score} was not reached in {most} steps: {[round(value) for value in scores]}")


@pytest.mark.slow
@pytest.mark.promise("S4-68")
def test_sac_swings_the_pendulum_up_and_holds_it() -> None:
    """At random about -1,200; -250 is a pendulum that is up after one or two swings."""
    assert steps_until(SAC, SACConfig(**PENDULUM), "Pendulum-v1", score=-250.0, most=6000) <= 6000


@pytest.mark.slow
@pytest.mark.promise("S4-68")
def test_td3_swings_the_pendulum_up_and_holds_it() -> None:
    config = TD3Config(**PENDULUM, exploration_noise=0.2)
    assert steps_until(TD3, config, "Pendulum-v1", score=-250.0, most=6000) <= 6000


@pytest.mark.slow
@pytest.mark.promise("S4-68")
def test_rainbow_balances_the_pole() -> None:
    """At random about 22; 195 is what counted as solved of the first version of the task."""
    config = RainbowConfig(**CARTPOLE, target_every=500)
    assert steps_until(Rainbow, config, "CartPole-v1", score=195.0, most=8000) <= 8000
