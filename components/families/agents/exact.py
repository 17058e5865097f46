"""PPO's policy, trained by the exact gradient of its rewards: a market that ignores our trades lets it through.

Source: Moody and Saffell (2001), "Learning to Trade via Direct Reinforcement". A round plays the policy without
exploring and takes one step up the gradient of the mean reward, through positions, costs, Sharpe ratio and drawdown
alike. What the round began with is given: no gradient goes further back. Nothing is estimated but the mean itself, so
there is no value network, and nothing that a later reward alone would teach beyond the round.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import torch
from torch import Tensor, nn

from components.families.agents.algorithms import PPOConfig
from components.families.agents.config import NetworkConfig
from components.families.agents.ppo import Policy, start_orthogonal
from components.learning.checkpoint import Checkpoint, named, optimizer_tensors, restore_optimizer
from components.trading.environment import Environments


class ExactGradient:
    """A policy that learns in environments whose rewards have a gradient with respect to its actions."""

    def __init__(
        self,
        environments: Environments,
        config: PPOConfig,
        network: NetworkConfig,
        *,
        generator: torch.Generator,
        device: torch.device,
        total_steps: int,
    ) -> None:
        """Start untrained; ``generator`` and ``total_steps`` change nothing, for nothing is drawn.

        Raises:
            ValueError: If actions are discrete.
        """
        if not environments.action_size:
            raise ValueError("discrete actions have no gradient; use ppo.learner=sampled")
        self.num_steps = 0
        self.policy = Policy(
            network, observation_size=environments.observation_size, action_size=environments.action_size
        ).to(device)
        start_orthogonal(self.policy, last=self.policy.head, gain=0.01)
        self._optimizer = torch.optim.Adam(self.policy.parameters(), lr=config.lr, eps=1e-5, fused=True)
        self._environments, self._config = environments, config
        self._observation = environments.reset()

    def advance(self) -> dict[str, float]:
        """Play ``n_steps`` in every environment and take one step up the gradient of the mean reward."""
        rewards = list[Tensor]()
        for _ in range(self._config.n_steps):
            step = self._environments.step(self.policy(self._observation))
            rewards.append(step.reward)
            self._observation = step.observation
        mean = torch.stack(rewards).mean()
        self._optimizer.zero_grad()
        (-mean).backward()
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), self._config.max_grad_norm)
        self._optimizer.step()
        self._environments.load_state({name: values.detach() for name, values in self._environments.state().items()})
        self.num_steps += self._config.n_steps * self._environments.num_envs
        return {"reward": mean.item(), "gradient_norm": norm.item()}

    def act(self, observation: Tensor) -> Tensor:
        """Return the actions it holds best."""
        with torch.inference_mode():
            return self.policy(observation)

    def state(self) -> dict[str, Tensor]:
        """Return all that goes on from here depends on."""
        return {
            **named("policy", self.policy.state_dict()),
            **named("optimizer", optimizer_tensors(self._optimizer)),
            **named("environments", self._environments.state()),
            "observation": self._observation,
            "num_steps": torch.tensor(self.num_steps),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``; what follows has the same bits as if it had never stopped."""
        group = Checkpoint(state, {}).group
        self.policy.load_state_dict(group("policy"))
        restore_optimizer(self._optimizer, group("optimizer"))
        self._environments.load_state(group("environments"))
        self._observation = state["observation"].to(self._observation.device)
        self.num_steps = int(state["num_steps"])
