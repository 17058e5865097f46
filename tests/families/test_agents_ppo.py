"""PPO: advantages by hand, one step with the maintained implementation's weights, a known market, and the same bits."""

import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.logger import Logger
from torch import nn

from components.families.agents.algorithms import PPOConfig
from components.families.agents.config import NetworkConfig
from components.families.agents.exact import ExactGradient
from components.families.agents.networks import body
from components.families.agents.ppo import PPO, Batch, Rollout, add_gradient, advantages
from components.trading.environment_settings import EnvironmentConfig
from components.trading.market_environment import Market, MarketEnvironments
from components.trading.single_environment import TradingEnv

CPU = torch.device("cpu")
SMALL = NetworkConfig(hidden=(16,))


def market_of(num_cells: int, *, seed: int, skill: float = 0.5) -> Market:
    """Return one stretch whose first observation knows ``skill`` of the next return's deviation."""
    rng = np.random.default_rng(seed)
    seen = rng.standard_normal((num_cells, 3)).astype(np.float32)
    for cell in range(1, num_cells):
        seen[cell, 0] = 0.95 * seen[cell - 1, 0] + np.sqrt(1 - 0.95**2) * seen[cell, 0]
    returns = 0.02 * (skill * seen[:, 0] + np.sqrt(1 - skill**2) * rng.standard_normal(num_cells))
    last = torch.full((num_cells,), num_cells - 1)
    return Market(torch.from_numpy(seen), torch.from_numpy(returns.astype(np.float64)), last, 0.02)


def agent_in(market: Market, config: PPOConfig, *, num_envs: int, discrete: bool = False, bars: int = 50) -> PPO:
    torch.manual_seed(0)
    environments = MarketEnvironments(
        market, EnvironmentConfig(episode_bars=bars), num_envs=num_envs, discrete=discrete,
        generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    random = torch.Generator().manual_seed(2)
    return PPO(environments, config, SMALL, generator=random, device=CPU, total_steps=1)


@pytest.mark.promise("S4-65")
def test_the_defaults_are_the_published_ones() -> None:
    config = PPOConfig()
    assert (config.lr, config.n_steps, config.batch, config.n_epochs) == (3e-4, 2048, 64, 10)
    assert (config.gamma, config.gae_lambda, config.clip_range) == (0.99, 0.95, 0.2)
    assert (config.ent_coef, config.vf_coef, config.max_grad_norm) == (0.01, 0.5, 0.5)


@pytest.mark.promise("S4-66")
@pytest.mark.promise("S4-67")
def test_the_network_has_the_published_widths_and_may_read_bars_in_order() -> None:
    flat = body(NetworkConfig(), 18)
    assert [part.out_features for part in flat if isinstance(part, nn.Linear)] == [256, 256, 128]
    assert sum(isinstance(part, nn.ReLU) for part in flat) == 3
    torch.manual_seed(0)
    ordered = body(NetworkConfig(extractor="cnn_lstm", bars=10, hidden=(8,)), 10 * 4)
    assert {type(part).__name__ for part in ordered[0].children()} == {"Convolutions", "LSTM"}
    seen = torch.randn(3, 10, 4)
    answer = ordered(seen.flatten(1))
    assert answer.shape == (3, 8)
    assert not torch.allclose(ordered(seen.flip(1).flatten(1)), answer)
    one_bar = seen.clone()
    one_bar[0, 0] += 1.0  # the oldest bar counts, and another row does not notice
    moved = ordered(one_bar.flatten(1))
    assert not torch.equal(moved[0], answer[0])
    torch.testing.assert_close(moved[1:], answer[1:])


def test_advantages_by_hand() -> None:
    row = {
        "reward": [1.0, 2.0, 3.0, 4.0], "value": [0.5, 1.0, 1.5, 2.0], "next_value": [1.0, 0.0, 2.0, 7.0],
        "over": [False, True, False, True],
    }  # fmt: skip
    columns = {name: torch.tensor(values)[:, None] for name, values in row.items()}
    none = torch.zeros(4, 1)
    found = advantages(Rollout(none[..., None], none, none, **columns), gamma=0.9, gae_lambda=0.5)
    fourth = 4.0 + 0.9 * 7.0 - 2.0  # cut off: its final state is worth 7
    third = 3.0 + 0.9 * 2.0 - 1.5 + 0.45 * fourth
    second = 2.0 - 1.0  # ended by itself: nothing comes after it
    first = 1.0 + 0.9 * 1.0 - 0.5 + 0.45 * second
    torch.testing.assert_close(found[:, 0], torch.tensor([first, second, third, fourth]))


def peer_of(agent: PPO, config: PPOConfig, market: Market) -> stable_baselines3.PPO:
    """Return the maintained implementation with the weights of ``agent``, all settings equal."""
    widths = {"pi": [16], "vf": [16]}
    peer = stable_baselines3.PPO(
        "MlpPolicy", TradingEnv(market, EnvironmentConfig(episode_bars=50)), learning_rate=config.lr,
        n_steps=config.n_steps, batch_size=config.batch, n_epochs=config.n_epochs, gamma=config.gamma,
        gae_lambda=config.gae_lambda, clip_range=config.clip_range, ent_coef=config.ent_coef, vf_coef=config.vf_coef,
        max_grad_norm=config.max_grad_norm, policy_kwargs={"net_arch": widths, "activation_fn": nn.ReLU}, device="cpu",
    )  # fmt: skip
    theirs = peer.policy
    pairs = zip(peer_weights(theirs), our_weights(agent), strict=True)
    with torch.no_grad():
        for mine, ours in pairs:
            mine.copy_(ours)
    peer.set_logger(Logger(folder=None, output_formats=[]))
    return peer


def peer_weights(policy: nn.Module) -> list[torch.Tensor]:
    parts = (policy.mlp_extractor.policy_net, policy.action_net, policy.mlp_extractor.value_net, policy.value_net)
    return [*(weight for part in parts for weight in part.parameters()), policy.log_std]


def our_weights(agent: PPO) -> list[torch.Tensor]:
    parts = (agent.policy.body, agent.policy.head, agent.value.body, agent.value.head)
    return [*(weight for part in parts for weight in part.parameters()), agent.policy.log_std]


def test_advantages_and_a_step_are_those_of_the_maintained_implementation() -> None:
    market = market_of(400, seed=3)
    config = PPOConfig(n_steps=200, batch=200, n_epochs=3, lr=0.01)
    agent = agent_in(market, config, num_envs=1)
    peer = peer_of(agent, config, market)
    rollout = agent.collect()

    buffer, starts = peer.rollout_buffer, np.concatenate([[True], rollout.over[:-1, 0].numpy()])
    with torch.no_grad():
        for time in range(200):
            reward = rollout.reward[time].numpy()
            if rollout.over[time]:  # theirs adds the value of the final state to the reward
                reward = reward + config.gamma * rollout.next_value[time].numpy()
            buffer.add(
                rollout.observation[time].numpy(), rollout.action[time].numpy(), reward, starts[time, None],
                rollout.value[time], rollout.log_chance[time],
            )  # fmt: skip
    ends = rollout.over[-1].numpy()
    buffer.compute_returns_and_advantage(rollout.next_value[-1], ends)
    ours = advantages(rollout, gamma=config.gamma, gae_lambda=config.gae_lambda)
    np.testing.assert_allclose(ours.numpy(), buffer.advantages, rtol=1e-4, atol=1e-5)

    peer.train()
    agent.learn(rollout)
    for mine, theirs in zip(our_weights(agent), peer_weights(peer.policy), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("discrete", [False, True])
def test_the_gradient_that_is_written_down_is_that_of_the_loss(discrete: bool) -> None:
    config = PPOConfig(n_steps=100, ent_coef=0.3, vf_coef=0.7)
    agent = agent_in(market_of(400, seed=3), config, num_envs=2, discrete=discrete)
    rollout = agent.collect()
    flat = [values.flatten(0, 1) for values in (rollout.observation, rollout.action, rollout.log_chance)]
    torch.manual_seed(5)
    flat[2] += 0.3 * torch.randn(200)  # as if the policy had moved: half of the ratios lie beyond the clip
    batch = Batch(*flat, torch.randn(200), torch.randn(200))
    said = add_gradient(agent.policy, agent.value, batch, config)
    weights = [*agent.policy.parameters(), *agent.value.parameters()]
    found = [torch.zeros_like(weight) if weight.grad is None else weight.grad.clone() for weight in weights]

    scores = agent.policy.scores(batch.observation)
    ratio = torch.exp(agent.policy.log_chance(scores, batch.action) - batch.log_chance)
    gain = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-8)
    loss = -torch.minimum(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean() - 0.3 * agent.policy.entropy(scores)
    loss = loss + 0.7 * nn.functional.mse_loss(agent.value(batch.observation), batch.returns)
    torch.testing.assert_close(said["loss"], loss.detach())
    right = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    for mine, theirs in zip(found, right, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.promise("S4-68")
@pytest.mark.parametrize("discrete", [False, True])
def test_in_a_market_with_a_known_signal_it_earns_nine_tenths_of_who_knows_the_signal(discrete: bool) -> None:
    market = market_of(3000, seed=5)
    config = PPOConfig(n_steps=16, batch=512, n_epochs=4, lr=3e-3, gamma=0.5, ent_coef=0.0)
    agent = agent_in(market, config, num_envs=128, discrete=discrete)
    untrained = agent.advance()["reward"]
    for _ in range(30):
        agent.advance()

    def earned(position: torch.Tensor) -> float:
        traded = torch.diff(position, prepend=torch.zeros(1, dtype=position.dtype)).abs()
        return float((position * fresh.returns - 0.0015 * traded).mean())

    fresh = market_of(3000, seed=6)
    action = agent.act(fresh.observations)
    position = (action - 1 if discrete else action[:, 0]).double()
    known = torch.sign(fresh.observations[:, 0]).double()
    assert earned(position) > 0.9 * earned(known) > 0.005
    assert untrained < 0.1


@pytest.mark.parametrize("discrete", [False, True])
def test_going_on_from_a_state_leads_to_the_same_bits(discrete: bool) -> None:
    market, config = market_of(200, seed=7), PPOConfig(n_steps=20, batch=32, n_epochs=2)
    agent = agent_in(market, config, num_envs=4, discrete=discrete)
    agent.advance()
    kept = {name: tensor.clone() for name, tensor in agent.state().items()}
    after = [agent.advance() for _ in range(2)]
    other = agent_in(market, config, num_envs=4, discrete=discrete)
    other.load_state(kept)
    assert other.num_steps == 80
    assert [other.advance() for _ in range(2)] == after
    for name, tensor in agent.state().items():
        assert torch.equal(tensor, other.state()[name]), name


def exact_in(market: Market, *, bars: int = 50) -> ExactGradient:
    torch.manual_seed(0)
    environments = MarketEnvironments(
        market, EnvironmentConfig(episode_bars=bars), num_envs=64, generator=torch.Generator().manual_seed(1)
    )
    config = PPOConfig(learner="exact_gradient", n_steps=16, lr=0.01)
    random = torch.Generator().manual_seed(2)
    return ExactGradient(environments, config, SMALL, generator=random, device=CPU, total_steps=1)


def test_the_gradient_through_the_environment_is_that_of_small_changes() -> None:
    market, config = market_of(100, seed=9), EnvironmentConfig(episode_bars=7)

    def total(positions: torch.Tensor) -> torch.Tensor:
        rows = MarketEnvironments(market, config, num_envs=4, generator=torch.Generator().manual_seed(3))
        return torch.stack([rows.step(action[:, None]).reward.double() for action in positions]).sum()

    positions = torch.from_numpy(np.random.default_rng(4).uniform(-0.9, 0.9, (12, 4))).requires_grad_()
    total(positions).backward()
    with torch.no_grad():
        for bar, row in ((0, 0), (5, 1), (6, 2), (11, 3)):
            change = torch.zeros_like(positions)
            change[bar, row] = 1e-4  # at 1e-3 one of them turns from buying to selling
            slope = (total(positions + change) - total(positions - change)) / 2e-4
            assert positions.grad[bar, row].item() == pytest.approx(slope.item(), rel=2e-3, abs=2e-4)


def test_the_exact_gradient_learns_the_known_signal_and_goes_on_with_the_same_bits() -> None:
    agent = exact_in(market_of(3000, seed=5))
    first = agent.advance()["reward"]
    kept = {name: tensor.clone() for name, tensor in agent.state().items()}
    rewards = [agent.advance()["reward"] for _ in range(60)]
    other = exact_in(market_of(3000, seed=5))
    other.load_state(kept)
    assert [other.advance()["reward"] for _ in range(3)] == rewards[:3]
    assert np.mean(rewards[-10:]) > first + 0.15


def test_an_action_is_as_likely_as_the_distribution_says() -> None:
    agent = agent_in(market_of(100, seed=8), PPOConfig(), num_envs=2)
    policy = agent.policy
    with torch.no_grad():
        policy.log_std.fill_(-0.3)
    scores, action = torch.tensor([[0.2], [-1.0]]), torch.tensor([[0.5], [0.7]])
    normal = torch.distributions.Normal(scores, torch.tensor(-0.3).exp())
    torch.testing.assert_close(policy.log_chance(scores, action), normal.log_prob(action)[:, 0])
    torch.testing.assert_close(policy.entropy(scores), normal.entropy().mean())
    chosen = agent_in(market_of(100, seed=8), PPOConfig(), num_envs=2, discrete=True).policy
    scores, action = torch.tensor([[0.2, 1.0, -1.0], [0.0, 0.0, 3.0]]), torch.tensor([1, 0])
    chances = torch.distributions.Categorical(logits=scores)
    torch.testing.assert_close(chosen.log_chance(scores, action), chances.log_prob(action))
    torch.testing.assert_close(chosen.entropy(scores), chances.entropy().mean())
