"""The allocator of pairs: its whole history at once against a loop over the days, and what it learns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import profit_market
import pytest
import torch
from components.families.profit.portfolio import (
    FEATURES,
    Allocator,
    PairStockDataset,
    PortfolioConfig,
    log_growth,
    portfolio_loss,
    train_pair_portfolio,
    turnover_of,
)
from hypothesis import given
from hypothesis import strategies as st

from components.core.bundle import Bundle
from components.core.errors import DataError, RecipeError, UsageError
from components.core.files import read_json
from components.core.run_context import RunContext
from components.families.profit import COLUMNS
from components.learning.bundles import load_weights
from components.learning.examples import read_examples
from components.market.columns import FORECASTS

Run = Callable[[str], RunContext]


def day_by_day(weights: torch.Tensor, returns: torch.Tensor, *, cost_bps: float) -> torch.Tensor:
    """Return the log growth of each period by holding money: ``returns`` (period, day, asset), one day at a time."""
    holdings, value, grown = torch.zeros_like(weights[0]), torch.ones((), dtype=weights.dtype), list[torch.Tensor]()
    for wanted, days in zip(weights, returns, strict=True):
        begun = value
        traded = (wanted - holdings / value).abs().sum()
        value = value * (1 - 1e-4 * cost_bps * traded)
        holdings = wanted * value
        for day in days:
            holdings = holdings * (1 + day)
        value = holdings.sum()
        grown.append((value / begun).log())
    return torch.stack(grown)


@pytest.mark.promise("S2-29")
@pytest.mark.promise("S2-30")
@given(
    st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 6), st.integers(2, 5), st.sampled_from([0.0, 15.0, 80.0])
)
def test_the_whole_history_at_once_is_the_loop_over_the_days(
    seed: int, num_periods: int, num_days: int, num_assets: int, cost_bps: float
) -> None:
    noise = torch.Generator().manual_seed(seed)
    scores, returns = (
        torch.randn(shape, dtype=torch.float64, generator=noise)
        for shape in ((num_periods, num_assets), (num_periods, num_days, num_assets))
    )
    returns, gradients = 0.02 * returns, list[torch.Tensor]()
    growth = (1 + returns).prod(dim=1)
    outcomes: list[torch.Tensor] = []
    for at_once in (True, False):
        leaf = scores.clone().requires_grad_()
        weights = torch.softmax(leaf, dim=-1)
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(num_periods, dtype=torch.float64))
        found = (
            log_growth(weights, growth, cost_bps=cost_bps)
            if at_once
            else day_by_day(weights, returns, cost_bps=cost_bps)
        )
        found.sum().backward()
        assert leaf.grad is not None
        outcomes.append(found.detach())
        gradients.append(leaf.grad)
    torch.testing.assert_close(*outcomes, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-12)


@pytest.mark.promise("S2-29")
def test_what_is_traded_by_hand() -> None:
    weights, growth = torch.tensor([[0.5, 0.5], [0.5, 0.5]]), torch.tensor([[1.5, 0.5], [1.0, 1.0]])
    torch.testing.assert_close(turnover_of(weights, growth), torch.tensor([1.0, 0.5]))  # drifted to 3/4 and 1/4
    expected = torch.tensor([1.0 * 0.999, 1.0 * 0.9995]).log()
    torch.testing.assert_close(log_growth(weights, growth, cost_bps=10.0), expected)


@pytest.mark.promise("S2-31")
def test_the_price_of_risk_is_that_of_the_variance() -> None:
    assert PortfolioConfig().risk_penalty == 1.0
    weights = torch.full((2, 2), 0.5, dtype=torch.float64)
    growth = torch.tensor([[1.1, 1.1], [1.0, 1.0]], dtype=torch.float64)
    free, calm = (PortfolioConfig(transaction_cost_bps=0.0, risk_penalty=price) for price in (0.0, 4.0))
    assert portfolio_loss(weights, growth, free).item() == pytest.approx(-np.log(1.1) / 2)
    assert portfolio_loss(weights, growth, calm).item() == pytest.approx(-np.log(1.1) / 2 + 4 * (np.log(1.1) / 2) ** 2)
    with pytest.raises(RecipeError, match="risk_penalty"):
        PortfolioConfig.parse({"risk_penalty": -1}, name="test")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return profit_market.write(tmp_path_factory.mktemp("pairs") / "examples", num_times=400)


@pytest.mark.promise("S2-28")
def test_samples_are_normalised_enriched_with_forecasts_and_one_horizon_apart(examples: Path) -> None:
    data = read_examples(examples)
    found = PairStockDataset.of(data, ("S3", "S1"), "train", horizon_bars=5)
    assert found.features.shape == (40, 2, 23)
    assert set(FORECASTS) <= set(FEATURES)
    place = FEATURES.index("forecast_std_2d")
    own = COLUMNS.index("forecast_std_2d")
    raw = data.panel.values[[3, 1]][:, 0:200:5, own].T
    expected = (raw - data.mean[own]) / data.std[own]
    np.testing.assert_allclose(found.features[..., place].numpy(), expected, rtol=1e-4, atol=1e-5)
    whole = PairStockDataset.of(data, data.symbols, "train", horizon_bars=1).features
    np.testing.assert_allclose(whole.mean(dim=(0, 1)).numpy(), np.zeros(23), atol=1e-4)
    np.testing.assert_allclose(whole.std(dim=(0, 1), correction=0).numpy(), np.ones(23), rtol=1e-3)
    returns = data.forward_return[[3, 1], :200].reshape(2, 40, 5)
    np.testing.assert_allclose(found.growth.numpy(), np.prod(1 + returns, axis=-1).T, rtol=1e-6)
    late = PairStockDataset.of(data, ("S0", "S1"), "test", horizon_bars=5)
    assert late.growth.shape == (19, 2)  # of 100 bars, the last two have no return


def split(bundle: Bundle, dataset: PairStockDataset) -> torch.Tensor:
    model = Allocator(tuple(bundle.manifest["config"]["hidden"]))
    load_weights(bundle, model)
    with torch.inference_mode():
        return model(dataset.features)


@pytest.mark.promise("S2-27")
@pytest.mark.promise("S2-30")
@pytest.mark.promise("S2-32")
def test_a_pair_learns_to_hold_what_grows_and_leaves_its_checkpoints_where_they_belong(
    examples: Path, tmp_path: Path, make_run: Run
) -> None:
    config, run = PortfolioConfig(horizon_bars=2, hidden=(16, 8), steps=120, lr=0.01), make_run("pair")
    bundle = train_pair_portfolio(("S0", "S1"), config, examples, tmp_path / "pair", run)
    [folder] = (run.checkpoints / "portfolio_pairs").iterdir()
    assert folder.name.startswith("S0-S1-")
    assert list(folder.iterdir())
    facts = read_json(bundle.path("model.json"))
    assert (facts["symbols"], facts["horizon_bars"]) == (["S0", "S1"], 2)
    tested = PairStockDataset.of(read_examples(examples), ("S0", "S1"), "test", horizon_bars=2)
    weights = split(bundle, tested)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(len(weights)))
    equal = torch.full_like(weights, 0.5)
    ours, theirs = (portfolio_loss(held, tested.growth, config).item() for held in (weights, equal))
    assert ours < theirs - 0.001
    again = train_pair_portfolio(("S0", "S1"), config, examples, tmp_path / "again", make_run("again"))
    assert again.digest == bundle.digest


@pytest.mark.promise("S2-27")
def test_three_symbols_make_a_portfolio_and_one_does_not(examples: Path, tmp_path: Path, make_run: Run) -> None:
    config = PortfolioConfig(hidden=(4, 4), steps=20)
    bundle = train_pair_portfolio(("S0", "S1", "S4"), config, examples, tmp_path / "three", make_run("three"))
    tested = PairStockDataset.of(read_examples(examples), ("S0", "S1", "S4"), "test", horizon_bars=5)
    assert split(bundle, tested).shape == (19, 3)
    for symbols in (("S0",), ("S0", "S0"), ()):
        with pytest.raises(UsageError, match="two or more different symbols"):
            train_pair_portfolio(symbols, config, examples, tmp_path / "one", make_run("one"))
    with pytest.raises(DataError, match="no example of NONE"):
        train_pair_portfolio(("S0", "NONE"), config, examples, tmp_path / "one", make_run("one"))


def test_a_gap_and_a_short_zone_are_named(examples: Path) -> None:
    data = read_examples(examples)
    with pytest.raises(DataError, match=r"zone 'test' has no 99 bars that all of S0, S1 have"):
        PairStockDataset.of(data, ("S0", "S1"), "test", horizon_bars=99)
    data.forward_return[1, 50] = np.nan
    with pytest.raises(DataError, match=r"one of S0, S1 has no bar of 2020-02-20"):
        PairStockDataset.of(data, ("S0", "S1"), "train", horizon_bars=5)
