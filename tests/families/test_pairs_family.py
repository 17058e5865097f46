"""Portfolios: the whole history at once against a loop over the days, many as one batch, and what they learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import profit_market
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.core.bundle import Bundle, load
from components.core.errors import DataError, InterruptedRunError, RecipeError, UsageError
from components.core.files import read_json
from components.core.run_context import RunContext, Stop
from components.families.pairs import FEATURES
from components.families.pairs.config import ObjectiveConfig, PairsConfig
from components.families.pairs.data import Histories, PairStockDataset
from components.families.pairs.each import train_each
from components.families.pairs.loss import log_growth, portfolio_loss, turnover_of
from components.families.pairs.model import Allocator, layout_of, shares, start_of
from components.families.pairs.predict import predict
from components.families.pairs.train import train_pair_portfolio
from components.learning.bundles import load_weights
from components.learning.examples import read_examples
from components.market.columns import FORECASTS

Run = Callable[[str], RunContext]


def recipe(
    *, horizon_bars: int = 5, hidden: tuple[int, int] = (4, 4), epochs: int = 1, lr: float = 0.003
) -> PairsConfig:
    """Return a small recipe."""
    values = {
        "data": {"zones": profit_market.ZONES}, "model": {"hidden": list(hidden)},
        "objective": {"horizon_bars": horizon_bars}, "train": {"epochs": epochs, "lr": lr, "device": "cpu"},
    }  # fmt: skip
    return PairsConfig.parse(values, name="test")


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
    assert ObjectiveConfig().risk_penalty == 1.0
    weights = torch.full((2, 2), 0.5, dtype=torch.float64)
    growth = torch.tensor([[1.1, 1.1], [1.0, 1.0]], dtype=torch.float64)
    free, calm = (ObjectiveConfig(transaction_cost_bps=0.0, risk_penalty=price) for price in (0.0, 4.0))
    assert portfolio_loss(weights, growth, free).item() == pytest.approx(-np.log(1.1) / 2)
    assert portfolio_loss(weights, growth, calm).item() == pytest.approx(-np.log(1.1) / 2 + 4 * (np.log(1.1) / 2) ** 2)
    with pytest.raises(RecipeError, match="risk_penalty"):
        PairsConfig.parse({"objective": {"risk_penalty": -1}}, name="test")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return profit_market.write(tmp_path_factory.mktemp("pairs") / "examples", num_times=400, inputs=FEATURES)


@pytest.mark.promise("S2-28")
def test_samples_are_normalised_enriched_with_forecasts_and_one_horizon_apart(examples: Path) -> None:
    data = read_examples(examples)
    found = PairStockDataset.of(data, ("S3", "S1"), "train", recipe())
    assert found.features.shape == (39, 2, 23)  # the outcome of the 200th bar is in the next zone
    assert set(FORECASTS) <= set(FEATURES)
    place = FEATURES.index("forecast_std_2d")
    own = data.columns.index("forecast_std_2d")
    raw = data.panel.values[[3, 1]][:, 0:195:5, own].T
    expected = (raw - data.mean[own]) / data.std[own]
    np.testing.assert_allclose(found.features[..., place].numpy(), expected, rtol=1e-4, atol=1e-5)
    whole = PairStockDataset.of(data, data.symbols, "train", recipe(horizon_bars=1)).features
    np.testing.assert_allclose(whole.mean(dim=(0, 1)).numpy(), np.zeros(23), atol=0.02)
    np.testing.assert_allclose(whole.std(dim=(0, 1), correction=0).numpy(), np.ones(23), rtol=0.02)
    returns = data.forward_return[[3, 1], :195].reshape(2, 39, 5)
    np.testing.assert_allclose(found.growth.numpy(), np.prod(1 + returns, axis=-1).T, rtol=1e-6)
    late = PairStockDataset.of(data, ("S0", "S1"), "test", recipe())
    assert late.growth.shape == (19, 2)  # of 100 bars, the last two have no return


def split(bundle: Bundle, dataset: PairStockDataset) -> torch.Tensor:
    model = Allocator(tuple(bundle.manifest["config"]["model"]["hidden"]))
    load_weights(bundle, model)
    with torch.inference_mode():
        return model(dataset.features)


@pytest.mark.promise("S2-27")
@pytest.mark.promise("S2-30")
@pytest.mark.promise("S2-32")
def test_a_pair_learns_to_hold_what_grows_and_leaves_its_checkpoints_where_they_belong(
    examples: Path, tmp_path: Path, make_run: Run
) -> None:
    config, run = recipe(horizon_bars=2, hidden=(16, 8), epochs=6, lr=0.01), make_run("pair")
    bundle = train_pair_portfolio(("S0", "S1"), config, examples, tmp_path / "pair", run)
    [folder] = (run.checkpoints / "portfolio_pairs").iterdir()
    assert folder.name.startswith("S0-S1-")
    assert list(folder.iterdir())
    facts = read_json(bundle.path("model.json"))
    assert (facts["symbols"], facts["horizon_bars"]) == (["S0", "S1"], 2)
    tested = PairStockDataset.of(read_examples(examples), ("S0", "S1"), "test", config)
    weights = split(bundle, tested)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(len(weights)))
    equal = torch.full_like(weights, 0.5)
    ours, theirs = (portfolio_loss(held, tested.growth, config.objective).item() for held in (weights, equal))
    assert ours < theirs - 0.001
    again = train_pair_portfolio(("S0", "S1"), config, examples, tmp_path / "again", make_run("again"))
    assert again.digest == bundle.digest


@pytest.mark.promise("S2-27")
def test_three_symbols_make_a_portfolio_and_one_does_not(examples: Path, tmp_path: Path, make_run: Run) -> None:
    config = recipe()
    bundle = train_pair_portfolio(("S0", "S1", "S4"), config, examples, tmp_path / "three", make_run("three"))
    tested = PairStockDataset.of(read_examples(examples), ("S0", "S1", "S4"), "test", recipe())
    assert split(bundle, tested).shape == (19, 3)
    for symbols in (("S0",), ("S0", "S0"), ()):
        with pytest.raises(UsageError, match="two or more different symbols"):
            train_pair_portfolio(symbols, config, examples, tmp_path / "one", make_run("one"))
    with pytest.raises(DataError, match="no example of NONE"):
        train_pair_portfolio(("S0", "NONE"), config, examples, tmp_path / "one", make_run("one"))


def test_a_gap_and_a_short_zone_are_named(examples: Path) -> None:
    data = read_examples(examples)
    with pytest.raises(DataError, match=r"zone 'test' has no 99 bars that all of S0, S1 have"):
        PairStockDataset.of(data, ("S0", "S1"), "test", recipe(horizon_bars=99))
    data.forward_return[1, 50] = np.nan
    with pytest.raises(DataError, match=r"one of S0, S1 has no bar of 2020-02-20"):
        PairStockDataset.of(data, ("S0", "S1"), "train", recipe())


@given(st.integers(0, 10_000), st.lists(st.tuples(st.integers(2, 9), st.integers(2, 4)), min_size=1, max_size=4))
def test_many_portfolios_at_once_are_each_of_them_alone(seed: int, sizes: list[tuple[int, int]]) -> None:
    noise, config = torch.Generator().manual_seed(seed), ObjectiveConfig(risk_penalty=3.0)
    zones = [
        PairStockDataset(
            torch.randn(periods, assets, len(FEATURES), generator=noise),
            1 + 0.05 * torch.rand(periods, assets, generator=noise),
        )
        for periods, assets in sizes
    ]
    flat = torch.stack([start_of((4, 3), place) for place in range(len(zones))])
    table = Histories.of(zones, torch.device("cpu"))
    weights = shares(layout_of((4, 3)).views(flat), table.features, table.held)
    together = portfolio_loss(weights, table.growth, config, known=table.known)
    for place, zone in enumerate(zones):
        model = Allocator((4, 3))
        views = layout_of((4, 3)).views(flat[[place]])
        model.load_state_dict({name: value[0] for name, value in views.items()})
        alone = portfolio_loss(model(zone.features), zone.growth, config)
        torch.testing.assert_close(together[place], alone, rtol=1e-5, atol=1e-7)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Examples of three portfolios, one of three symbols and another with a shorter history."""
    root = tmp_path_factory.mktemp("many")
    sizes = {"S0-S1": (2, 300, 1), "S0-S1-S2": (3, 300, 2), "short": (2, 180, 3)}
    return {
        name: profit_market.write(root / name, num_symbols=num, num_times=times, seed=seed, inputs=FEATURES)
        for name, (num, times, seed) in sizes.items()
    }


@pytest.mark.promise("S2-27")
def test_portfolios_fitted_as_one_batch_are_those_fitted_one_by_one(
    folders: dict[str, Path], tmp_path: Path, make_run: Run
) -> None:
    config = recipe(epochs=4, lr=0.01)
    assert train_each(config, folders, tmp_path / "many", make_run("many"), base=None) == {}
    for name, folder in folders.items():
        symbols = read_examples(folder).symbols
        alone = train_pair_portfolio(
            symbols, config, folder, tmp_path / "alone" / name, make_run(f"alone-{name}".lower())
        )
        bundles = (alone, load(tmp_path / "many" / name))
        said, other = (predict(bundle, folder, zone="test", threads=1) for bundle in bundles)
        np.testing.assert_allclose(said.weight, other.weight, atol=5e-4)
        assert said.weight.std() > 0.01  # they learned something that could differ
        assert said.hold_bars == 5


def test_who_lacks_a_history_is_named_and_the_others_go_on(
    folders: dict[str, Path], tmp_path: Path, make_run: Run
) -> None:
    config = recipe(horizon_bars=40)  # the short one has 45 bars to stop by, and 90 to learn from
    lacking = recipe(horizon_bars=60)
    assert train_each(config, folders, tmp_path / "a", make_run("a"), base=None) == {}
    refused = train_each(lacking, folders, tmp_path / "b", make_run("b"), base=None)
    assert list(refused) == ["short"]
    assert "zone 'validation' has no 60 bars" in str(refused["short"])
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["S0-S1", "S0-S1-S2"]
    with pytest.raises(DataError, match="zone 'train' has no 400 bars"):
        train_each(recipe(horizon_bars=400), folders, tmp_path / "c", make_run("c"), base=None)


class StopAfter(Stop):
    """Asks to stop at the 13th time that training looks."""

    left = 13

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_stopped_and_run_again_portfolios_end_in_the_same_bits(
    folders: dict[str, Path], tmp_path: Path, make_run: Run
) -> None:
    config, workspace = recipe(epochs=2), make_run("x").workspace
    train_each(config, folders, tmp_path / "whole", make_run("whole"), base=None)
    num_stops = 0
    while num_stops < 9:
        try:
            run = RunContext("train", "stopped", workspace, stop=StopAfter())
            train_each(config, folders, tmp_path / "stopped", run, base=None)
            break
        except InterruptedRunError:
            num_stops += 1
    assert 1 <= num_stops < 9
    for name in folders:
        whole, stopped = (load(tmp_path / kind / name).digest for kind in ("whole", "stopped"))
        assert whole == stopped
