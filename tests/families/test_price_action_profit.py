"""Profit beside loss: each epoch's validation predictions, traded, under the published tags."""

import json
import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_price_action_resume import stopped

from components.core.errors import InterruptedRunError
from components.core.files import read_json, sha256_of
from components.core.run_context import RunContext
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.data import Scaler, beside_outcomes, load
from components.families.price_action.fit import Fit
from components.families.price_action.predict import log_odds
from components.families.price_action.train import train
from components.learning.checkpoint import CheckpointStore
from components.learning.examples import read_examples
from components.learning.parallel import World
from components.learning.reproducible import reproducible
from components.market.predictions import Predictions
from components.trading.paper import PaperAccount, replay

Config = Callable[..., PriceActionConfig]
Run = Callable[[str], RunContext]
Floats = npt.NDArray[np.float64]
Points = dict[str, list[tuple[int, float]]]

PROFIT = {"total_return", "sharpe_ratio", "win_rate", "max_drawdown", "num_trades", "pnl"}
EXACT: dict[str, dict[str, Any]] = {}
DENSE = {"model": {"form": "dense", "layers": 2}, "train": {"slab_rows": 8, "batch": 32, "shuffle": True}}


def shown(run: RunContext) -> Points:
    """Return step and value of each of TensorBoard's points of profit, by the last part of its tag."""
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("profit/")]
    return {tag.split("/")[1]: [(point.step, point.value) for point in events.Scalars(tag)] for tag in tags}


def spooled(run: RunContext) -> Points:
    """Return the same of what is sent to MLflow."""
    found: Points = {}
    for line in (run.folder / "metrics.jsonl").read_text().splitlines()[1:]:
        record = json.loads(line)
        for tag, value in record["values"].items():
            if tag.startswith("profit/"):
                found.setdefault(tag.split("/")[1], []).append((record["step"], value))
    return found


def rounded(points: Points) -> Points:
    """TensorBoard keeps 32 bits of a number."""
    return {tag: [(step, float(np.float32(value))) for step, value in course] for tag, course in points.items()}


def answers_by_epoch(config: PriceActionConfig, examples: Path, run: RunContext) -> list[Floats]:
    """Train, and return what the weights of each epoch say of the validation zone, one window at a time."""
    data, cpu = read_examples(examples), torch.device("cpu")
    samples = load(data, Scaler.of(data), config, cpu)
    store, found = CheckpointStore(run.checkpoints, log=logging.getLogger()), list[Floats]()
    with (
        reproducible(seed=config.seed, threads=1),
        closing(Fit(config, samples, cpu, store, run, name="by-hand", world=World())) as fit,
    ):
        while not fit.finished:
            trained = fit.train_epoch()
            slabs = samples.validation.slabs
            found.append(slabs.by_sample(log_odds(fit.model, samples.windows, slabs)))
            fit.close_epoch(trained, fit.validate(), {})
    return found


def share_of_wins(predictions: Predictions, cost: float) -> float:
    """Return the share of the runs of signals, symbol by symbol, that were sold for more than they had cost."""
    wins: list[bool] = []
    for code in range(len(predictions.symbols)):
        mine = predictions.symbol == code
        value = 0.0
        wanted = np.append(predictions.probability[mine] >= predictions.threshold, False)
        for wants, move in zip(wanted, np.append(predictions.forward_return[mine], 0.0), strict=True):
            if value and not wants:
                wins.append(value * (1 - cost) > 1 + cost)
            value = (value or 1.0) * (1 + move) if wants else 0.0
    return float(np.mean(wins))


def replayed(examples: Path, config: PriceActionConfig, answers: Floats) -> dict[str, float]:
    """Return the figures of a paper account of 10,000 that trades the answers bar by bar."""
    data = read_examples(examples)
    ends = data.windows("validation", config.data.window, 1)
    said = beside_outcomes(data, ends, 1 / (1 + np.exp(-answers)), threshold=0.5)
    start = PaperAccount.start(said.symbols, capital=10_000.0, costs=config.judge.costs)
    closed, equity = replay(start, said)
    course = np.concatenate([[10_000.0], equity])
    gains = np.diff(course)
    return {
        "total_return": closed.cash / 10_000 - 1,
        "sharpe_ratio": gains.mean() / gains.std(ddof=1) * np.sqrt(365.25),
        "win_rate": share_of_wins(said, config.judge.costs.per_side),
        "max_drawdown": (course / np.maximum.accumulate(course) - 1).min(),
        "num_trades": closed.num_fills / 2,
        "pnl": closed.cash - 10_000,
    }


@pytest.mark.promise("S2-10")
@pytest.mark.promise("S2-11")
@pytest.mark.promise("S2-12")
@pytest.mark.promise("S2-13")
@pytest.mark.promise("S2-14")
@pytest.mark.promise("S2-15")
@pytest.mark.parametrize("form", [EXACT, DENSE], ids=["exact", "dense"])
def test_each_epoch_shows_what_a_paper_account_earns_on_its_predictions(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run, form: dict[str, Any]
) -> None:
    config, run = tiny_config(**form), make_run("whole")
    train(config, tiny_examples, tmp_path / "bundle", run)
    found = shown(run)
    assert found.keys() == PROFIT
    by_epoch = answers_by_epoch(config, tiny_examples, make_run("by-hand"))
    assert len(by_epoch) == len(found["pnl"]) == 4
    for epoch, answers in enumerate(by_epoch, start=1):
        for tag, value in replayed(tiny_examples, config, answers).items():
            assert found[tag][epoch - 1] == (epoch, pytest.approx(value, rel=1e-5, abs=1e-6)), tag
    assert len({value for _, value in found["pnl"]}) == 4


@pytest.mark.promise("S2-01")
@pytest.mark.promise("S2-08")
@pytest.mark.promise("S2-09")
def test_losses_and_profit_stand_side_by_side_epoch_by_epoch_in_both_files(trained: Any) -> None:
    events = EventAccumulator(str(trained.run.folder / "tensorboard")).Reload()
    history = read_json(trained.bundle.path("history.json"))
    for tag, name in (("train/loss", "train_loss"), ("eval/loss", "val_loss")):
        assert [point.value for point in events.Scalars(tag)] == pytest.approx(history[name], rel=1e-6)
        assert [point.step for point in events.Scalars(tag)] == [1, 2, 3, 4]
    found = shown(trained.run)
    assert {tag: [step for step, _ in points] for tag, points in found.items()} == {tag: [1, 2, 3, 4] for tag in PROFIT}
    assert rounded(spooled(trained.run)) == found


def test_an_interrupted_run_shows_each_epoch_once_and_the_same_numbers(
    trained: Any, tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    out, run, num_stops = tmp_path / "out", make_run("stopped"), 0
    while not out.exists():
        try:
            train(tiny_config(), tiny_examples, out, stopped(run, 15))
        except InterruptedRunError:
            num_stops += 1
    assert num_stops > 4
    assert shown(run) == shown(trained.run)
    assert spooled(run) == spooled(trained.run)


def test_profit_decides_nothing(
    trained: Any, tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    dear, run = tiny_config(judge={"costs": {"commission": 0.05}}), make_run("dear")
    bundle = train(dear, tiny_examples, tmp_path / "dear", run)
    for name in ("weights.safetensors", "history.json", "model.json"):
        assert sha256_of(bundle.path(name)) == sha256_of(trained.bundle.path(name)), name
    pairs = zip(shown(run)["pnl"], shown(trained.run)["pnl"], strict=True)
    assert all(ours < theirs for (_, ours), (_, theirs) in pairs)


def test_without_a_trade_the_undefined_numbers_are_left_out(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run, write_examples: Callable[..., Path]
) -> None:
    table = pq.read_table(tiny_examples / "examples.parquet")
    place = table.column_names.index("forward_return")
    unknown = table.set_column(place, "forward_return", [np.full(len(table), np.nan)])
    run = make_run("flat")
    train(tiny_config(train={"epochs": 2}), write_examples(tmp_path / "unknown", unknown), tmp_path / "bundle", run)
    still = {tag: [(1, 0.0), (2, 0.0)] for tag in ("total_return", "max_drawdown", "num_trades", "pnl")}
    assert shown(run) == spooled(run) == still
