"""SAC and TD3 against Stable-Baselines3: with the same weights and the same steps, the same weights afterwards."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from gym_rows import PENDULUM, GymRows, small_agent
from safetensors.torch import load, save
from stable_baselines3.common.logger import Logger
from torch import Tensor, nn

from components.families.agents.algorithms import RainbowConfig, SACConfig, TD3Config
from components.families.agents.config import NetworkConfig
from components.families.agents.replay import Replay
from components.families.agents.sac import SAC
from components.families.agents.td3 import TD3
from components.trading.environment import Step

CPU = torch.device("cpu")
HIDDEN = (16, 8)
BATCH, STEPS, GRADIENTS = 32, 60, 5
WIDTHS: dict[str, Any] = {"net_arch": [*HIDDEN]}


def linears(module: nn.Module) -> list[nn.Linear]:
    return [part for part in module.modules() if isinstance(part, nn.Linear)]


def twin_weights(peer: nn.Module) -> dict[str, Tensor]:
    """The weights of the peer's two critics as ours stack them."""
    parts = zip(linears(peer.qf0), linears(peer.qf1), strict=True)
    tensors: dict[str, Tensor] = {}
    for number, twins in enumerate(parts):
        tensors[f"layers.{2 * number}.weight"] = torch.stack([twin.weight.T for twin in twins])
        tensors[f"layers.{2 * number}.bias"] = torch.stack([twin.bias[None] for twin in twins])
    return tensors


def assert_same_weights(ours: nn.Module, peer: nn.Module) -> None:
    for mine, theirs in zip(linears(ours), linears(peer), strict=True):
        torch.testing.assert_close(mine.weight, theirs.weight, rtol=2e-5, atol=2e-6)
        torch.testing.assert_close(mine.bias, theirs.bias, rtol=2e-5, atol=2e-6)


def assert_same_critics(ours: nn.Module, peer: nn.Module) -> None:
    for name, theirs in twin_weights(peer).items():
        torch.testing.assert_close(ours.state_dict()[name], theirs, rtol=2e-5, atol=2e-6)


def copied(ours: nn.Module, peer: nn.Module) -> None:
    with torch.no_grad():
        for mine, theirs in zip(linears(ours), linears(peer), strict=True):
            mine.weight.copy_(theirs.weight)
            mine.bias.copy_(theirs.bias)


def both_remember(replay: Replay, peer: Any) -> None:
    """Add the same made-up steps to both; some end by themselves, some are cut off."""
    rng = np.random.default_rng(4)
    for number in range(STEPS):
        seen, led = rng.normal(size=(2, 1, 3)).astype(np.float32)
        action = rng.uniform(-1, 1, size=(1, 1)).astype(np.float32)
        reward, terminated, truncated = rng.normal(size=1).astype(np.float32), number % 7 == 0, number % 11 == 5
        info = {"TimeLimit.truncated": truncated and not terminated}
        peer.add(seen, led, action, reward, np.array([terminated or truncated]), [info])
        flags = (torch.tensor([terminated]), torch.tensor([truncated]))
        step = Step(torch.from_numpy(led), torch.from_numpy(reward), *flags, torch.from_numpy(led))
        replay.add(torch.from_numpy(seen), torch.from_numpy(action), step)


def drawn_by_peer() -> list[Tensor]:
    """The slots that the peer draws in its gradients, if numpy's seed is 1."""
    np.random.seed(1)  # noqa: NPY002 - the peer draws from it
    slots = []
    for _ in range(GRADIENTS):
        slots.append(torch.from_numpy(np.random.randint(0, STEPS, size=BATCH)))  # noqa: NPY002
        np.random.randint(0, high=1, size=BATCH)  # noqa: NPY002 - which of its environments
    return slots


def peer_learns(peer: Any) -> None:
    peer.set_logger(Logger(None, []))
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(3)
    peer.train(gradient_steps=GRADIENTS, batch_size=BATCH)


SIZES: dict[str, Any] = {
    "environments": GymRows(PENDULUM, num_envs=1, seed=0),
    "network": NetworkConfig(hidden=HIDDEN),
    "device": CPU,
    "total_steps": 1,
}


@pytest.mark.promise("S4-68")
def test_sac_learns_what_the_peer_learns_of_the_same_steps() -> None:
    peer = stable_baselines3.SAC("MlpPolicy", gymnasium.make(PENDULUM), policy_kwargs={**WIDTHS}, device="cpu")
    ours = SAC(config=SACConfig(batch=BATCH), generator=torch.Generator().manual_seed(3), **SIZES)
    copied(ours.policy, peer.actor)
    ours.critic.load_state_dict(twin_weights(peer.critic))
    ours.target.load_state_dict(twin_weights(peer.critic_target))
    replay = Replay(STEPS, SIZES["environments"], device=CPU)
    both_remember(replay, peer.replay_buffer)
    for slots in drawn_by_peer():
        ours.learn(replay.gather(slots, gamma=0.99))
    peer_learns(peer)
    assert_same_weights(ours.policy, peer.actor)
    assert_same_critics(ours.critic, peer.critic)
    assert_same_critics(ours.target, peer.critic_target)
    assert ours.log_temperature.item() == pytest.approx(peer.log_ent_coef.item(), rel=1e-4)
    assert ours.log_temperature.item() < -1e-3  # it has moved


@pytest.mark.promise("S4-68")
def test_td3_learns_what_the_peer_learns_of_the_same_steps() -> None:
    noise = {"target_policy_noise": 0.5, "target_noise_clip": 0.3}  # so much that the bound is often reached
    peer = stable_baselines3.TD3("MlpPolicy", gymnasium.make(PENDULUM), policy_kwargs={**WIDTHS}, device="cpu", **noise)
    ours = TD3(
        config=TD3Config(batch=BATCH, target_noise=0.5, target_noise_clip=0.3),
        generator=torch.Generator().manual_seed(3),
        **SIZES,
    )
    copied(ours.policy, peer.actor)
    copied(ours.policy_target, peer.actor_target)
    ours.critic.load_state_dict(twin_weights(peer.critic))
    ours.critic_target.load_state_dict(twin_weights(peer.critic_target))
    replay = Replay(STEPS, SIZES["environments"], device=CPU)
    both_remember(replay, peer.replay_buffer)
    before = linears(ours.policy)[0].weight.detach().clone()
    for number, slots in enumerate(drawn_by_peer()):
        ours.learn(replay.gather(slots, gamma=0.99))
        if number == 0:
            assert torch.equal(linears(ours.policy)[0].weight, before)  # the policy waits for two of the critics
    peer_learns(peer)
    assert not torch.equal(linears(ours.policy)[0].weight, before)
    assert_same_weights(ours.policy, peer.actor)
    assert_same_weights(ours.policy_target, peer.actor_target)
    assert_same_critics(ours.critic, peer.critic)
    assert_same_critics(ours.critic_target, peer.critic_target)


@pytest.mark.parametrize("name", ["sac", "td3", "rainbow_dqn"])
def test_an_agent_that_goes_on_from_its_bytes_is_the_one_that_never_stopped(name: str) -> None:
    whole, again = small_agent(name), small_agent(name, seed=1)
    for _ in range(3):  # the ring is full after the second round
        whole.advance()
    stopped = save({key: tensor.contiguous() for key, tensor in whole.state().items()})
    again.load_state(load(stopped))
    assert again.num_steps == whole.num_steps == 40 + 3 * 16
    for _ in range(3):
        assert whole.advance() == again.advance()
    ends, same = whole.state(), again.state()
    assert ends.keys() == same.keys()
    for key, tensor in ends.items():
        assert torch.equal(tensor, same[key]), key
    seen = torch.randn(4, 3 if name != "rainbow_dqn" else 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(whole.act(seen), again.act(seen))
    assert torch.equal(whole.act(seen), whole.policy(seen))


@pytest.mark.parametrize("name", ["sac", "td3", "rainbow_dqn"])
def test_before_learning_starts_steps_are_at_random_and_afterwards_a_round_has_its_size(name: str) -> None:
    learner = small_agent(name, learning_starts=50, buffer=100)
    before = {key: tensor.clone() for key, tensor in learner.policy.state_dict().items()}
    metrics = learner.advance()
    assert learner.num_steps == 50 + 2 * 8
    assert all(np.isfinite(value) for value in metrics.values())
    assert any(not torch.equal(tensor, before[key]) for key, tensor in learner.policy.state_dict().items())
    learner.advance()
    assert learner.num_steps == 50 + 4 * 8


def test_settings_that_forget_the_start_before_learning_from_it_are_refused() -> None:
    with pytest.raises(ValueError, match="learning_starts must be <= buffer, was 41 of 40"):
        SACConfig(buffer=40, learning_starts=41)
    with pytest.raises(ValueError, match=r"v_min must be < v_max, was 1.0 and 1.0"):
        RainbowConfig(v_min=1.0, v_max=1.0)
