"""Net profit by hand, its gradient by finite differences, and what the two heads may hold."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.core.judge import CostConfig
from components.families.profit.config import ObjectiveConfig
from components.families.profit.loss import SHARPNESS, allocate, net_returns, profit_loss, sharpe_like
from components.market.predictions import AllocationPredictions
from components.trading.allocation import trade_allocations

PROFIT_ALONE = ObjectiveConfig(sharpe_weight=0.0, price_weight=0.0)


def drawn(*shape: int, seed: int = 0, size: float = 1.0) -> torch.Tensor:
    return size * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_round_trip_pays_the_cost_twice_and_on_what_the_position_has_grown_to() -> None:
    weights = torch.tensor([[[1.0], [1.0], [0.0]]])  # enter, bring back to 1, leave
    returns = torch.tensor([[[0.02], [-0.01], [0.05]]])
    expected = torch.tensor([[0.02 - 0.001, -0.01 - 0.001 * 0.02, -0.001 * 0.99]])
    torch.testing.assert_close(net_returns(weights, returns, cost_bps=10.0), expected)


def test_a_negative_cost_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cost_bps must be >= 0, was -1"):
        net_returns(torch.zeros(1, 2, 1), torch.zeros(1, 2, 1), cost_bps=-1)


def test_the_objective_trades_the_same_book_as_the_judge() -> None:
    weights, returns = drawn(30, 4, seed=1, size=0.1).numpy(), drawn(30, 4, seed=2, size=0.02).numpy()
    days = np.repeat(np.datetime64("2024-01-01", "us") + np.arange(30) * np.timedelta64(1, "D"), 4)
    none = np.zeros(120)
    table = AllocationPredictions(
        ("A", "B", "C", "D"), np.tile(np.arange(4), 30), days, none, weights.ravel(), none, none, returns.ravel()
    )
    book = trade_allocations(table, CostConfig(commission=0.001, slippage=0.0005))
    ours = net_returns(torch.from_numpy(weights), torch.from_numpy(returns), cost_bps=15.0).numpy()
    ours[-1] -= 0.0015 * np.abs(weights[-1] * (1 + returns[-1])).sum()  # the book sells what it holds at the end
    np.testing.assert_allclose(book.net, ours, atol=1e-15)


@pytest.mark.promise("S2-18")
def test_without_costs_the_gradient_of_the_profit_is_the_return() -> None:
    weights, returns = drawn(3, 9, 4).requires_grad_(), drawn(3, 9, 4, seed=1, size=0.02)
    free = PROFIT_ALONE.model_copy(update={"transaction_cost_bps": 0.0})
    profit_loss(weights, returns, torch.zeros(3, 9, 4), torch.ones(3, 9, 4), free, scale=0.02).backward()
    expected = -returns / (3 * 8) / 0.02
    expected[:, 0] = 0  # what a path holds first was given to it
    assert weights.grad is not None
    torch.testing.assert_close(weights.grad, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.promise("S2-18")
@pytest.mark.promise("S2-19")
def test_the_gradient_of_the_objective_is_that_of_finite_differences() -> None:
    config = ObjectiveConfig(transaction_cost_bps=25.0)
    returns, errors, known = drawn(2, 5, 3, seed=1, size=0.02), drawn(2, 5, 3, seed=2), torch.ones(2, 5, 3)
    score = drawn(2, 5, 3, seed=3).requires_grad_()

    def objective(score: torch.Tensor, head: str) -> torch.Tensor:
        weights = allocate(torch.tanh(score), known, head=head)
        net = net_returns(weights, returns, cost_bps=config.transaction_cost_bps)[:, 1:]
        return -net.mean() / 0.02 - sharpe_like(net) + 0.1 * errors.square().mean()

    for head in ("signed", "long_only"):
        assert torch.autograd.gradcheck(lambda values, head=head: objective(values, head), (score,), eps=1e-6)
        weights = allocate(torch.tanh(score), known, head=head)
        loss = profit_loss(weights, returns.float(), errors, known, config, scale=0.02)
        assert loss.item() == pytest.approx(objective(score, head).item(), rel=1e-4)


@pytest.mark.promise("S2-18")
def test_the_sharpe_like_term_is_mean_by_deviation() -> None:
    net = torch.tensor([[0.01, 0.03, -0.01], [0.02, 0.0, 0.01]], dtype=torch.float64)
    assert sharpe_like(net).item() == pytest.approx(0.01 / net.numpy().std(), rel=1e-4)
    assert sharpe_like(torch.zeros(2, 3)).item() == 0.0


@pytest.mark.promise("S2-19")
def test_a_dearer_trade_costs_turnover_times_the_difference() -> None:
    assert ObjectiveConfig().transaction_cost_bps == 15.0
    weights, returns = drawn(2, 9, 3, size=0.1), drawn(2, 9, 3, seed=1, size=0.01)
    cheap, dear = (net_returns(weights, returns, cost_bps=cost) for cost in (5.0, 15.0))
    grown = weights * (1 + returns)
    turnover = torch.cat([weights[:, :1], weights[:, 1:] - grown[:, :-1]], dim=1).abs().sum(-1)
    torch.testing.assert_close(cheap - dear, 0.001 * turnover)


@pytest.mark.promise("S2-16")
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.integers(0, 2**8 - 1))
def test_heads_hold_what_they_may(scores: list[float], mask: int) -> None:
    score = torch.tensor([scores], dtype=torch.float64)
    known = torch.tensor([[float(mask >> place & 1) for place in range(len(scores))]], dtype=torch.float64)
    signed, shares = (allocate(score, known, head=head) for head in ("signed", "long_only"))
    assert signed.abs().max() <= 1
    assert signed.abs().sum() <= 1 + 1e-12
    torch.testing.assert_close(signed, score * known / len(scores))
    assert shares.min() >= 0
    assert shares.sum().item() == pytest.approx(1.0 if known.any() else 0.0)
    assert torch.all(shares[known == 0] == 0)


def test_the_long_only_head_by_hand() -> None:
    shares = allocate(torch.tensor([[0.25, 0.0, 1.0]]), torch.tensor([[1.0, 1.0, 0.0]]), head="long_only")
    assert SHARPNESS == 4.0
    torch.testing.assert_close(shares, torch.tensor([[np.e / (1 + np.e), 1 / (1 + np.e), 0.0]], dtype=torch.float32))
