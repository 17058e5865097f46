"""Trading environments: a step by hand, the book's equity, the plain twin's bits, and Gymnasium's own checks."""

import warnings

import gymnasium.utils.env_checker as checker
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.judge import CostConfig
from components.market.predictions import AllocationPredictions
from components.trading.allocation import trade_allocations
from components.trading.environment_settings import EnvironmentConfig
from components.trading.market_environment import Market, MarketEnvironments
from components.trading.single_environment import TradingEnv

LENGTHS = (40, 7, 23)


def market_of(lengths: tuple[int, ...] = LENGTHS, *, seed: int = 0, scale: float = 0.02) -> Market:
    """Return a market of stretches of these lengths; an observation starts with the number of its cell."""
    rng = np.random.default_rng(seed)
    num_cells = sum(lengths)
    observations = np.column_stack([np.arange(num_cells), rng.standard_normal((num_cells, 2))]).astype(np.float32)
    last = np.repeat(np.cumsum(lengths) - 1, lengths)
    returns = scale * rng.standard_normal(num_cells)
    return Market(torch.from_numpy(observations), torch.from_numpy(returns), torch.from_numpy(last), scale)


def rows(market: Market, config: EnvironmentConfig, *, num_envs: int, discrete: bool = False) -> MarketEnvironments:
    generator = torch.Generator().manual_seed(1)
    return MarketEnvironments(market, config, num_envs=num_envs, generator=generator, discrete=discrete)


@pytest.mark.promise("S4-63")
@pytest.mark.promise("S4-64")
def test_two_steps_by_hand() -> None:
    config = EnvironmentConfig(slippage=0.0, episode_bars=2)
    assert (config.initial_balance, config.transaction_cost) == (100_000.0, 0.001)
    weights = config.reward
    assert (weights.sharpe, weights.total_return, weights.drawdown, weights.transaction) == (0.4, 0.3, 0.3, 0.1)
    returns = torch.tensor([0.02, -0.05, 0.0], dtype=torch.float64)
    market = Market(torch.zeros(3, 1), returns, torch.tensor([2, 2, 2]), scale=0.01)
    environments = rows(market, config, num_envs=1)
    environments.start_at(torch.tensor([0]))

    first = environments.step(torch.tensor([[0.5]]))
    net = 0.5 * 0.02 - 0.001 * 0.5  # half the balance is bought and rises
    assert environments.net.item() == pytest.approx(net)
    assert environments.balance.item() == pytest.approx(100_000 * (1 + net))
    sharpe = 0.01**2 * net / 0.01**3  # A = 0, B = scale^2
    expected = 0.4 * sharpe + 0.3 * net / 0.01 - 0.1 * 0.0005 / 0.01
    assert first.reward.item() == pytest.approx(expected)
    assert not first.terminated.item()
    assert not first.truncated.item()

    mean, square = 0.02 * net, 0.01**2 + 0.02 * (net**2 - 0.01**2)
    second = environments.step(torch.tensor([[1.0]]))
    turnover = (1.0 - 0.5 * 1.02) + 1.0 * 0.95  # brought to 1 from what it had grown to, and sold at the end
    lost = -0.05 - 0.001 * turnover
    fall = 1 - (1 + net + lost) / (1 + net)
    variance = square - mean**2
    sharpe = (square * (lost - mean) - mean * (lost**2 - square) / 2) / variance**1.5
    expected = 0.4 * sharpe + (0.3 * lost - 0.3 * fall - 0.1 * 0.001 * turnover) / 0.01
    assert second.reward.item() == pytest.approx(expected)
    assert second.truncated.item()
    assert not second.terminated.item()
    assert environments.balance.item() == 100_000  # the next episode has begun


@pytest.mark.promise("S4-63")
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), num_bars=st.integers(2, 30))
def test_the_account_is_the_book_that_the_judge_trades(seed: int, num_bars: int) -> None:
    market = market_of((num_bars + 1,), seed=seed)
    config = EnvironmentConfig(episode_bars=num_bars)
    environments = rows(market, config, num_envs=1)
    environments.start_at(torch.tensor([0]))
    positions = np.random.default_rng(seed + 1).uniform(-1, 1, num_bars)
    net = np.zeros(num_bars)
    for bar, position in enumerate(positions):
        environments.step(torch.tensor([[position]]))
        net[bar] = environments.net.item()
    none = np.zeros(num_bars)
    table = AllocationPredictions(
        symbols=("A",), symbol=none.astype(np.int64),
        timestamp=np.datetime64("2024-01-01", "us") + np.arange(num_bars) * np.timedelta64(1, "D"),
        score=positions, weight=positions, expected_return=none, label=none,
        forward_return=market.returns.numpy()[:num_bars],
    )  # fmt: skip
    book = trade_allocations(table, CostConfig(commission=config.transaction_cost, slippage=config.slippage))
    np.testing.assert_allclose(net, book.net, atol=1e-14)


@pytest.mark.parametrize("discrete", [False, True])
def test_every_row_has_the_bits_of_the_plain_twin(discrete: bool) -> None:
    market, config = market_of(), EnvironmentConfig(episode_bars=15)
    environments, twin = (
        rows(market, config, num_envs=5, discrete=discrete),
        TradingEnv(market, config, discrete=discrete),
    )
    rng = np.random.default_rng(2)
    actions = rng.integers(0, 3, (60, 5)) if discrete else rng.uniform(-1.3, 1.3, (60, 5, 1)).astype(np.float32)
    observation = environments.reset()
    steps = []
    for action in actions:
        step = environments.step(torch.from_numpy(action))
        steps.append((observation, step, environments.net.clone()))
        observation = step.observation
    num_ends = 0
    for row in range(5):
        fresh = True
        for action, (before, step, net) in zip(actions, steps, strict=True):
            if fresh:
                seen, _ = twin.reset(options={"cell": int(before[row, 0])})
                np.testing.assert_array_equal(seen, before[row])
            seen, reward, terminated, truncated, info = twin.step(action[row])
            np.testing.assert_array_equal(seen, step.final[row])
            assert reward == step.reward[row].item()
            assert (terminated, truncated) == (step.terminated[row].item(), step.truncated[row].item())
            assert info["net"] == net[row].item()
            fresh = terminated or truncated
            num_ends += fresh
    assert num_ends == 20


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.filterwarnings("ignore:.*infinity.*:UserWarning")
def test_gymnasium_finds_nothing_wrong(discrete: bool) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        checker.check_env(TradingEnv(market_of(), EnvironmentConfig(), discrete=discrete), skip_render_check=True)
    assert [str(item.message) for item in said if "infinity" not in str(item.message)] == []


def test_episodes_stay_inside_a_stretch_and_are_as_long_as_they_may_be() -> None:
    environments = rows(market_of(), EnvironmentConfig(episode_bars=10), num_envs=200)
    begun = environments.reset()[:, 0].long()
    age, lengths = torch.zeros(200, dtype=torch.int64), set[tuple[int, int]]()
    last = torch.from_numpy(np.repeat(np.cumsum(LENGTHS) - 1, LENGTHS))
    for _ in range(40):
        step = environments.step(torch.zeros(200, 1))
        age += 1
        assert torch.equal(step.final[:, 0].long(), begun + age)
        assert bool((step.final[:, 0].long() <= last[begun]).all())
        lengths |= {
            (int(last[cell]), int(num)) for cell, num in zip(begun[step.truncated], age[step.truncated], strict=True)
        }
        begun = torch.where(step.truncated, step.observation[:, 0].long(), begun)
        age[step.truncated] = 0
    assert lengths == {
        (39, 10),
        (46, 6),
        (69, 10),
    }  # the second stretch has 7 cells, and nothing is decided at the last


def test_an_account_that_lost_everything_ends_for_good() -> None:
    returns = torch.tensor([1.5, 0.0, 0.0], dtype=torch.float64)
    market = Market(torch.zeros(3, 1), returns, torch.tensor([2, 2, 2]), scale=0.1)
    environments = rows(market, EnvironmentConfig(episode_bars=2), num_envs=1)
    environments.start_at(torch.tensor([0]))
    step = environments.step(torch.tensor([[-1.0]]))  # short of a price that goes to 2.5 times
    assert step.terminated.item()
    assert not step.truncated.item()
    assert environments.balance.item() == 100_000


def test_going_on_from_a_state_leads_to_the_same_bits() -> None:
    market, config = market_of(), EnvironmentConfig(episode_bars=9)
    actions = torch.from_numpy(np.random.default_rng(3).uniform(-1, 1, (40, 6, 1)))
    one, other = rows(market, config, num_envs=6), rows(market, config, num_envs=6)
    for action in actions[:17]:
        one.step(action)
    other.load_state(one.state())
    for action in actions[17:]:
        mine, theirs = one.step(action), other.step(action)
        for name in ("observation", "reward", "terminated", "truncated", "final"):
            assert torch.equal(getattr(mine, name), getattr(theirs, name))


def test_the_last_cell_of_a_stretch_is_no_start() -> None:
    market = market_of((4, 5))
    environments = rows(market, EnvironmentConfig(), num_envs=1)
    with pytest.raises(ValueError, match="last cell of a stretch"):
        environments.start_at(torch.tensor([3]))
    with pytest.raises(ValueError, match="no two decisions"):
        rows(market_of((1, 1)), EnvironmentConfig(), num_envs=1)
