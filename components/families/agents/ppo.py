"""Proximal policy optimisation: act for a round, then improve the policy on it without going far from it.

Source: Schulman et al. (2017), "Proximal Policy Optimization Algorithms", with the advantages of Schulman et al.
(2016), "High-Dimensional Continuous Control Using Generalized Advantage Estimation". With d_t = r_t + gamma V(s_t+1) -
V(s_t), where nothing comes after an episode that ended by itself and the value of its final state after one cut off:

    A_t     = d_t + gamma lambda A_t+1                        0 beyond the end of an episode
    ratio_t = pi(a_t | s_t) / pi_old(a_t | s_t)
    loss    = - mean(min(ratio A, clip(ratio, 1 - eps, 1 + eps) A)) + c_v mean((V - A - V_old)^2) - c_e mean(entropy)

The advantages of a batch are brought to mean 0 and deviation 1. All environments are rows of one tensor; policy and
values have networks of their own, with the orthogonal weights of the paper's own code at the start.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from components.families.agents.algorithms import PPOConfig
from components.families.agents.config import NetworkConfig
from components.families.agents.networks import body
from components.learning.checkpoint import Checkpoint, named, optimizer_tensors, restore_optimizer
from components.trading.environment import Environments

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class Policy(nn.Module):
    """What is done: a normal distribution around a mean, whose deviations do not depend on what is seen; or chances."""

    def __init__(
        self, network: NetworkConfig, *, observation_size: int, action_size: int = 0, num_actions: int = 0
    ) -> None:
        super().__init__()
        self.body = body(network, observation_size)
        self.head = nn.Linear(network.hidden[-1], action_size or num_actions)
        self.discrete = not action_size
        self.log_std = nn.Parameter(torch.zeros(action_size))

    def scores(self, observation: Tensor) -> Tensor:
        """Return the means of the actions (batch, action), or the log-odds of discrete ones."""
        return self.head(self.body(observation))

    def forward(self, observation: Tensor) -> Tensor:
        """Return the best action: its numbers in [-1, 1], (batch, action), or its number (batch,)."""
        scores = self.scores(observation)
        return scores.argmax(dim=-1) if self.discrete else scores.clamp(-1, 1)

    def draw(self, scores: Tensor, generator: torch.Generator) -> Tensor:
        """Return actions drawn by ``scores``; those of the normal distribution may lie beyond [-1, 1]."""
        if self.discrete:
            return torch.softmax(scores, dim=-1).multinomial(1, generator=generator)[:, 0]
        noise = torch.randn(scores.shape, generator=generator, device=scores.device)
        return scores + self.log_std.exp() * noise

    def log_chance(self, scores: Tensor, action: Tensor) -> Tensor:
        """Return the log density (batch,) of the actions under ``scores``."""
        if self.discrete:
            return torch.log_softmax(scores, dim=-1).gather(1, action[:, None])[:, 0]
        distance = (action - scores) * torch.exp(-self.log_std)
        return (-0.5 * distance.square() - self.log_std - _LOG_SQRT_2PI).sum(dim=-1)

    def entropy(self, scores: Tensor) -> Tensor:
        """Return the mean entropy, in nats."""
        if self.discrete:
            chances = torch.log_softmax(scores, dim=-1)
            return -(chances.exp() * chances).sum(dim=-1).mean()
        return (0.5 + _LOG_SQRT_2PI + self.log_std).sum()


class Value(nn.Module):
    """What is still to come: the expected discounted sum of rewards."""

    def __init__(self, network: NetworkConfig, *, observation_size: int) -> None:
        super().__init__()
        self.body = body(network, observation_size)
        self.head = nn.Linear(network.hidden[-1], 1)

    def forward(self, observation: Tensor) -> Tensor:
        """Return (batch,)."""
        return self.head(self.body(observation))[:, 0]


def start_orthogonal(part: nn.Module, *, last: nn.Linear, gain: float) -> None:
    """Set orthogonal weights of gain sqrt(2), of ``gain`` in the last layer, and biases of 0."""
    for module in part.modules():
        if isinstance(module, nn.Linear):
            nn.init.orthogonal_(module.weight, gain if module is last else math.sqrt(2))
            nn.init.zeros_(module.bias)


@dataclass(frozen=True)
class Rollout:
    """One round of experience, (time, env) and what they hold."""

    observation: Tensor
    """(time, env, feature)."""
    action: Tensor
    """(time, env, action), or (time, env) of discrete ones."""
    log_chance: Tensor
    """Of the action when it was drawn."""
    reward: Tensor
    next_value: Tensor
    """What was to come after the step: 0 after an end, the final state's value after a cut."""
    over: Tensor
    """Whether the step was the last of its episode, of bool."""
    value: Tensor
    """What was to come before it."""


def advantages(rollout: Rollout, *, gamma: float, gae_lambda: float) -> Tensor:
    """Return how much better than expected each action turned out, (time, env)."""
    error = rollout.reward + gamma * rollout.next_value - rollout.value
    kept = gamma * gae_lambda * ~rollout.over
    found, carried = torch.empty_like(error), torch.zeros_like(error[0])
    for time in range(len(error) - 1, -1, -1):
        carried = error[time] + kept[time] * carried
        found[time] = carried
    return found


@dataclass(frozen=True)
class Batch:
    """Steps of a round, all (batch,) but what they hold."""

    observation: Tensor
    action: Tensor
    log_chance: Tensor
    advantage: Tensor
    returns: Tensor
    """What the value network is to say."""


def add_gradient(policy: Policy, value: Value, batch: Batch, config: PPOConfig) -> dict[str, Tensor]:
    """Add the gradient of a batch's loss to the weights, and return the ``loss`` and its parts, scalars.

    Its slopes against what the networks say are written down, for autograd would take thirty small steps to them. Of
    the objective that is ``- ratio A / n`` against the log density, and 0 where the clipped ratio is what counts.
    """
    log_chance = policy.log_chance(scores := policy.scores(batch.observation), batch.action)
    said, entropy = value(batch.observation), policy.entropy(scores)
    with torch.no_grad():
        gain, num = batch.advantage, len(batch.advantage)
        if num > 1:
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        ratio = torch.exp(log_chance - batch.log_chance)
        free, held = ratio * gain, ratio.clamp(1 - config.clip_range, 1 + config.clip_range).mul_(gain)
        error = said - batch.returns
        policy_loss, value_loss = -torch.minimum(free, held).mean(), error.square().mean()
        loss = policy_loss + config.vf_coef * value_loss - config.ent_coef * entropy
        slopes = (free * (free <= held)).div_(-num), error.mul_(2 * config.vf_coef / num)
    torch.autograd.backward((log_chance, said, entropy), (*slopes, torch.full_like(entropy, -config.ent_coef)))
    return {"loss": loss, "policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy.detach()}


class PPO:
    """A policy and a value network that learn in environments of their own, a round at a time."""

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
        """Start untrained. ``generator``, on ``device``, draws actions and batches; ``total_steps`` changes nothing."""
        self.num_steps = 0
        self._environments, self._config, self._generator = environments, config, generator
        size = environments.observation_size
        self.policy = Policy(
            network,
            observation_size=size,
            action_size=environments.action_size,
            num_actions=environments.num_actions,
        ).to(device)
        self.value = Value(network, observation_size=size).to(device)
        start_orthogonal(self.policy, last=self.policy.head, gain=0.01)
        start_orthogonal(self.value, last=self.value.head, gain=1.0)
        self._weights = [*self.policy.parameters(), *self.value.parameters()]
        self._optimizer = torch.optim.Adam(self._weights, lr=config.lr, eps=1e-5, fused=True)
        self._observation = environments.reset()

    def advance(self) -> dict[str, float]:
        """Act for ``n_steps`` in every environment, learn ``n_epochs`` passes from it, and return the round's means."""
        rollout = self.collect()
        metrics = self.learn(rollout)
        return {"reward": rollout.reward.mean().item(), **metrics}

    def act(self, observation: Tensor) -> Tensor:
        """Return the actions it holds best, without exploring."""
        with torch.inference_mode():
            return self.policy(observation)

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Act for ``n_steps`` in every environment and return what came of it."""
        environments, config = self._environments, self._config
        seen, done, chances, rewards, ended, cut, finals = (list[Tensor]() for _ in range(7))
        for _ in range(config.n_steps):
            scores = self.policy.scores(self._observation)
            action = self.policy.draw(scores, self._generator)
            step = environments.step(action if self.policy.discrete else action.clamp(-1, 1))
            seen.append(self._observation)
            done.append(action)
            chances.append(self.policy.log_chance(scores, action))
            rewards.append(step.reward)
            ended.append(step.terminated)
            cut.append(step.truncated)
            finals.append(step.final[step.truncated])
            self._observation = step.observation
        self.num_steps += config.n_steps * environments.num_envs
        observation, terminated, truncated = torch.stack(seen), torch.stack(ended), torch.stack(cut)
        value = self.value(torch.cat([observation.flatten(0, 1), self._observation]))
        value = value.view(config.n_steps + 1, environments.num_envs)
        next_value = value[1:].clone()
        next_value[truncated] = self.value(torch.cat(finals))
        next_value[terminated] = 0.0
        return Rollout(
            observation, torch.stack(done), torch.stack(chances), torch.stack(rewards), next_value,
            terminated | truncated, value[:-1],
        )  # fmt: skip

    def learn(self, rollout: Rollout) -> dict[str, float]:
        """Improve both networks on a round, in ``n_epochs`` passes, and return the means of the losses."""
        config = self._config
        gain = advantages(rollout, gamma=config.gamma, gae_lambda=config.gae_lambda)
        flat = [
            values.flatten(0, 1)
            for values in (rollout.observation, rollout.action, rollout.log_chance, gain, gain + rollout.value)
        ]
        sums, num_batches = dict[str, Tensor](), 0
        for _ in range(config.n_epochs):
            order = torch.randperm(len(gain.flatten()), generator=self._generator, device=gain.device)
            mixed = [values.index_select(0, order).split(config.batch) for values in flat]
            for parts in zip(*mixed, strict=True):
                for name, part in self._improve(Batch(*parts)).items():
                    sums[name] = sums.get(name, 0.0) + part
                num_batches += 1
        return {name: (total / num_batches).item() for name, total in sums.items()}

    def _improve(self, batch: Batch) -> dict[str, Tensor]:
        self._optimizer.zero_grad()
        found = add_gradient(self.policy, self.value, batch, self._config)
        nn.utils.clip_grad_norm_(self._weights, self._config.max_grad_norm)
        self._optimizer.step()
        return found

    def state(self) -> dict[str, Tensor]:
        """Return all that goes on from here depends on."""
        return {
            **named("policy", self.policy.state_dict()),
            **named("value", self.value.state_dict()),
            **named("optimizer", optimizer_tensors(self._optimizer)),
            **named("environments", self._environments.state()),
            "observation": self._observation,
            "random": self._generator.get_state(),
            "num_steps": torch.tensor(self.num_steps),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``; what follows has the same bits as if it had never stopped."""
        group = Checkpoint(state, {}).group
        self.policy.load_state_dict(group("policy"))
        self.value.load_state_dict(group("value"))
        restore_optimizer(self._optimizer, group("optimizer"))
        self._environments.load_state(group("environments"))
        self._observation = state["observation"].to(self._observation.device)
        self._generator.set_state(state["random"].cpu())
        self.num_steps = int(state["num_steps"])
