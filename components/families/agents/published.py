"""The two files of the published system, of the environment and of the agent, as one recipe of this family.

Keys are those of Stable-Baselines3 where it has the same setting. Importing this loads no torch.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from components.core.errors import RecipeError

ENVIRONMENT: Final[Mapping[str, str]] = {
    "env.initial_balance": "environment.initial_balance",
    "env.transaction_cost": "environment.transaction_cost",
    "env.slippage": "environment.slippage",
    "env.max_episode_steps": "environment.episode_bars",
    "env.window_size": "data.window",
    "env.reward.sharpe": "environment.reward.sharpe",
    "env.reward.return": "environment.reward.total_return",
    "env.reward.drawdown": "environment.reward.drawdown",
    "env.reward.transaction": "environment.reward.transaction",
}
"""Keys of the file of the environment, and the settings that they are here."""

AGENT: Final[Mapping[str, str]] = {
    "rl.algorithm": "agent",
    "rl.n_envs": "train.batch",
    "rl.total_timesteps": "train.max_steps",
    "rl.eval_freq": "train.evaluate_every_steps",
    "rl.n_eval_episodes": "train.evaluation_episodes",
    "rl.n_test_episodes": "train.test_episodes",
    "rl.seed": "seed",
    "rl.policy.net_arch": "network.hidden",
    "rl.policy.features_extractor": "network.extractor",
    "rl.policy.n_bars": "network.bars",
    "rl.ppo.learning_rate": "ppo.lr",
    "rl.ppo.n_steps": "ppo.n_steps",
    "rl.ppo.batch_size": "ppo.batch",
    "rl.ppo.n_epochs": "ppo.n_epochs",
    "rl.ppo.gamma": "ppo.gamma",
    "rl.ppo.gae_lambda": "ppo.gae_lambda",
    "rl.ppo.clip_range": "ppo.clip_range",
    "rl.ppo.ent_coef": "ppo.ent_coef",
    "rl.ppo.vf_coef": "ppo.vf_coef",
    "rl.ppo.max_grad_norm": "ppo.max_grad_norm",
}
"""Keys of the file of the agent, and the settings that they are here."""


def recipe_of(values: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return the recipe that one of the files means, or both of them together, to be validated as every recipe is.

    Raises:
        RecipeError: If a key is unknown; it is named.
    """
    recipe: dict[str, Any] = {}
    for key, value in _leaves(values):
        if key not in (known := ENVIRONMENT | AGENT):
            raise RecipeError(f"{name}: {key}: unknown key; remove it or fix its spelling")
        place = recipe
        *groups, leaf = known[key].split(".")
        for group in groups:
            place = place.setdefault(group, {})
        place[leaf] = value
    return recipe


def _leaves(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        inside = isinstance(value, dict)
        found += _leaves(cast("dict[str, Any]", value), f"{prefix}{key}.") if inside else [(f"{prefix}{key}", value)]
    return found
