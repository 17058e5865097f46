"""SAC, TD3 and Rainbow on known tasks, against maintained implementations at equal settings, one core each.

SAC and TD3 swing Pendulum-v1 up beside those of Stable-Baselines3, Rainbow balances CartPole-v1 beside Tianshou's: the
one maintained Rainbow with all of its parts. Both sides step the same environments of Gymnasium, take as many
gradients of as large batches, and have networks of the same widths. CPU seconds are those of training alone.

    python benchmarks/off_policy.py [--seeds N] [--agents sac td3 rainbow_dqn] [--curves FILE.svg]
"""

import measure  # noqa: F401 - it sets the number of threads

# isort: split
import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import matplotlib as mpl
import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor, nn

sys.path.append(str(Path(__file__).parents[1] / "tests" / "families"))
from gym_rows import GymRows, mean_score

from components.families.agents.algorithms import RainbowConfig, SACConfig, TD3Config
from components.families.agents.config import NetworkConfig
from components.families.agents.rainbow import Rainbow
from components.families.agents.sac import SAC
from components.families.agents.td3 import TD3

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tianshou.algorithm.modelfree.c51 import C51Policy
    from tianshou.algorithm.modelfree.rainbow import RainbowDQN
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, PrioritizedVectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.utils.net.common import Net
    from tianshou.utils.net.discrete import NoisyLinear
    from tianshou.utils.torch_utils import policy_within_training_step

mpl.use("svg")
from matplotlib import pyplot as plt

torch.set_num_threads(1)

NUM_ENVS, HIDDEN, EPISODES, EVERY = 4, (64, 64), 10, 500
STEPS, GRADIENTS, STARTS, BUFFER = 4, 8, 400, 20_000
"""Steps of each environment and gradients in a round, steps at random, and steps that are remembered."""
PENDULUM: dict[str, Any] = {"lr": 3e-3, "batch": 128, "gamma": 0.9, "tau": 0.05}
NOISE = 0.2
CARTPOLE: dict[str, Any] = {"lr": 1e-3, "batch": 64, "gamma": 0.99, "n_step": 3, "v_min": 0.0, "v_max": 100.0}
TARGET_EVERY = 500
"""Steps from one copy of Rainbow's network to the next."""


@dataclass(frozen=True)
class Task:
    """A known task, and what counts as solved."""

    name: str
    score: float
    most: int
    """Steps of one training."""
    gradients: int


PENDULUM_TASK, CARTPOLE_TASK = Task("Pendulum-v1", -250.0, 3000, 8), Task("CartPole-v1", 195.0, 3000, 4)
TASKS = {"sac": PENDULUM_TASK, "td3": PENDULUM_TASK, "rainbow_dqn": CARTPOLE_TASK}


class Ours:
    """One of our agents."""

    def __init__(self, name: str, seed: int) -> None:
        task = TASKS[name]
        settings = {
            "buffer": BUFFER, "learning_starts": STARTS, "steps_per_round": STEPS, "gradients_per_round": task.gradients
        }  # fmt: skip
        kind, config = {
            "sac": (SAC, lambda: SACConfig(**settings, **PENDULUM)),
            "td3": (TD3, lambda: TD3Config(**settings, **PENDULUM, exploration_noise=NOISE)),
            "rainbow_dqn": (Rainbow, lambda: RainbowConfig(**settings, **CARTPOLE, target_every=TARGET_EVERY)),
        }[name]
        torch.manual_seed(seed)
        agent: Any = kind(
            GymRows(task.name, num_envs=NUM_ENVS, seed=seed), config(), NetworkConfig(hidden=HIDDEN),
            generator=torch.Generator().manual_seed(seed), device=torch.device("cpu"), total_steps=task.most,
        )  # fmt: skip
        self.advance, self.act, self._agent = agent.advance, agent.act, agent

    @property
    def num_steps(self) -> int:
        """Steps taken, of all environments."""
        return self._agent.num_steps


class StableBaselines3:
    """SAC or TD3 of Stable-Baselines3."""

    def __init__(self, name: str, seed: int) -> None:
        rows = DummyVecEnv([lambda: gymnasium.make(TASKS[name].name)] * NUM_ENVS)
        blur = VectorizedActionNoise(NormalActionNoise(np.zeros(1), np.full(1, NOISE)), NUM_ENVS)
        self._agent = {"sac": stable_baselines3.SAC, "td3": stable_baselines3.TD3}[name](
            "MlpPolicy", rows, learning_rate=PENDULUM["lr"], batch_size=PENDULUM["batch"], gamma=PENDULUM["gamma"],
            tau=PENDULUM["tau"], buffer_size=BUFFER, learning_starts=STARTS, train_freq=STEPS,
            gradient_steps=TASKS[name].gradients, seed=seed, device="cpu",
            action_noise=blur if name == "td3" else None,
            policy_kwargs={"net_arch": list(HIDDEN), "activation_fn": nn.ReLU},
        )  # fmt: skip

    def advance(self) -> None:
        """Take one round, the steps at random before the first."""
        first = STARTS if not self.num_steps else 0
        self._agent.learn(first + STEPS * NUM_ENVS, reset_num_timesteps=False)

    @property
    def num_steps(self) -> int:
        """Steps taken, of all environments."""
        return self._agent.num_timesteps

    def act(self, observation: Tensor) -> Tensor:
        """Return what its policy does, in [-1, 1]."""
        done = self._agent.predict(observation.numpy(), deterministic=True)[0]
        return torch.from_numpy(done / self._agent.action_space.high)


class Tianshou:
    """Rainbow of Tianshou: one layer for all, two noisy layers for each stream, as ours has at these widths."""

    def __init__(self, name: str, seed: int) -> None:
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - its buffer draws from it
        envs = DummyVectorEnv([lambda: gymnasium.make(TASKS[name].name)] * NUM_ENVS)
        envs.seed(seed)
        stream = {"hidden_sizes": [HIDDEN[1]], "linear_layer": lambda width, out: NoisyLinear(width, out, 0.5)}
        net = Net(
            state_shape=4, action_shape=2, hidden_sizes=[HIDDEN[0]], softmax=True, num_atoms=51,
            dueling_param=(stream, stream),
        )  # fmt: skip
        policy = C51Policy(
            model=net, action_space=gymnasium.spaces.Discrete(2), v_min=CARTPOLE["v_min"], v_max=CARTPOLE["v_max"]
        )
        every = TARGET_EVERY * TASKS[name].gradients // (STEPS * NUM_ENVS)
        self._agent = RainbowDQN(
            policy=policy, optim=AdamOptimizerFactory(lr=CARTPOLE["lr"], eps=1.5e-4), gamma=CARTPOLE["gamma"],
            n_step_return_horizon=CARTPOLE["n_step"], target_update_freq=every,
        )  # fmt: skip
        self._buffer = PrioritizedVectorReplayBuffer(BUFFER, buffer_num=NUM_ENVS, alpha=0.5, beta=0.4)
        self._rows = Collector(self._agent, envs, self._buffer)
        self._rows.reset()
        self._gradients, self.num_steps = TASKS[name].gradients, 0
        self._policy = policy

    def advance(self) -> None:
        """Take one round, the steps at random before the first."""
        if not self.num_steps:
            self._rows.collect(n_step=STARTS, random=True)
            self.num_steps += STARTS
        self._policy.train()
        with policy_within_training_step(self._policy):
            self._rows.collect(n_step=STEPS * NUM_ENVS)
            self.num_steps += STEPS * NUM_ENVS
            self._buffer.set_beta(0.4 + 0.6 * min(1.0, self.num_steps / CARTPOLE_TASK.most))
            for _ in range(self._gradients):
                self._agent.update(buffer=self._buffer, sample_size=CARTPOLE["batch"])

    def act(self, observation: Tensor) -> Tensor:
        """Return the actions it values most, without noise."""
        self._policy.eval()
        with torch.no_grad():
            chances, _ = self._policy.model(observation.numpy())
        return (chances * self._policy.support).sum(dim=2).argmax(dim=1)


@dataclass(frozen=True)
class Point:
    """Where a training stands."""

    steps: int
    cpu_s: float
    score: float


def curve(agent: Any, task: Task) -> list[Point]:
    """Return the mean score of 10 episodes, always the same, after every 500 steps."""
    spent, points = 0.0, list[Point]()
    while agent.num_steps < task.most:
        start = time.process_time()
        while agent.num_steps < EVERY * (len(points) + 1):
            agent.advance()
        spent += time.process_time() - start
        score = mean_score(agent, task.name, episodes=EPISODES, seed=1000)
        points.append(Point(agent.num_steps, spent, score))
    return points


def compare(name: str, peer: Callable[[str, int], Any], num_seeds: int) -> None:
    """Print the curves of both, in turn seed by seed, and the ratios of their CPU seconds."""
    task = TASKS[name]
    peer(name, 0).advance()  # what compiles itself does so before it is timed
    curves: dict[str, list[list[Point]]] = {"ours": [], "peer": []}
    for seed in range(num_seeds):
        curves["ours"].append(curve(Ours(name, seed), task))
        curves["peer"].append(curve(peer(name, seed), task))
    print(f"\n{name} on {task.name}, {num_seeds} seeds: median score (range), after as many steps")
    print(f"{'steps':>8}" + "".join(f"{side:>30}" for side in curves))
    for rows in zip(*(zip(*of, strict=True) for of in curves.values()), strict=True):
        scores = [[point.score for point in points] for points in rows]
        said = [f"{statistics.median(row):8.0f} ({min(row):.0f} .. {max(row):.0f})" for row in scores]
        print(f"{rows[0][0].steps:8d}" + "".join(f"{text:>30}" for text in said))
    for side, of in curves.items():
        solved = [next(((p.steps, p.cpu_s) for p in points if p.score >= task.score), None) for points in of]
        told = ", ".join("not" if at is None else f"{at[0]} steps, {at[1]:.1f} cpu-s" for at in solved)
        print(f"  {side}: {statistics.median(points[-1].cpu_s for points in of):.1f} cpu-s; "
              f"{task.score:.0f} reached after {told}")  # fmt: skip
        for number, points in enumerate(of):
            plt.plot([p.cpu_s for p in points], [p.score for p in points], color="C0" if side == "ours" else "C1",
                     label=None if number else f"{side}, {name}")  # fmt: skip
    ratios = [theirs[-1].cpu_s / mine[-1].cpu_s for mine, theirs in zip(curves["ours"], curves["peer"], strict=True)]
    print(f"  peer / ours, CPU seconds of as many steps and gradients: {statistics.median(ratios):.1f}x")


def main() -> None:
    """Compare each agent with its peer."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--agents", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--curves", type=Path)
    given = parser.parse_args()
    peers = {"sac": StableBaselines3, "td3": StableBaselines3, "rainbow_dqn": Tianshou}
    figure = plt.figure(figsize=(4 * len(given.agents), 3))
    for number, name in enumerate(given.agents, start=1):
        figure.add_subplot(1, len(given.agents), number)
        compare(name, peers[name], given.seeds)
        plt.xlabel("CPU seconds of training")
        plt.ylabel(f"mean score, {TASKS[name].name}")
        plt.legend(fontsize=7)
    if given.curves:
        figure.tight_layout()
        figure.savefig(given.curves)


if __name__ == "__main__":
    main()
