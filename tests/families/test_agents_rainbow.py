"""Rainbow's parts, each against a slow twin, a hand-worked case or a closed form."""

import numpy as np
import pytest
import torch
from gym_rows import small_agent
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from components.families.agents.algorithms import RainbowConfig
from components.families.agents.config import NetworkConfig
from components.families.agents.noisy import NoisyLinear, ReturnNetwork
from components.families.agents.rainbow import Rainbow, project
from components.families.agents.replay import Batch


def slow_projection(chances: list[float], support: list[float], reward: float, discount: float) -> list[float]:
    """Algorithm 1 of Bellemare et al. (2017), atom by atom."""
    low, high, gap = support[0], support[-1], support[1] - support[0]
    found = [0.0] * len(support)
    for chance, value in zip(chances, support, strict=True):
        place = (min(max(reward + discount * value, low), high) - low) / gap
        below = min(int(np.floor(place)), len(support) - 1)
        above = min(below + 1, len(support) - 1)
        found[below] += chance * (1 - (place - below))
        found[above] += chance * (place - below)
    return found


@pytest.mark.promise("S4-68")
@settings(max_examples=60)
@given(
    reward=st.floats(-30, 30),
    discount=st.sampled_from([0.0, 0.5, 0.97, 1.0]),
    num_atoms=st.integers(2, 12),
    low=st.floats(-10, 5),
    width=st.floats(0.5, 20),
    seed=st.integers(0, 2**31),
)
def test_the_projection_is_that_of_the_loop(
    reward: float, discount: float, num_atoms: int, low: float, width: float, seed: int
) -> None:
    support = torch.linspace(low, low + width, num_atoms, dtype=torch.float64)
    chances = torch.rand(3, num_atoms, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    chances /= chances.sum(dim=1, keepdim=True)
    rewards = torch.tensor([reward, 0.0, -reward], dtype=torch.float64)
    ours = project(chances, support, rewards, torch.full((3,), discount, dtype=torch.float64))
    for row in range(3):
        slow = slow_projection(chances[row].tolist(), support.tolist(), rewards[row].item(), discount)
        assert ours[row].tolist() == pytest.approx(slow, abs=1e-9)
    assert ours.sum(dim=1).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.promise("S4-68")
def test_a_return_between_two_atoms_is_shared_by_them() -> None:
    support, certain = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([[0.0, 0.0, 1.0]])
    found = project(certain, support, torch.tensor([0.25]), torch.tensor([0.5]))  # 0.25 + 0.5 x 2 = 1.25
    assert found.tolist() == [[0.0, 0.75, 0.25]]
    over = project(certain, support, torch.tensor([-1.0]), torch.tensor([0.0]))  # ended, below the lowest atom
    assert over.tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.promise("S4-68")
def test_a_noisy_layer_is_the_linear_one_with_every_weight_blurred() -> None:
    torch.manual_seed(0)
    layer = NoisyLinear(4, 3, sigma=0.5)
    assert layer.weight_sigma.unique().tolist() == [0.25]  # 0.5 / sqrt(4)
    inputs = torch.randn(6, 4)
    of_inputs, of_outputs = layer.draw(1, torch.Generator().manual_seed(1))
    drawn = torch.randn(1, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(torch.cat([of_inputs, of_outputs], dim=1), drawn.sign() * drawn.abs().sqrt())
    weight = layer.weight + layer.weight_sigma * torch.outer(of_outputs[0], of_inputs[0])
    bias = layer.bias + layer.bias_sigma * of_outputs[0]
    torch.testing.assert_close(layer(inputs, (of_inputs, of_outputs)), inputs @ weight.T + bias)
    torch.testing.assert_close(layer(inputs, None), inputs @ layer.weight.T + layer.bias)


def network(hidden: tuple[int, ...] = (6, 5)) -> ReturnNetwork:
    torch.manual_seed(0)
    config = RainbowConfig(num_atoms=7, v_min=-1.0, v_max=1.0)
    return ReturnNetwork(config, NetworkConfig(hidden=hidden), observation_size=3, num_actions=4)


@pytest.mark.promise("S4-68")
def test_the_streams_are_duelling_only_differences_of_advantages_count() -> None:
    made, seen = network(), torch.randn(5, 3)
    before = made.log_chances(seen, None)
    torch.testing.assert_close(before.exp().sum(dim=2), torch.ones(5, 4))
    last = made.advantage[1]
    with torch.no_grad():
        last.bias.view(4, 7).add_(torch.linspace(-3, 3, 7))  # the same to every action's advantage
    torch.testing.assert_close(made.log_chances(seen, None), before)
    with torch.no_grad():
        last.bias.view(4, 7)[2].add_(torch.linspace(-9, 9, 7))  # action 2 returns more
    assert made(seen).tolist() == [2] * 5
    assert network(hidden=(5,)).log_chances(seen, None).shape == (5, 4, 7)


def batch_of(num: int, num_features: int) -> Batch:
    generator = torch.Generator().manual_seed(2)
    seen, led = torch.randn(2, num, num_features, generator=generator)
    action = torch.randint(2, (num,), generator=generator)
    discount = torch.where(torch.arange(num) % 3 == 0, 0.0, 0.97)
    return Batch(seen, action, torch.rand(num, generator=generator), discount, led)


@pytest.mark.promise("S4-68")
def test_the_policy_chooses_the_action_that_the_target_values() -> None:
    learner = small_agent("rainbow_dqn", num_atoms=11, v_min=0.0, v_max=5.0)
    assert isinstance(learner, Rainbow)
    with torch.no_grad():
        for layer in (*learner.policy.value, *learner.policy.advantage, *learner.target.advantage):
            layer.weight_sigma.zero_()
            layer.bias_sigma.zero_()
        for layer in learner.target.value:
            layer.weight_sigma.zero_()
            layer.bias_sigma.zero_()
        better = torch.linspace(-3, 3, 11)
        learner.policy.advantage[1].bias.view(2, 11)[1].add_(better)  # they do not agree
        learner.target.advantage[1].bias.view(2, 11)[0].add_(better)
    batch = batch_of(9, 4)
    found = learner.targets(batch)
    chosen, valued = learner.policy(batch.following), learner.target.log_chances(batch.following, None).exp()
    assert chosen.tolist() == [1] * 9
    assert learner.target(batch.following).tolist() == [0] * 9
    for row in range(9):
        chances, support = valued[row, chosen[row]].tolist(), learner.policy.support.tolist()
        slow = slow_projection(chances, support, batch.reward[row].item(), batch.discount[row].item())
        assert found[row].tolist() == pytest.approx(slow, abs=1e-5)


@pytest.mark.promise("S4-68")
def test_the_loss_is_the_divergence_and_a_step_makes_it_smaller() -> None:
    learner = small_agent("rainbow_dqn", num_atoms=11, v_min=0.0, v_max=5.0, lr=1e-2)
    assert isinstance(learner, Rainbow)
    batch = batch_of(16, 4)
    generator = learner._experience.generator
    state = generator.get_state()
    first = learner.divergence(batch)
    generator.set_state(state)
    said = learner.policy.log_chances(batch.observation, learner.policy.draw(1, generator))
    said = said[torch.arange(16), batch.action]
    expected: Tensor = torch.nn.functional.kl_div(said, learner.targets(batch), reduction="none").sum(dim=1)
    torch.testing.assert_close(first, expected)
    assert bool((first > 0).all())


def test_the_correction_of_the_draw_grows_to_its_whole_by_the_end() -> None:
    learner = small_agent("rainbow_dqn", total_steps=80)
    assert learner.weight_exponent == 0.4
    learner.advance()
    assert learner.num_steps == 56
    assert learner.weight_exponent == pytest.approx(0.4 + 0.6 * 56 / 80)
    learner.advance()
    learner.advance()
    assert learner.weight_exponent == 1.0


def test_the_target_is_a_copy_made_every_so_many_steps() -> None:
    learner = small_agent("rainbow_dqn", target_every=80)
    assert isinstance(learner, Rainbow)
    learner.advance()
    same = [torch.equal(*pair) for pair in zip(learner.policy.parameters(), learner.target.parameters(), strict=True)]
    assert not any(same)
    learner.advance()
    learner.advance()  # beyond 80
    assert learner.num_steps == 88
    for mine, copied in zip(learner.policy.parameters(), learner.target.parameters(), strict=True):
        assert torch.equal(mine, copied)
