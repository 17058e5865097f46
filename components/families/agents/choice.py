"""The agents by name; only the modules of the one that is asked for are imported."""

import importlib
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from components.core.config import Config
from components.families.agents.config import AgentName, AgentsConfig
from components.families.agents.contract import Agent
from components.families.agents.ensemble import Ensemble
from components.trading.environment import Environments
from components.trading.market_environment import POSITIONS

AGENTS: dict[AgentName, tuple[str, str]] = {
    "ppo": ("ppo", "PPO"),
    "sac": ("sac", "SAC"),
    "td3": ("td3", "TD3"),
    "rainbow_dqn": ("rainbow", "Rainbow"),
}
"""Module and class of each."""

POLICIES: dict[AgentName, tuple[str, str]] = {
    "ppo": ("ppo", "Policy"),
    "sac": ("sac", "SquashedGaussian"),
    "td3": ("td3", "Deterministic"),
    "rainbow_dqn": ("noisy", "ReturnNetwork"),
}
"""Module and class of what is served of each."""

DISCRETE: frozenset[AgentName] = frozenset({"rainbow_dqn"})
"""Those that choose among actions; the others say numbers."""


def _imported(place: tuple[str, str]) -> Any:
    module, name = place
    return getattr(importlib.import_module(f"components.families.agents.{module}"), name)


def settings_of(config: AgentsConfig) -> Config:
    """Return the settings of the agent that a recipe asks for."""
    settings: Config = getattr(config, config.agent)
    return settings if config.train.lr is None else settings.model_copy(update={"lr": config.train.lr})


def make_agent(config: AgentsConfig, environments: Environments, *, device: torch.device) -> Agent:
    """Return the untrained agent of a recipe, with networks from torch's own random stream."""
    exact = config.agent == "ppo" and config.ppo.learner == "exact_gradient"
    made = _imported(("exact", "ExactGradient") if exact else AGENTS[config.agent])(
        environments,
        settings_of(config),
        config.network,
        generator=torch.Generator(device).manual_seed(config.seed),
        device=device,
        total_steps=config.train.total_steps,
    )
    return cast("Agent", made)


def members_of(config: AgentsConfig) -> list[AgentsConfig]:
    """Return the recipe of each agent that is trained: the one, or all of the ensemble."""
    if config.agent != "ensemble":
        return [config]
    return [config.model_copy(update={"agent": name}) for name in config.ensemble.members]


def make_policy(config: AgentsConfig, *, num_features: int) -> nn.Module:
    """Return the untrained policy of a recipe's agent, as the agent itself makes it, or those of the ensemble."""
    observation_size = config.network.bars * num_features
    if config.agent == "ensemble":
        members = [make_policy(member, num_features=num_features) for member in members_of(config)]
        return together(config, members, observation_size=observation_size)
    sizes = {"observation_size": observation_size}
    discrete = config.agent in DISCRETE
    sizes |= {"num_actions": len(POSITIONS)} if discrete else {"action_size": 1}
    kind = _imported(POLICIES[config.agent])
    made = kind(settings_of(config), config.network, **sizes) if discrete else kind(config.network, **sizes)
    return cast("nn.Module", made)


def together(config: AgentsConfig, members: Sequence[nn.Module], *, observation_size: int) -> Ensemble:
    """Return the ensemble of a recipe, which has learned no rule yet."""
    discrete = [name in DISCRETE for name in config.ensemble.members]
    return Ensemble(members, discrete=discrete, config=config.ensemble, observation_size=observation_size)
