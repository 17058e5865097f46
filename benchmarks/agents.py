"""Agents that trade a market with a planted signal, against Stable-Baselines3 in the same market, one core each.

Three questions: how many steps of the environment, how many steps of PPO at equal settings, and how soon a policy is
as good. Both step accounts of the same bits: the peer's are the plain ones of ``TradingEnv``. Every policy is rated by
the mean reward of the same episodes of other days. The peer gets the best of several settings, each of which is shown.

    python benchmarks/agents.py [steps] [equal] [reward] [--seeds N] [--curves FILE.svg]
"""

import measure

# isort: split
import argparse
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor, nn

from components.families.agents.algorithms import PPOConfig
from components.families.agents.config import NetworkConfig
from components.families.agents.evaluate import metrics, play
from components.families.agents.exact import ExactGradient
from components.families.agents.ppo import PPO
from components.trading.environment_settings import EnvironmentConfig
from components.trading.market_environment import Market, MarketEnvironments
from components.trading.single_environment import TradingEnv

mpl.use("svg")
from matplotlib import pyplot as plt

torch.set_num_threads(1)

FEATURES, SYMBOLS, DAYS, ROUNDS = 18, 16, 1500, 5
ACCOUNT = EnvironmentConfig()
CPU = torch.device("cpu")
GAMMA = 0.9
"""Of both: a position earns at once, and a longer look adds the noise of what comes later."""
LIMIT_S = 12.0
"""CPU seconds after which a training is given up."""
SHARES = (0.5, 0.8, 0.9, 0.95)
"""Parts of what a policy earns that knows the signal."""


def market_of(seed: int) -> Market:
    """Return stretches whose first column, slow to change, knows half a deviation of the next return."""
    rng = np.random.default_rng(seed)
    seen = rng.standard_normal((SYMBOLS, DAYS, FEATURES)).astype(np.float32)
    for day in range(1, DAYS):
        seen[:, day, 0] = 0.95 * seen[:, day - 1, 0] + np.sqrt(1 - 0.95**2) * seen[:, day, 0]
    moves = 0.02 * (0.5 * seen[..., 0] + np.sqrt(0.75) * rng.standard_normal((SYMBOLS, DAYS)))
    last = torch.arange(SYMBOLS).repeat_interleave(DAYS) * DAYS + DAYS - 1
    return Market(
        torch.from_numpy(seen).flatten(0, 1), torch.from_numpy(moves.astype(np.float64)).flatten(), last, 0.02
    )


MARKET, OTHER_DAYS = market_of(1), market_of(2)


def rating(act: Callable[[Tensor], Tensor]) -> float:
    """Return the mean reward of a step over the same 256 episodes of other days."""
    played = play(OTHER_DAYS, EnvironmentConfig(episode_bars=60), act, num_episodes=256, discrete=False)
    return -metrics(played, bars_per_year=252.0)["loss"]


@dataclass(frozen=True)
class Setting:
    """How one of the two is trained."""

    num_envs: int
    n_steps: int
    batch: int
    n_epochs: int
    lr: float
    hidden: tuple[int, ...] = (64, 64)

    def __str__(self) -> str:
        widths = "-".join(map(str, self.hidden))
        return f"{self.num_envs}x{self.n_steps} mb {self.batch} ep {self.n_epochs} lr {self.lr:g} net {widths}"


class Ours:
    """PPO over rows of one tensor."""

    kind: type[PPO | ExactGradient] = PPO

    def __init__(self, setting: Setting, seed: int) -> None:
        torch.manual_seed(seed)
        random = torch.Generator().manual_seed(seed)
        rows = MarketEnvironments(MARKET, ACCOUNT, num_envs=setting.num_envs, generator=random)
        config = PPOConfig(
            lr=setting.lr,
            n_steps=setting.n_steps,
            batch=setting.batch,
            n_epochs=setting.n_epochs,
            gamma=GAMMA,
            ent_coef=0.0,
        )
        network = NetworkConfig(hidden=setting.hidden)
        self._agent = self.kind(rows, config, network, generator=random, device=CPU, total_steps=0)
        self.advance, self.act = self._agent.advance, self._agent.act


class Exact(Ours):
    """PPO's policy by the exact gradient of its rewards: another method, so never our side of a ratio."""

    kind = ExactGradient


class Peer:
    """Stable-Baselines3's PPO over a DummyVecEnv of the plain accounts."""

    def __init__(self, setting: Setting, seed: int) -> None:
        rows = DummyVecEnv([lambda: TradingEnv(MARKET, ACCOUNT)] * setting.num_envs)
        self._agent = stable_baselines3.PPO(
            "MlpPolicy", rows, learning_rate=setting.lr, n_steps=setting.n_steps, batch_size=setting.batch,
            n_epochs=setting.n_epochs, gamma=GAMMA, seed=seed, device="cpu",
            policy_kwargs={"net_arch": list(setting.hidden), "activation_fn": nn.ReLU},
        )  # fmt: skip
        self._agent.set_logger(Logger(folder=None, output_formats=[]))  # its own makes a folder each round
        self._steps = setting.num_envs * setting.n_steps

    def advance(self) -> object:
        """Take one round."""
        return self._agent.learn(self._steps, reset_num_timesteps=False)

    def act(self, observation: Tensor) -> Tensor:
        """Return what its policy holds best."""
        return torch.from_numpy(self._agent.predict(observation.numpy(), deterministic=True)[0])


def step_environments() -> None:
    """Print steps per CPU second with random actions."""
    random = torch.Generator().manual_seed(0)
    contenders = dict[str, measure.Contender]()
    for num_envs in (256, 4096, 32_768):
        rows, action = MarketEnvironments(MARKET, ACCOUNT, num_envs=num_envs, generator=random), torch.rand(num_envs, 1)
        num = max(20, 400_000 // num_envs)
        contenders[f"{num_envs} rows of one tensor"] = measure.Contender(
            lambda rows=rows, action=action, num=num: [rows.step(2 * action - 1) for _ in range(num)],
            rows=num * num_envs,
        )
    dummy = DummyVecEnv([lambda: TradingEnv(MARKET, ACCOUNT)] * 8)
    dummy.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (8, 1)).astype(np.float32)
    contenders["DummyVecEnv(8)"] = measure.Contender(lambda: [dummy.step(actions) for _ in range(2000)], rows=16_000)
    results = measure.measure(contenders, rounds=ROUNDS)
    measure.show("Steps of the environment", results, against=dict.fromkeys(list(contenders)[:3], "DummyVecEnv(8)"))


def equal_settings() -> None:
    """Print steps per CPU second of a whole round of PPO, acting and learning, both with the same settings."""
    print("\nPPO at equal settings")
    for hidden in ((64, 64), (256, 256, 128)):
        for num_envs, n_steps, batch, n_epochs in ((8, 128, 64, 10), (8, 256, 256, 4), (64, 64, 1024, 4)):
            setting = Setting(num_envs, n_steps, batch, n_epochs, 3e-4, hidden)
            pairs, steps = {"ours": Ours(setting, 0), "peer": Peer(setting, 0)}, num_envs * n_steps
            contenders = {name: measure.Contender(agent.advance, steps) for name, agent in pairs.items()}
            found = measure.measure(contenders, rounds=ROUNDS)
            speeds = ", ".join(f"{name} {result.cells_per_cpu_s:,.0f}" for name, result in found.items())
            print(f"  {setting!s:48} steps/cpu-s: {speeds}   {measure.ratio(found['ours'], found['peer']):.2f}x")


def curve(trained: Ours | Peer, *, goal: float) -> list[tuple[float, float]]:
    """Return CPU seconds of training and rating, round by round, until the goal is reached or time is up."""
    gc.collect()  # a thousand environments of the training before would be cleared away within this one
    spent, points = 0.0, [(0.0, rating(trained.act))]
    while spent < LIMIT_S and points[-1][1] < goal:
        start = time.process_time()
        trained.advance()
        spent += time.process_time() - start
        if spent - points[-1][0] > 0.02 * max(spent, 0.1):
            points.append((spent, rating(trained.act)))
    return points


def first_at(points: list[tuple[float, float]], goal: float) -> float:
    """Return the CPU seconds of the first point at the goal; infinity if there is none."""
    return next((spent for spent, reward in points if reward >= goal), float("inf"))


OURS = (
    Setting(2048, 1, 1024, 1, 3e-2, (32,)), Setting(2048, 1, 1024, 1, 2e-2, (32,)),
    Setting(1024, 1, 512, 1, 1e-2), Setting(128, 16, 512, 4, 3e-3),
)  # fmt: skip
EXACT = (Setting(256, 32, 8192, 1, 1e-2),)
PEERS = (
    Setting(1024, 1, 512, 1, 3e-2, (32,)), Setting(1024, 1, 256, 1, 1e-2), Setting(256, 4, 256, 1, 1e-2),
    Setting(128, 4, 256, 1, 1.5e-2), Setting(32, 64, 512, 4, 3e-3),
)  # fmt: skip


def time_to_reward(num_seeds: int, file: Path | None) -> None:
    """Print CPU seconds to parts of the known signal's reward, of all settings, and draw the curves."""
    known = rating(lambda seen: torch.sign(seen[:, :1]))
    shares = ", ".join(f"{share:.0%}" for share in SHARES)
    print(f"\nCPU seconds to {shares} of the reward of the known signal, {known:.3f}: median (range)")
    best = dict[type, list[float]]()
    for kind, settings in ((Ours, OURS), (Exact, EXACT), (Peer, PEERS)):
        kind(settings[0], num_seeds).advance()  # what only the first round of a process pays
        for setting in settings:
            curves = [curve(kind(setting, seed), goal=SHARES[-1] * known) for seed in range(num_seeds)]
            found = [[first_at(points, share * known) for points in curves] for share in SHARES]
            medians = [statistics.median(seconds) for seconds in found]
            said = "   ".join(
                f"{median:6.3f} ({min(row):.3f} .. {max(row):.3f})" for median, row in zip(medians, found, strict=True)
            )
            print(f"{kind.__name__:5} {setting!s:42} {said}")
            best[kind] = medians if kind not in best else [min(pair) for pair in zip(best[kind], medians, strict=True)]
            for number, points in enumerate(curves):
                label = f"{kind.__name__.lower()} {setting}" if not number else None
                plt.plot(*zip(*points, strict=True), color=COLOURS[kind], alpha=0.6, lw=1, label=label)
    ratios = ", ".join(f"{theirs / mine:.1f}x" for mine, theirs in zip(best[Ours], best[Peer], strict=True))
    print(f"  best of ours / best of the peer's, medians of {num_seeds} seeds: {ratios}")
    if file:
        plt.axhline(known, color="grey", lw=0.8, label="known signal")
        plt.xscale("symlog", linthresh=0.1)
        plt.xlabel("CPU seconds of training")
        plt.ylabel("mean reward of a step, other days")
        plt.xlim(left=0)
        plt.legend(fontsize=6, loc="lower right")
        plt.savefig(file)


COLOURS = {Ours: "C0", Exact: "C2", Peer: "C1"}

QUESTIONS: dict[str, Callable[[argparse.Namespace], None]] = {
    "steps": lambda _: step_environments(),
    "equal": lambda _: equal_settings(),
    "reward": lambda given: time_to_reward(given.seeds, given.curves),
}


def main() -> None:
    """Answer the three questions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("questions", nargs="*", default=list(QUESTIONS), metavar="steps|equal|reward")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--curves", type=Path)
    given = parser.parse_args()
    for question in given.questions:
        QUESTIONS[question](given)


if __name__ == "__main__":
    main()
