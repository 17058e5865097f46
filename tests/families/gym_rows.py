"""Environments of Gymnasium as rows of one tensor: known tasks for our agents, and the same ones for their peers."""

import json
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from components.families.agents.algorithms import RainbowConfig, SACConfig, TD3Config
from components.families.agents.config import NetworkConfig
from components.families.agents.contract import Agent
from components.families.agents.rainbow import Rainbow
from components.families.agents.sac import SAC
from components.families.agents.td3 import TD3
from components.trading.environment import Step

PENDULUM = "Pendulum-v1"


class GymRows:
    """``Environments`` over a synchronous vector of one of Gymnasium's classic control tasks."""

    def __init__(self, name: str, *, num_envs: int, seed: int) -> None:
        self._rows = SyncVectorEnv([lambda: gymnasium.make(name)] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
        space = self._rows.single_action_space
        self.num_envs = num_envs
        self.observation_size = self._rows.single_observation_space.shape[0]
        self.num_actions = int(space.n) if isinstance(space, gymnasium.spaces.Discrete) else 0
        self.action_size = 0 if self.num_actions else space.shape[0]
        self._scale = None if self.num_actions else space.high
        self._first: int | None = seed

    def reset(self) -> Tensor:
        observation, _ = self._rows.reset(seed=self._first)
        self._first = None
        return torch.from_numpy(observation).float()

    def step(self, action: Tensor) -> Step:
        moves = action.numpy() if self._scale is None else action.numpy() * self._scale
        observation, reward, terminated, truncated, info = self._rows.step(moves)
        final = observation.copy()
        for row in np.flatnonzero(terminated | truncated):
            final[row] = info["final_obs"][row]
        return Step(
            observation=torch.from_numpy(observation.copy()).float(),
            reward=torch.from_numpy(reward).float(),
            terminated=torch.from_numpy(terminated.copy()),
            truncated=torch.from_numpy(truncated.copy()),
            final=torch.from_numpy(final).float(),
        )

    def state(self) -> dict[str, Tensor]:
        """Positions, clocks and random numbers; the latter as the bytes of a JSON text."""
        envs = self._rows.envs
        random = json.dumps([env.unwrapped.np_random.bit_generator.state for env in envs]).encode()
        return {
            "place": torch.from_numpy(np.stack([np.asarray(env.unwrapped.state, dtype=np.float64) for env in envs])),
            "clock": torch.tensor([_clock(env)._elapsed_steps for env in envs]),
            "random": torch.frombuffer(bytearray(random), dtype=torch.uint8),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        generators = json.loads(bytes(state["random"].tolist()))
        for env, place, clock, random in zip(
            self._rows.envs, state["place"].numpy(), state["clock"].tolist(), generators, strict=True
        ):
            env.unwrapped.state = place.copy()
            _clock(env)._elapsed_steps = clock
            env.unwrapped.np_random.bit_generator.state = random


def _clock(env: Any) -> Any:
    while not isinstance(env, gymnasium.wrappers.TimeLimit):
        env = env.env
    return env


def mean_score(agent: Any, name: str, *, episodes: int, seed: int) -> float:
    """Return the mean sum of rewards of ``episodes`` that ``agent.act`` plays, each in a row of its own."""
    rows = GymRows(name, num_envs=episodes, seed=seed)
    observation, score, running = rows.reset(), torch.zeros(episodes), torch.ones(episodes, dtype=torch.bool)
    while running.any():
        step = rows.step(agent.act(observation))
        score += step.reward * running
        running &= ~(step.terminated | step.truncated)
        observation = step.observation
    return score.mean().item()


def small_agent(name: str, *, seed: int = 0, total_steps: int = 400, **settings: Any) -> Agent:
    """A small agent of ``name`` with two rows of its task."""
    kinds = {
        "sac": (SAC, SACConfig, PENDULUM),
        "td3": (TD3, TD3Config, PENDULUM),
        "rainbow_dqn": (Rainbow, RainbowConfig, "CartPole-v1"),
    }
    kind, config, task = kinds[name]
    torch.manual_seed(seed)
    return kind(
        GymRows(task, num_envs=2, seed=seed),
        config(**{"batch": 32, "buffer": 60, "learning_starts": 40, **settings}),
        NetworkConfig(hidden=(16, 8)),
        generator=torch.Generator().manual_seed(seed),
        device=torch.device("cpu"),
        total_steps=total_steps,
    )
