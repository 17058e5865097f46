"""The dense form trains, resumes and predicts as the exact form does, on exactly the same samples."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from test_price_action_resume import KILLER, stopped
from test_price_action_together import ended, start

from components.core import bundle
from components.core.bundle import Bundle
from components.core.errors import DONE, InterruptedRunError
from components.core.files import read_json
from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.data import Scaler, load
from components.families.price_action.evaluate import score
from components.families.price_action.predict import load_model, log_odds, predict
from components.families.price_action.train import train
from components.learning.examples import read_examples
from components.trading.statistics import auc

Config = Callable[..., PriceActionConfig]
Run = Callable[[str], RunContext]
ROWS = 8
CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def dense_config(tiny_config: Config) -> Config:
    def make(*, rows: int = ROWS, dropout: float = 0.1, **settings: Any) -> PriceActionConfig:
        train = {"slab_rows": rows, "batch": 32, "shuffle": True, "checkpoint_every_batches": 3} | settings
        return tiny_config(model={"form": "dense", "layers": 2, "dropout": dropout}, train=train)

    return make


@pytest.fixture(scope="session")
def dense(dense_config: Config, tiny_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A whole training, shared by the tests that only read it."""
    root = tmp_path_factory.mktemp("dense")
    run = RunContext("train", "whole", Workspace.at(str(root)))
    return train(dense_config(), tiny_examples, root / "bundle", run)


@pytest.fixture
def gappy_examples(tiny_examples: Path, tmp_path: Path, write_examples: Callable[..., Path]) -> Path:
    """The examples without a twentieth of their rows."""
    table = pq.read_table(tiny_examples / "examples.parquet")
    return write_examples(tmp_path / "gappy", table.filter(np.random.default_rng(1).random(len(table)) > 0.05))


def test_it_learns_what_the_exact_form_learns(dense: Bundle, tiny_examples: Path) -> None:
    history = read_json(dense.path("history.json"))
    assert history["val_loss"][-1] < history["val_loss"][0]
    found = predict(dense, tiny_examples, zone="test", threads=1)
    assert len(found.label) == 6 * (32 - 8)
    assert auc(found.label, found.probability) > 0.7
    assert found.threshold == read_json(dense.path("model.json"))["threshold"]


def test_the_samples_are_those_of_the_exact_form(dense_config: Config, gappy_examples: Path) -> None:
    examples = read_examples(gappy_examples)
    many, single = (load(examples, Scaler.of(examples), dense_config(rows=rows), CPU) for rows in (ROWS, 1))
    for slabs, windows in ((many.train, single.train), (many.validation, single.validation)):
        assert len(slabs) == len(windows) >= 90
        assert len(slabs.slabs) < len(windows) / 2
        assert torch.equal(slabs.labels, windows.labels)
        last = slabs.slabs.ends[:, None] + torch.stack([torch.zeros(ROWS), torch.arange(1 - ROWS, 1)], dim=1).long()
        assert torch.equal(last[slabs.slabs.counted], windows.slabs.ends[slabs.slabs.samples[slabs.slabs.counted]])


@pytest.mark.parametrize("rows", [3, ROWS, 4096])
def test_slabs_say_what_windows_say_one_at_a_time(
    dense: Bundle, dense_config: Config, gappy_examples: Path, rows: int
) -> None:
    config, examples = dense_config(batch=4096 * 3, rows=rows), read_examples(gappy_examples)
    data = load(examples, Scaler.read(dense.path("scaler.json")), config, CPU)
    model = load_model(dense, config)
    found = data.validation.slabs.by_sample(log_odds(model, data.windows, data.validation.slabs))
    ends = examples.windows("validation", 8, 1)
    scaled = Scaler.read(dense.path("scaler.json"))(examples.panel.values)
    with torch.no_grad():
        wanted = [
            model.logits(torch.from_numpy(scaled[None, symbol, end - 7 : end + 1]))[0, 0].item() for symbol, end in ends
        ]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_what_comes_later_changes_no_earlier_prediction(
    dense: Bundle, tiny_examples: Path, tmp_path: Path, write_examples: Callable[..., Path]
) -> None:
    before = predict(dense, tiny_examples, zone="test", threads=1)
    table = pq.read_table(tiny_examples / "examples.parquet")
    cut = before.timestamp[len(before.label) // 2]
    later = table["timestamp"].to_numpy() > cut
    for place, name in enumerate(table.column_names):
        if name in read_json(tiny_examples / "manifest.json")["columns"]:
            table = table.set_column(place, name, [np.where(later, 50.0, table[name].to_numpy())])
    after = predict(dense, write_examples(tmp_path / "later", table), zone="test", threads=1)
    early = before.timestamp <= cut
    assert np.array_equal(before.probability[early], after.probability[early])
    assert not np.array_equal(before.probability[~early], after.probability[~early])


def test_the_loss_of_the_history_is_that_of_the_bundle(
    dense: Bundle, dense_config: Config, tiny_examples: Path
) -> None:
    examples, history = read_examples(tiny_examples), read_json(dense.path("history.json"))
    data = load(examples, Scaler.of(examples), dense_config(rows=1), CPU)
    answers = log_odds(load_model(dense, dense_config()), data.windows, data.validation.slabs)
    best = read_json(dense.path("model.json"))["best_epoch"]
    found = score(answers, data.validation.labels[:, 0].numpy())
    assert found.loss == pytest.approx(history["val_loss"][best - 1], abs=1e-5)


@pytest.mark.slow
def test_one_step_over_all_slabs_is_the_step_over_all_windows(
    dense_config: Config, gappy_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    whole = {"epochs": 1, "batch": 4096, "dropout": 0.0, "shuffle": False}
    losses = []
    for key, settings in (("windows", {"rows": 1}), ("slabs", {}), ("parts", {"gradient": {"accumulate": 5}})):
        made = train(dense_config(**whole, **settings), gappy_examples, tmp_path / key, make_run(key))
        losses.append(read_json(made.path("history.json")))
    for found in losses[1:]:
        assert found["train_loss"] == pytest.approx(losses[0]["train_loss"], rel=1e-5)
        assert found["val_loss"] == pytest.approx(losses[0]["val_loss"], rel=1e-4)
        assert found["train_accuracy"] == losses[0]["train_accuracy"]


def test_an_epoch_takes_as_many_windows_as_asked_for(
    dense_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    run = make_run("few")
    train(dense_config(epochs=2, max_windows_per_epoch=96), tiny_examples, tmp_path / "few", run)
    lines = (run.folder / "metrics.jsonl").read_text()
    assert lines.count("step/loss") == 2 * 96 // 32


def test_mixed_precision_trains_too(dense_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run) -> None:
    made = train(dense_config(mixed_precision=True), tiny_examples, tmp_path / "bundle", make_run("mixed"))
    history = read_json(made.path("history.json"))
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert load_file(made.path("weights.safetensors"))["head.0.weight"].dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("source", ["fresh", "pool"])
def test_stopped_again_and_again_a_training_ends_in_the_same_bits(
    dense_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run, source: str
) -> None:
    config = dense_config(epochs=2, masks={"source": source, "pool_elements": 4096})
    whole = train(config, tiny_examples, tmp_path / "whole", make_run("whole"))
    stops, out = 0, tmp_path / "out"
    while not out.exists():
        try:
            train(config, tiny_examples, out, stopped(make_run("stopped"), 5))
        except InterruptedRunError:
            stops += 1
        assert stops < 100
    assert stops > 5
    assert train(config, tiny_examples, out, make_run("stopped")).digest == whole.digest


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_killed_at_any_moment_a_training_ends_in_the_same_bits(
    dense_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run, seed: int
) -> None:
    config = dense_config(epochs=4, patience=4)
    whole = train(config, tiny_examples, tmp_path / "whole", make_run("whole"))
    command = [sys.executable, "-c", KILLER, config.canonical(), str(tiny_examples), str(tmp_path), str(seed)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    assert done.stdout.split()[-1] == whole.digest, f"seed {seed}"
    assert int(done.stdout.split("kills ")[1].split()[0]) >= 2, f"seed {seed}"


@pytest.mark.slow
def test_two_processes_train_as_one_does(
    dense_config: Config, gappy_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    plain = dense_config(dropout=0.0, gradient={"accumulate": 3}).model_dump(mode="json")
    together = PriceActionConfig.parse(plain | {"processes": 2}, name="test")
    assert ended(start(together, gappy_examples, tmp_path)) == DONE
    alone = train(PriceActionConfig.parse(plain, name="test"), gappy_examples, tmp_path / "alone", make_run("alone"))
    both = bundle.load(tmp_path / "bundle")
    ours, theirs = (predict(found, gappy_examples, zone="test", threads=1).probability for found in (both, alone))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    curves = [read_json(found.path("history.json")) for found in (both, alone)]
    for name in ("train_loss", "val_loss"):
        assert curves[0][name] == pytest.approx(curves[1][name], rel=1e-5), name
    assert curves[0]["train_accuracy"] == curves[1]["train_accuracy"]
