"""The profit family: the published sizes, what the network reads, paths, and a training that ends in the same bits."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import profit_market
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from components.core.bundle import Bundle, load
from components.core.errors import InterruptedRunError, RecipeError
from components.core.files import read_json
from components.core.judge import ALLOCATION_GATES
from components.core.run_context import RunContext, Stop
from components.families.profit import COLUMNS, FAMILY
from components.families.profit.baseline import predict as baseline
from components.families.profit.config import ModelConfig, ProfitConfig
from components.families.profit.data import Paths
from components.families.profit.data import load as load_data
from components.families.profit.loss import allocate
from components.families.profit.model import OUTPUTS, ProfitNetwork
from components.families.profit.predict import load_model, predict
from components.families.profit.train import draws, train
from components.learning.examples import read_examples
from components.learning.precision import resolved_format
from components.learning.prices import close_returns, relative
from components.learning.schedule import learning_rate
from components.serving.loader import load as load_graph
from components.trading.allocation import trade_allocations

Run = Callable[[str], RunContext]
CPU = torch.device("cpu")
PROFIT = {"total_return", "sharpe_ratio", "win_rate", "max_drawdown", "num_trades", "pnl"}


class Trained(NamedTuple):
    examples: Path
    bundle: Bundle
    run: RunContext


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, run_in: Callable[[Path, str], RunContext]) -> Trained:
    root = tmp_path_factory.mktemp("profit")
    examples, run = profit_market.write(root / "examples"), run_in(root, "whole")
    return Trained(examples, train(profit_market.config(), examples, root / "bundle", run), run)


@pytest.mark.promise("S2-39")
@pytest.mark.promise("S2-40")
@pytest.mark.promise("S2-41")
@pytest.mark.promise("S2-42")
@pytest.mark.promise("S2-43")
@pytest.mark.promise("S2-44")
@pytest.mark.promise("S2-45")
@pytest.mark.promise("S2-66")
def test_the_daily_recipe_has_the_published_settings_and_they_are_the_defaults() -> None:
    for recipe in (FAMILY.recipe("daily"), ProfitConfig()):
        assert (recipe.model.hidden, recipe.model.layers, recipe.model.heads) == (512, 8, 16)
        train = recipe.train
        assert (train.lr, train.batch, train.max_steps, train.evaluate_every_steps) == (1e-4, 32, 10_000, 100)
        assert (train.schedule.warmup, train.schedule.unit) == (1000, "step")
        assert train.num_evaluations == 100
        loop = train.loop(paths_per_step=1)
        assert (loop.epochs, loop.max_windows_per_epoch, loop.lr) == (100, 100, 1e-4)
    rates = [learning_rate(train.schedule, train.lr, step=step, epoch=0, plateau=None) for step in (0, 499, 1000)]  # pyright: ignore[reportArgumentType]
    assert rates == pytest.approx([1e-7, 5e-5, 1e-4])
    assert recipe.judge.gates == ALLOCATION_GATES


@pytest.mark.promise("S2-39")
@pytest.mark.promise("S2-40")
@pytest.mark.promise("S2-41")
def test_the_published_network_has_25_million_parameters() -> None:
    with torch.device("meta"):
        model = ProfitNetwork(ModelConfig(), num_features=len(COLUMNS), window=64)
    layer = 4 * 512 * 512 + 4 * 512 + 2 * 512 * 2048 + 2048 + 512 + 4 * 512
    expected = 28 * 512 + 512 + 64 * 512 + 8 * layer + 2 * 512 + 2 * 512 + 2
    assert sum(item.numel() for item in model.parameters()) == expected == 25_268_738
    assert {item.self_attn.num_heads for item in model.encoder.layers} == {16}


@pytest.mark.promise("S2-54")
def test_mixed_precision_is_on_where_there_is_a_gpu() -> None:
    precision = FAMILY.recipe("daily").train.precision
    assert resolved_format(precision, torch.device("cuda"), has_bfloat16=True) == torch.bfloat16
    assert resolved_format(precision, torch.device("cuda"), has_bfloat16=False) == torch.float16
    assert resolved_format(precision, CPU, has_bfloat16=False) == torch.float32


def test_what_cannot_work_is_refused() -> None:
    for override, words in (
        ("model.heads=7", "divisible by model.heads"), ("data.horizon=2", "must be 1"), ("train.batch=1", "batch"),
        ("objective.transaction_cost_bps=-1", "transaction_cost_bps"), ("model.head=both", "head"),
        ("start={bundle: here, expect: abc}", "expect"),
    ):  # fmt: skip
        with pytest.raises(RecipeError, match=words):
            FAMILY.recipe("daily", (override,))
    with pytest.raises(RecipeError, match="nothing would train the allocation"):
        FAMILY.recipe("daily", ("objective.profit_weight=0", "objective.sharpe_weight=0"))


def windows_like(num: int = 32) -> torch.Tensor:
    values = profit_market.columns(4, num + 5, seed=8)
    panel = np.stack([values[name] for name in COLUMNS], axis=-1).astype(np.float32)
    return torch.from_numpy(np.stack([panel[place % 4, place : place + 6] for place in range(num)]))


def network(window: int = 6) -> ProfitNetwork:
    torch.manual_seed(0)
    model = ProfitNetwork(ModelConfig(hidden=8, layers=1, heads=2), num_features=len(COLUMNS), window=window)
    torch.nn.init.normal_(model.heads.weight)
    model.prepare(np.zeros(len(COLUMNS)), np.full(len(COLUMNS), 0.5), scale=0.02)
    return model.eval()


@pytest.mark.promise("S2-16")
def test_the_allocation_head_lies_between_all_short_and_all_long() -> None:
    model = network()
    torch.nn.init.normal_(model.heads.weight, std=50.0)
    allocation, expected = model(windows_like())
    assert allocation.shape == expected.shape == (32,)
    assert 0.99 < allocation.abs().max() <= 1
    with torch.no_grad():
        model.heads.weight.neg_()
    torch.testing.assert_close(model(windows_like())[0], -allocation)


def test_neither_the_price_nor_the_volume_of_a_symbol_has_a_scale_for_the_network() -> None:
    model, rows = network(), windows_like()
    other = rows.clone()
    other[..., :4] *= 250.0
    other[..., 4] *= 1000.0
    for ours, theirs in zip(model(rows), model(other), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-5)
    features = relative(rows)
    torch.testing.assert_close(features[:, :, 3], (rows[:, :, 3] / rows[:, -1:, 3]).log())
    torch.testing.assert_close(features[..., 4].mean(dim=1), torch.zeros(32), atol=1e-5, rtol=0)
    torch.testing.assert_close(features[..., 5:], rows[..., 5:])


@pytest.mark.promise("S2-17")
def test_what_came_is_made_of_closes_in_money(trained: Trained) -> None:
    examples = read_examples(trained.examples)
    earned = close_returns(examples)
    assert np.isnan(earned[:, -1]).all()
    close = profit_market.columns(5, 160, 3)["close"]
    np.testing.assert_allclose(earned[:, :-1], close[:, 1:] / close[:, :-1] - 1, atol=2e-7)
    table = predict(trained.bundle, trained.examples, zone="test", threads=1)
    place = np.searchsorted(examples.panel.timestamps, table.timestamp)
    np.testing.assert_array_equal(table.label, earned[table.symbol, place])


def test_paths_are_the_same_symbols_at_consecutive_times_and_reach_every_decision() -> None:
    there = np.array([[symbol, time] for time in range(10, 41) for symbol in range(5)])
    paths = Paths.of(there, num_times=8, num_assets=2, seed=0, device=CPU)
    symbol, time = (item.numpy() for item in paths.cells(torch.arange(len(paths))))
    assert symbol.shape == time.shape == (len(paths), 8, 2)
    assert np.all(np.diff(time, axis=1) == 1)
    assert np.all(symbol == symbol[:, :1])
    assert np.all(symbol[..., 0] != symbol[..., 1])
    assert set(time[:, 1:].ravel()) == set(range(11, 39))  # a path's first decision is charged in the one before
    assert len(set(map(tuple, np.sort(symbol[:, 0], axis=1)))) > 3
    assert len(paths) == 2 * 4


def test_a_symbol_that_is_not_there_is_not_on_a_path() -> None:
    there = np.array([[symbol, time] for time in range(6, 40) for symbol in range(3) if symbol < 2 or time >= 30])
    paths = Paths.of(there, num_times=4, num_assets=2, seed=0, device=CPU)
    symbol, time = (item.numpy() for item in paths.cells(torch.arange(len(paths))))
    assert time[(symbol == 2).any(axis=(1, 2))].min() >= 26


def test_steps_visit_every_path_as_often_as_any_other(trained: Trained) -> None:
    config = profit_market.config(train=profit_market.TINY["train"] | {"max_steps": 200})
    data = load_data(read_examples(trained.examples), config, CPU)
    assert (len(data.paths), data.paths_per_step) == (10, 1)
    drawn = draws(config, data)
    assert torch.equal(torch.bincount(drawn), torch.full((10,), 20))
    assert torch.equal(draws(config, data), drawn)
    assert not torch.equal(draws(config.model_copy(update={"seed": 1}), data), drawn)


class StopAfter(Stop):
    """Asks to stop at the ``polls``-th time that training looks."""

    def __init__(self, polls: int) -> None:
        super().__init__()
        self.left = polls

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_stopped_again_and_again_a_training_ends_in_the_same_bits(
    trained: Trained, tmp_path: Path, make_run: Run
) -> None:
    out, run, stops = tmp_path / "out", make_run("stopped"), 0
    while not out.exists():
        try:
            stopping = RunContext(run.step, run.run_key, run.workspace, stop=StopAfter(6))
            train(profit_market.config(), trained.examples, out, stopping)
        except InterruptedRunError:
            stops += 1
        assert stops < 100
    assert stops > 2
    assert load(out).digest == trained.bundle.digest
    assert points(run) == points(trained.run)


def points(run: RunContext) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.promise("S2-66")
def test_curves_start_at_the_first_evaluation_and_count_steps(trained: Trained) -> None:
    found, history = points(trained.run), read_json(trained.bundle.path("history.json"))
    assert {f"profit/{name}" for name in PROFIT} | {"train/loss", "eval/loss"} <= found.keys()
    for tag, values in found.items():
        assert [step for step, _ in values] == [5, 10, 15, 20], tag
    for tag, name in (("train/loss", "train_loss"), ("eval/loss", "val_loss")):
        assert [value for _, value in found[tag]] == pytest.approx(history[name], rel=1e-6)


def test_the_profit_that_is_shown_is_that_of_the_judges_book(trained: Trained) -> None:
    best = read_json(trained.bundle.path("model.json"))["best_evaluation"]
    table = predict(trained.bundle, trained.examples, zone="validation", threads=1)
    book = trade_allocations(table, profit_market.config().judge.costs)
    shown = {tag.removeprefix("profit/"): values[best - 1][1] for tag, values in points(trained.run).items()}
    found = book.summary(bars_per_year=252.0)
    assert shown["total_return"] == pytest.approx(found["total_return"], rel=1e-5)
    assert shown["pnl"] == pytest.approx(10_000 * found["total_return"], rel=1e-5)
    assert shown["num_trades"] == book.num_trades


@pytest.mark.slow
def test_it_learns_what_pays(trained: Trained, tmp_path: Path, make_run: Run) -> None:
    settings = profit_market.TINY["train"] | {"max_steps": 150, "evaluate_every_steps": 50, "lr": 0.01}
    before = trade_allocations(
        predict(trained.bundle, trained.examples, zone="test", threads=1), profit_market.config().judge.costs
    )
    bundle = train(profit_market.config(train=settings), trained.examples, tmp_path / "more", make_run("more"))
    table = predict(bundle, trained.examples, zone="test", threads=1)
    book = trade_allocations(table, profit_market.config().judge.costs)
    assert book.net.sum() > max(0.05, before.net.sum())
    known = np.isfinite(table.forward_return)
    assert np.corrcoef(table.score[known], table.forward_return[known])[0, 1] > 0.3


@pytest.mark.slow
def test_the_long_only_head_splits_the_capital(trained: Trained, tmp_path: Path, make_run: Run) -> None:
    config = profit_market.config(model=profit_market.TINY["model"] | {"head": "long_only"})
    bundle = train(config, trained.examples, tmp_path / "long", make_run("long"))
    table = predict(bundle, trained.examples, zone="test", threads=1)
    assert table.weight.min() > 0
    times, row = np.unique(table.timestamp, return_inverse=True)
    np.testing.assert_allclose(np.bincount(row, table.weight), np.ones(times.size), rtol=1e-12)
    first = table.timestamp == times[0]
    expected = allocate(torch.from_numpy(table.score[first]), torch.ones(int(first.sum())), head="long_only")
    np.testing.assert_allclose(table.weight[first], expected.numpy())


def test_network_graph_and_baseline_answer_in_the_same_shapes(trained: Trained) -> None:
    served, (_, model) = load_graph(trained.bundle.folder), load_model(trained.bundle)
    rows = windows_like()
    said = served.predict(rows.numpy())
    assert tuple(said) == OUTPUTS == tuple(output.name for output in FAMILY.outputs) == tuple(baseline(rows.numpy()))
    with torch.inference_mode():
        for name, theirs in zip(said, model(rows), strict=True):
            np.testing.assert_allclose(said[name], theirs.numpy(), atol=1e-5)
    without = baseline(rows.numpy())
    assert not without["allocation"].any()
    np.testing.assert_array_equal(without["expected_return"], rows[:, -1, COLUMNS.index("forecast_mean_1d")])


def test_the_bundle_names_its_head_and_what_it_saw(trained: Trained) -> None:
    facts, data = read_json(trained.bundle.path("model.json")), trained.bundle.manifest["data"]
    assert (facts["head"], facts["window_size"], facts["input_dim"]) == ("signed", 6, 28)
    assert data["seen_until"].startswith("2020-04-29")  # day 120 of 160
    assert "started_from" not in data
