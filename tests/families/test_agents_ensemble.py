"""Votes, a learned choice and a drawn one: what each does, in numbers, and that it changes what is held."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from components.families.agents.choice import make_policy
from components.families.agents.config import AgentsConfig, EnsembleConfig
from components.families.agents.ensemble import Ensemble, net_of_each
from components.families.agents.switches import MetaLearner, ThompsonSwitch, vote_weights
from components.trading.environment_settings import EnvironmentConfig
from components.trading.market_environment import Market, MarketEnvironments

COST = 0.0015


class Holding(nn.Module):
    """Holds ``share`` times the first feature, or always the discrete action that is long."""

    def __init__(self, share: float | None) -> None:
        super().__init__()
        self.share = share

    def forward(self, observation: Tensor) -> Tensor:
        if self.share is None:
            return torch.full((len(observation),), 2)
        return self.share * observation[:, :1]


def market(num_cells: int = 400, *, seed: int = 0) -> Market:
    """Two stretches; the first feature is the sign of the next return, the second says whether all of it is kept."""
    rng = np.random.default_rng(seed)
    sign, mood = rng.choice([-1.0, 1.0], size=(2, num_cells))
    returns = 0.01 * sign * (mood + 0.2) + 0.001 * rng.standard_normal(num_cells)
    half = num_cells // 2
    last = torch.tensor([half - 1] * half + [num_cells - 1] * (num_cells - half))
    seen = np.stack([sign, mood], axis=1).astype(np.float32)
    return Market(torch.from_numpy(seen), torch.from_numpy(returns), last, float(returns.std()))


def ensemble(*shares: float | None, **settings: object) -> Ensemble:
    names = ("ppo", "sac", "td3", "rainbow_dqn")
    members = (*names[: len(shares)],) if None not in shares else (*names[: len(shares) - 1], "rainbow_dqn")
    config = EnsembleConfig.model_validate({"members": members, **settings})
    return Ensemble(
        [Holding(share) for share in shares], discrete=[share is None for share in shares], config=config,
        observation_size=2,
    )  # fmt: skip


@pytest.mark.promise("S4-70")
def test_votes_are_shares_of_the_sharpe_ratios_above_0() -> None:
    rewards = np.array([[0.03, 0.01, -0.02], [0.01, 0.03, -0.01], [0.02, -0.01, 0.0]])
    ratio = rewards.mean(axis=0) / rewards.std(axis=0)
    assert vote_weights(rewards).tolist() == pytest.approx([*(ratio[:2] / ratio[:2].sum()), 0.0])
    assert vote_weights(-np.abs(rewards)).tolist() == [0.0, 0.0, 0.0]
    assert vote_weights(np.zeros((4, 2))).tolist() == [0.0, 0.0]


@pytest.mark.promise("S4-70")
def test_a_vote_holds_the_weighted_mean_of_what_its_members_hold() -> None:
    voting = ensemble(1.0, -0.5, None)
    voting.weights.copy_(torch.tensor([0.5, 0.2, 0.3]))
    held = voting(torch.tensor([[0.8, 0.0], [-1.0, 0.0]]))
    assert held[:, 0].tolist() == pytest.approx([0.4 - 0.08 + 0.3, -0.5 + 0.1 + 0.3])


@pytest.mark.promise("S4-70")
def test_a_vote_learned_in_validation_leaves_out_who_lost_there() -> None:
    voting = ensemble(1.0, -1.0, None)
    means = voting.learn(market(), cost=0.0, seed=0)
    assert means["ppo"] > 0 > means["sac"]
    assert voting.weights[0].item() > 0
    assert voting.weights[1].item() == 0.0
    assert voting.weights.sum().item() == pytest.approx(1.0)


def test_a_member_alone_earns_what_its_account_in_the_environment_earns() -> None:
    there = market(60)
    rng = np.random.default_rng(1)
    held = rng.uniform(-1, 1, size=(60, 2))
    ours = net_of_each(held, there, cost=COST)
    config = EnvironmentConfig(transaction_cost=0.001, slippage=0.0005, episode_bars=200)
    for start, length in ((0, 29), (30, 29)):
        rows = MarketEnvironments(there, config, num_envs=2, generator=torch.Generator())
        rows.start_at(torch.tensor([start, start]))
        for bar in range(length):
            grown = np.abs(held[start + bar] * (1 + there.returns[start + bar].item()))
            rows.step(torch.from_numpy(held[start + bar])[:, None])
            sold = COST * grown * (bar == length - 1)  # the environment sells at the end
            np.testing.assert_allclose(rows.net.numpy(), ours[start + bar] - sold, atol=1e-12)


@pytest.mark.promise("S4-71")
def test_a_learned_choice_fits_the_ridge_forecast_of_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    context, rewards = rng.standard_normal((50, 3)) * [1.0, 10.0, 0.1] + 2, rng.standard_normal((50, 2))
    context[:, 2] = 7.0  # never varies
    learner = MetaLearner.fitted(context, rewards, ridge=0.5)
    scaled = (context[:, :2] - context[:, :2].mean(axis=0)) / context[:, :2].std(axis=0)
    slopes = np.linalg.inv(scaled.T @ scaled / 50 + 0.5 * np.eye(2)) @ (scaled.T @ rewards / 50)
    said = rewards.mean(axis=0) + scaled @ slopes
    np.testing.assert_allclose(learner.intercept + context @ learner.slopes, said, atol=1e-12)
    assert learner.slopes[2].tolist() == [0.0, 0.0]
    assert learner.choose(context).tolist() == said.argmax(axis=1).tolist()


@pytest.mark.promise("S4-71")
def test_a_learned_choice_follows_each_member_where_it_is_right() -> None:
    """In one mood the first feature says where the market goes, in the other the opposite of it does."""
    switching = ensemble(1.0, -1.0, rule="meta")
    switching.learn(market(), cost=0.0, seed=0)
    unseen = market(seed=1)
    held = switching(unseen.observations)[:, 0]
    right = torch.where(unseen.observations[:, 1] > 0, 1.0, -1.0) * unseen.observations[:, 0]
    assert (held == right).double().mean().item() == 1.0
    each = net_of_each(switching.each(unseen.observations).double().numpy(), unseen, cost=0.0)
    both = net_of_each(held.double().numpy()[:, None], unseen, cost=0.0)
    assert both.mean() > 3 * each.mean(axis=0).max()


@pytest.mark.promise("S4-72")
def test_the_posterior_of_a_mean_is_the_student_t_of_the_textbook() -> None:
    rng = np.random.default_rng(0)
    rewards = 0.3 + 2.0 * rng.standard_normal((40, 1))
    switch = ThompsonSwitch(1, scale=1.5)
    for row in rewards:
        switch.observe(row)
    num, mean = len(rewards), rewards.mean()
    rate = 0.5 * 1.5**2 + 0.5 * ((rewards - mean) ** 2).sum() + 0.5 * num * mean**2 / (1 + num)  # Murphy, eq. 85-89
    centre, scale, freedom = switch.posterior()
    assert centre[0] == pytest.approx(num * mean / (1 + num))
    assert freedom == 2 * (0.5 + num / 2)
    assert scale[0] == pytest.approx(np.sqrt(rate / ((0.5 + num / 2) * (1 + num))))


@pytest.mark.promise("S4-72")
def test_draws_fall_on_a_member_as_often_as_its_mean_is_the_highest_and_the_seed_decides_them() -> None:
    switch = ThompsonSwitch(2, scale=1.0)
    rng = np.random.default_rng(3)
    for _ in range(30):
        switch.observe(np.array([0.2, 0.0]) + rng.standard_normal(2))
    centre, scale, freedom = switch.posterior()
    grid = np.linspace(-4, 4, 4001)
    second = stats.t.pdf(grid, freedom, centre[1], scale[1])
    expected = np.trapezoid(second * stats.t.sf(grid, freedom, centre[0], scale[0]), grid)
    chances = switch.chances(np.random.default_rng(5), 40_000)
    assert chances.sum() == pytest.approx(1.0)
    assert chances[0] == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(40_000))
    drawn = switch.draw(np.random.default_rng(7), 50)
    assert drawn.tolist() == switch.draw(np.random.default_rng(7), 50).tolist()
    assert drawn.tolist() != switch.draw(np.random.default_rng(8), 50).tolist()


@pytest.mark.promise("S4-72")
def test_the_switch_changes_over_when_the_better_member_becomes_the_worse_one() -> None:
    rng = np.random.default_rng(0)
    rewards = 0.5 * rng.standard_normal((600, 2))
    rewards[:300, 0] += 0.5
    rewards[300:, 1] += 0.5
    chosen = ThompsonSwitch(2, scale=0.5, memory=0.95).follow(rewards, np.random.default_rng(1))
    again = ThompsonSwitch(2, scale=0.5, memory=0.95).follow(rewards, np.random.default_rng(1))
    assert chosen.tolist() == again.tolist()
    assert (chosen[50:300] == 0).mean() > 0.9
    assert (chosen[350:] == 1).mean() > 0.9
    followed = rewards[np.arange(600), chosen].mean()
    assert followed > 1.5 * rewards.mean(axis=0).max()
    stubborn = ThompsonSwitch(2, scale=0.5).follow(rewards, np.random.default_rng(1))
    assert (stubborn[350:450] == 1).mean() < 0.2  # who never forgets is slow to see it


@pytest.mark.promise("S4-72")
def test_members_of_thompsons_rule_are_held_by_their_chance_of_being_drawn() -> None:
    there = market(60)
    drawing, other = (ensemble(1.0, 0.5, None, rule="thompson") for _ in range(2))
    drawing.learn(there, cost=COST, seed=0)
    other.learn(there, cost=COST, seed=1)
    switch = ThompsonSwitch(3, scale=there.scale)
    alone = net_of_each(drawing.each(there.observations).double().numpy(), there, cost=COST)
    for cell in (*range(29), *range(30, 59)):  # nothing is decided at the last of a stretch
        switch.observe(alone[cell])
    expected = switch.chances(np.random.default_rng(0), 10_000)
    assert expected.min() > 0
    assert drawing.weights.tolist() == pytest.approx(expected.tolist())
    assert other.weights.tolist() != drawing.weights.tolist()
    seen = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    held = [expected @ [1.0, 0.5, 1.0], expected @ [-1.0, -0.5, 1.0]]
    assert drawing(seen)[:, 0].tolist() == pytest.approx(held)


def test_members_are_different_and_at_least_two() -> None:
    with pytest.raises(ValueError, match="members must differ, were sac, sac"):
        EnsembleConfig(members=("sac", "sac"))
    with pytest.raises(ValueError, match="at least 2"):
        EnsembleConfig(members=("sac",))


def test_a_recipe_makes_the_policies_of_all_four() -> None:
    config = AgentsConfig.parse({"agent": "ensemble", "network": {"hidden": [8]}}, name="test")
    policy = make_policy(config, num_features=3)
    assert isinstance(policy, Ensemble)
    assert policy.discrete == (False, False, False, True)
    seen = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert policy.each(seen).shape == (5, 4)
    torch.testing.assert_close(policy(seen)[:, 0], policy.each(seen).mean(dim=1))
