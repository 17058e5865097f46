"""Twin delayed deep deterministic policy gradient: one best action, improved along the slope of its value.

Source: Fujimoto et al. (2018), "Addressing function approximation error in actor-critic methods", algorithm 1: the
lower of two critics is believed, the policy learns more rarely than they do, and a target's action is blurred.
"""

# pyright: reportUnknownMemberType=false
import torch
from torch import Tensor, nn

from components.families.agents.algorithms import TD3Config
from components.families.agents.config import NetworkConfig
from components.families.agents.critic import TwinCritic, descend, follow, frozen_copy
from components.families.agents.experience import Experience, restore_training, training_tensors
from components.families.agents.networks import body
from components.families.agents.replay import Batch
from components.learning.checkpoint import Checkpoint, named
from components.trading.environment import Environments


class Deterministic(nn.Module):
    """One action for what is observed."""

    def __init__(self, network: NetworkConfig, *, observation_size: int, action_size: int) -> None:
        super().__init__()
        self.body = body(network, observation_size)
        self.head = nn.Linear(network.hidden[-1], action_size)

    def forward(self, observation: Tensor) -> Tensor:
        """Return (batch, action) of observations (batch, feature)."""
        return torch.tanh(self.head(self.body(observation)))


class TD3:
    """A policy and two critics that learn from a replay of what environments of their own gave."""

    def __init__(
        self,
        environments: Environments,
        config: TD3Config,
        network: NetworkConfig,
        *,
        generator: torch.Generator,
        device: torch.device,
        total_steps: int,
    ) -> None:
        """Start untrained. ``generator``, on ``device``, draws actions and batches; ``total_steps`` changes nothing."""
        self.num_steps = self._num_gradients = 0
        self._config = config
        self._experience = Experience(environments, config, generator=generator, device=device)
        sizes = {"observation_size": environments.observation_size, "action_size": environments.action_size}
        self.policy = Deterministic(network, **sizes).to(device)
        self.critic = TwinCritic(network, **sizes).to(device)
        self.policy_target, self.critic_target = frozen_copy(self.policy), frozen_copy(self.critic)
        self._modules = {
            "policy": self.policy,
            "critic": self.critic,
            "policy_target": self.policy_target,
            "critic_target": self.critic_target,
        }
        self._optimizers = {
            "policy": torch.optim.Adam(self.policy.parameters(), config.lr, fused=True),
            "critic": torch.optim.Adam(self.critic.parameters(), config.lr, fused=True),
        }

    def advance(self) -> dict[str, float]:
        """Take a round of steps and learn from the replay; return the mean reward and the mean loss of the critics."""
        reward, _ = self._experience.collect(self._explore)
        self.num_steps = self._experience.num_steps
        replay, learned = self._experience.replay, list[Tensor]()
        for _ in range(self._config.gradients_per_round):
            slots = replay.draw(self._config.batch, generator=self._experience.generator)
            learned.append(self.learn(replay.gather(slots, gamma=self._config.gamma)))
        return {"reward": reward, "critic_loss": torch.stack(learned).mean().item()}

    def _explore(self, observation: Tensor) -> Tensor:
        action = self.act(observation)
        return (action + self._config.exploration_noise * self._experience.normal(*action.shape)).clamp(-1, 1)

    def act(self, observation: Tensor) -> Tensor:
        """Return the policy's actions, (env, action)."""
        with torch.no_grad():
            return self.policy(observation)

    def learn(self, batch: Batch) -> Tensor:
        """Take one gradient of the critics, and when it is its turn one of the policy; return the critics' loss."""
        value = self.critic(batch.observation, batch.action)
        loss = (value - self.targets(batch)).square().mean(dim=1).sum()
        descend(self._optimizers["critic"], loss)
        self._num_gradients += 1
        if self._num_gradients % self._config.policy_delay == 0:
            first = self.critic(batch.observation, self.policy(batch.observation))[0]
            descend(self._optimizers["policy"], -first.mean())
            targets, networks = (self.critic_target, self.policy_target), (self.critic, self.policy)
            follow(targets, networks, tau=self._config.tau)
        return loss.detach()

    @torch.no_grad()
    def targets(self, batch: Batch) -> Tensor:
        """Return what the critics should say, (batch,): reward, and the value of a blurred action where it led to."""
        config = self._config
        noise = config.target_noise * self._experience.normal(*batch.action.shape)
        noise = noise.clamp(-config.target_noise_clip, config.target_noise_clip)
        action = (self.policy_target(batch.following) + noise).clamp(-1, 1)
        return batch.reward + batch.discount * self.critic_target(batch.following, action).amin(dim=0)

    def state(self) -> dict[str, Tensor]:
        """Return weights, optimizers, replay, random numbers and environments."""
        return {
            "num_gradients": torch.tensor(self._num_gradients),
            **training_tensors(self._modules, self._optimizers),
            **named("experience", self._experience.state()),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``; what follows has the same bits as if it had never stopped."""
        self._num_gradients = int(state["num_gradients"])
        restore_training(self._modules, self._optimizers, state)
        self._experience.load_state(Checkpoint(state, {}).group("experience"))
        self.num_steps = self._experience.num_steps
