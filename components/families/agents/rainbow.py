"""Rainbow: six improvements of deep Q-learning in one agent.

Source: Hessel et al. (2018), "Rainbow: combining improvements in deep reinforcement learning". Its parts: double
Q-learning (the online network chooses, the target values), duelling streams and noisy layers (``noisy.py``), returns
of several steps (``replay.py``), steps drawn by priority (``priorities.py``), and distributions of returns.
"""

# pyright: reportUnknownMemberType=false
import torch
from torch import Tensor

from components.families.agents.algorithms import RainbowConfig
from components.families.agents.config import NetworkConfig
from components.families.agents.critic import follow, frozen_copy
from components.families.agents.experience import Experience, restore_training, training_tensors
from components.families.agents.noisy import ReturnNetwork
from components.families.agents.priorities import Priorities
from components.families.agents.replay import Batch
from components.learning.checkpoint import Checkpoint, named
from components.trading.environment import Environments

ADAM_EPSILON = 1.5e-4
"""Of the paper."""


def project(chances: Tensor, support: Tensor, reward: Tensor, discount: Tensor) -> Tensor:
    """Return the distribution of ``reward`` + ``discount`` x what ``chances`` say, on the same ``support``.

    ``chances`` is (batch, atom), ``support`` (atom,) evenly spaced, the others (batch,). Each chance moves to where its
    return went and is shared by the two atoms around it, the nearer one getting more; beyond the support it stays at
    the end. Source: Bellemare et al. (2017), algorithm 1.
    """
    num_atoms, low = len(support), support[0]
    moved = (reward[:, None] + discount[:, None] * support).clamp(low, support[-1])
    place = (moved - low) / (support[1] - low)
    lower = place.floor().clamp(0, num_atoms - 2)
    upper_share = (place - lower).clamp(0, 1) * chances
    first = lower.long() + num_atoms * torch.arange(len(reward), device=reward.device)[:, None]
    flat = torch.zeros(chances.numel(), device=chances.device, dtype=chances.dtype)
    flat.index_add_(0, first.flatten(), (chances - upper_share).flatten())
    flat.index_add_(0, first.flatten() + 1, upper_share.flatten())
    return flat.view_as(chances)


class Rainbow:
    """A network of returns that learns from a replay of what environments of its own gave; actions are discrete."""

    def __init__(
        self,
        environments: Environments,
        config: RainbowConfig,
        network: NetworkConfig,
        *,
        generator: torch.Generator,
        device: torch.device,
        total_steps: int,
    ) -> None:
        """Start untrained. ``generator``, on ``device``, draws noise and batches; ``total_steps`` end the bias."""
        self.num_steps = 0
        self._config, self._total_steps = config, total_steps
        self._experience = Experience(environments, config, generator=generator, device=device)
        capacity = self._experience.replay.capacity
        self._priorities = Priorities(capacity, exponent=config.priority_exponent, device=device)
        self.policy = ReturnNetwork(
            config,
            network,
            observation_size=environments.observation_size,
            num_actions=environments.num_actions,
        ).to(device)
        self.target = frozen_copy(self.policy)
        self._modules = {"policy": self.policy, "target": self.target}
        self._optimizers = {
            "policy": torch.optim.Adam(self.policy.parameters(), config.lr, eps=ADAM_EPSILON, fused=True)
        }

    def advance(self) -> dict[str, float]:
        """Take a round of steps and learn from the replay; return the mean reward and the mean loss."""
        before = self.num_steps
        reward, slots = self._experience.collect(self._explore)
        self.num_steps = self._experience.num_steps
        self._priorities.enter(slots)
        losses = torch.stack([self._replay() for _ in range(self._config.gradients_per_round)])
        if self.num_steps // self._config.target_every > before // self._config.target_every:
            follow([self.target], [self.policy], tau=1.0)
        return {"reward": reward, "loss": losses.mean().item()}

    def _explore(self, observation: Tensor) -> Tensor:
        with torch.no_grad():
            noise = self.policy.draw(len(observation), self._experience.generator)
            return self.policy.best(self.policy.log_chances(observation, noise))

    def act(self, observation: Tensor) -> Tensor:
        """Return the numbers of the best actions, (env,)."""
        with torch.no_grad():
            return self.policy(observation)

    @property
    def weight_exponent(self) -> float:
        """How much of the bias of the draw is corrected now; rises evenly to 1 at the end of the training."""
        start = self._config.priority_weight
        return start + (1 - start) * min(1.0, self.num_steps / self._total_steps)

    def _replay(self) -> Tensor:
        config, replay = self._config, self._experience.replay
        slots = self._priorities.draw(config.batch, generator=self._experience.generator)
        weights = self._priorities.weights(slots, num_steps=len(replay), exponent=self.weight_exponent)
        divergence = self.divergence(replay.gather(slots, gamma=config.gamma, n_step=config.n_step))
        self._priorities.update(slots, divergence.detach())
        loss = (weights * divergence).mean()
        self._optimizers["policy"].zero_grad()
        loss.backward()
        self._optimizers["policy"].step()
        return loss.detach()

    def divergence(self, batch: Batch) -> Tensor:
        """Return how far what is said of each step is from its target, (batch,), in nats: what is made small."""
        noise = self.policy.draw(1, self._experience.generator)
        said = self.policy.log_chances(batch.observation, noise)
        said = said[torch.arange(len(said), device=said.device), batch.action]
        target = self.targets(batch)
        return (torch.xlogy(target, target) - target * said).sum(dim=1)

    @torch.no_grad()
    def targets(self, batch: Batch) -> Tensor:
        """Return the distributions that should be said, (batch, atom): the policy chooses, the target values."""
        generator = self._experience.generator
        chosen = self.policy.best(self.policy.log_chances(batch.following, self.policy.draw(1, generator)))
        valued = self.target.log_chances(batch.following, self.target.draw(1, generator))
        chances = valued[torch.arange(len(chosen), device=chosen.device), chosen].exp()
        return project(chances, self.policy.support, batch.reward, batch.discount)

    def state(self) -> dict[str, Tensor]:
        """Return weights, optimizer, replay, priorities, random numbers and environments."""
        return {
            **training_tensors(self._modules, self._optimizers),
            **named("priorities", self._priorities.state()),
            **named("experience", self._experience.state()),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``; what follows has the same bits as if it had never stopped."""
        group = Checkpoint(state, {}).group
        restore_training(self._modules, self._optimizers, state)
        self._priorities.load_state(group("priorities"))
        self._experience.load_state(group("experience"))
        self.num_steps = self._experience.num_steps
