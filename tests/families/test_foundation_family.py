"""The foundation: published settings, what it learns of a market with a known truth, and what it refuses."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_bars import foundation_rows

from components.core import family as families
from components.core.errors import DataError, EnvironmentMissingError, RecipeError
from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.families.foundation import FAMILY
from components.families.foundation.baseline import predict as baseline
from components.families.foundation.config import FoundationConfig, load_config
from components.families.foundation.coverage import Coverage
from components.families.foundation.data import Feed, filled_panel, moments, zone_of
from components.families.foundation.evaluate import metrics
from components.families.foundation.loss import quantile_loss
from components.families.foundation.predict import say
from components.families.foundation.train import History, Training, fit, load_training, make_model, train
from components.learning.checkpoint import CheckpointStore
from components.learning.examples import Examples, read_examples
from components.learning.foundation import FoundationNetwork, scale_free
from components.learning.reproducible import reproducible
from components.market.columns import FORECAST_STEPS, FOUNDATION, QUANTILE_LEVELS
from components.market.moves import past_volatility
from components.serving.source import ModelSource
from components.trading.statistics import quantile_loss_rows

CPU = torch.device("cpu")
DAILY = FAMILY.recipe("daily")
ZONES = {"train": 0.5, "validation": 0.2, "calibration": 0.1, "test": 0.2}
TINY: dict[str, Any] = {
    "data": {"window": 8, "zones": ZONES},
    "model": {"hidden": 8, "continuous": 4, "heads": 2, "dropout": 0.0},
    "train": {"batch": 64, "slab_rows": 8, "slab_stride": 2, "epochs": 8, "lr": 0.01, "threads": 1, "device": "cpu"},
}


def tiny(**groups: dict[str, Any]) -> FoundationConfig:
    values = {name: TINY.get(name, {}) | groups.get(name, {}) for name in TINY}
    return FoundationConfig.parse(values, name="test")


@pytest.fixture(scope="module")
def examples(write_foundation: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = foundation_rows(num_symbols=6, num_times=320, strength=0.8)
    return write_foundation(tmp_path_factory.mktemp("foundation") / "examples", rows, ZONES)


@pytest.fixture(scope="module")
def data(examples: Path) -> Examples:
    return read_examples(examples)


@pytest.mark.promise("S0-07")
@pytest.mark.promise("S0-08")
@pytest.mark.promise("S0-09")
@pytest.mark.promise("S0-10")
@pytest.mark.promise("S0-12")
def test_the_published_settings_are_the_defaults() -> None:
    for config in (DAILY, FoundationConfig()):
        train = config.train
        assert (train.lr, train.batch, train.epochs, train.stopping.patience) == (1e-3, 128, 100, 15)
        assert (train.schedule.type, train.schedule.t_max) == ("cosine_annealing", 100)
        assert (config.data.window, config.data.horizon) == (60, 5)


@pytest.mark.promise("S0-03")
def test_the_example_config_is_loaded_and_a_wrong_one_names_the_key(top: Path, tmp_path: Path) -> None:
    shipped = top / "components" / "families" / "foundation" / "recipes" / "daily.yaml"
    assert load_config(shipped) == DAILY
    (tmp_path / "mine.yaml").write_text(shipped.read_text().replace("batch: 128", "bach: 128"))
    with pytest.raises(RecipeError, match="bach: unknown key"):
        load_config(tmp_path / "mine.yaml")
    for override, words in (("data.horizon=3", "data.horizon"), ("train.slab_rows=10", "multiple of slab_rows")):
        with pytest.raises(RecipeError, match=words):
            FAMILY.recipe("daily", (override,))


@pytest.mark.promise("S0-01")
def test_the_foundation_is_a_pipeline_of_its_own(top: Path) -> None:
    assert families.find("foundation").default_recipe in FAMILY.recipes()
    text = (top / "pipelines" / "compiled" / "foundation.yaml").read_text()
    assert "name: foundation" in text
    assert "twin" not in text


@pytest.mark.promise("S0-05")
def test_no_part_of_the_product_imports_the_reference_implementation(top: Path) -> None:
    sources = [path.read_text() for name in ("components", "pipelines", "cli") for path in (top / name).rglob("*.py")]
    assert len(sources) > 100
    assert not [text for text in sources if "import pytorch_forecasting" in text or "import lightning" in text]
    assert not [text for text in sources if "from pytorch_forecasting" in text or "from lightning" in text]


@dataclass(frozen=True)
class Course:
    """A training, and what the validation said before and after."""

    training: Training
    model: FoundationNetwork
    store: CheckpointStore
    before: dict[str, float]
    after: dict[str, float]
    best_epoch: int
    history: History


def fitted(config: FoundationConfig, data: Examples, folder: Path) -> Course:
    run = RunContext("train", "k", Workspace.at(str(folder)))
    store = CheckpointStore(run.checkpoints / "k", log=run.log)
    with reproducible(seed=0, threads=1):
        training = load_training(data, config, CPU)
        model, came = make_model(config, data, training.train), training.validation.standard
        before = metrics(say(model, training.panel, training.validation), came)
        best_epoch, history = fit(config, model, training, store, run, name="k")
        after = metrics(say(model, training.panel, training.validation), came)
    return Course(training, model, store, before, after, best_epoch, history)


@pytest.mark.promise("S0-11")
def test_training_takes_adamw_and_learns_what_volume_tells(data: Examples, tmp_path: Path) -> None:
    course = fitted(tiny(), data, tmp_path)
    before, after, history = course.before, course.after, course.history
    came = course.training.validation.standard
    usual = course.model.base.sort()[0].numpy()[None]
    assert before["loss"] == pytest.approx(quantile_loss_rows(came, usual, np.array(QUANTILE_LEVELS)).mean(), rel=1e-5)
    assert after["loss"] == pytest.approx(min(history["val_loss"]))
    assert history["val_loss"][course.best_epoch - 1] == min(history["val_loss"])
    assert after["loss"] < 0.9 * before["loss"], (before, history["val_loss"])
    assert after["hit_rate"] > before["hit_rate"] + 0.1
    saved = {name.split(".")[-1] for name in course.store.newest().group("optimizer")}
    assert saved == {"step", "exp_avg", "exp_avg_sq"}  # what AdamW keeps


def test_where_volume_tells_nothing_no_direction_is_learned(
    write_foundation: Callable[..., Path], tmp_path: Path
) -> None:
    rows = foundation_rows(num_symbols=6, num_times=320, strength=0.0)
    data, config = read_examples(write_foundation(tmp_path / "noise", rows, ZONES)), tiny(train={"epochs": 3})
    assert abs(fitted(config, data, tmp_path).after["hit_rate"] - 0.5) < 0.1


def test_dense_origins_teach_what_windows_by_themselves_then_say(data: Examples, tmp_path: Path) -> None:
    config = tiny(train={"origins": "dense", "epochs": 5, "slab_stride": 1})
    course = fitted(config, data, tmp_path)
    before, after = course.before, course.after
    assert after["loss"] < 0.95 * before["loss"], (before, after)
    assert after["hit_rate"] > before["hit_rate"] + 0.1


def test_a_feed_gives_each_sample_the_moves_of_its_own_window(data: Examples) -> None:
    config = tiny()
    zone, panel = zone_of(data, "train", config.data), filled_panel(data, CPU)
    feed = Feed.of(panel, zone, window=8, rows=4, stride=2)
    numbers = torch.arange(len(feed.slabs))
    slabs = feed.slabs.take(numbers)
    gathered = feed.windows.gather(slabs.ends)
    assert torch.isfinite(gathered).all()
    assert len(zone) == feed.slabs.num_samples(numbers) == 6 * (160 - 8 - 5 + 1)
    for slab, place in ((0, 0), (5, 3), (len(slabs) - 1, 0)):
        sample = int(slabs.samples[slab, place])
        symbol, end = zone.ends[sample]
        expected = data.panel.values[symbol, end - 7 : end + 1]
        np.testing.assert_array_equal(gathered[slab, 2 * place : 2 * place + 8], expected)
        returns = data.panel.values[symbol, end + 1 : end + 6, FOUNDATION.index("return_1d")].astype(np.float64)
        scale = data.now[symbol, end]
        wanted = np.cumsum(np.log1p(returns)) / (scale * np.sqrt(FORECAST_STEPS))
        np.testing.assert_allclose(feed.standard[sample], wanted, rtol=1e-5)
        assert zone.moved[sample, -1] == pytest.approx(data.label[symbol, end], abs=1e-6)


def test_moments_are_those_of_the_training_rows_alone(data: Examples) -> None:
    mean, std = moments(data)
    rows = torch.from_numpy(data.panel.values[:, :160].reshape(-1, len(FOUNDATION)).astype(np.float64))
    np.testing.assert_allclose(mean, scale_free(rows).mean(dim=0), rtol=1e-9)
    np.testing.assert_allclose(std, scale_free(rows).std(dim=0, correction=0), rtol=1e-9)


@pytest.mark.promise("S0-02")
def test_fewer_than_three_years_of_500_stocks_is_said_with_both_counts(
    data: Examples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[Any] = []
    run = RunContext("train", "k", Workspace.at(str(tmp_path)), progress=lambda **fields: said.append(fields["line"]))
    found = Coverage.of(data)
    assert found.facts() == {"years": 0.87, "num_stocks": 6, "enough_history": False}
    with caplog.at_level(logging.WARNING):
        found.report(run)
    words = "0.9 years of 6 stocks: a foundation wants 3 years of 500"
    assert words in caplog.text
    assert words in said[0]
    Coverage(3.0, 500).report(run)
    assert len(said) == 1
    assert [Coverage(*counts).enough for counts in ((2.9, 600), (5.0, 499), (3.0, 500))] == [False, False, True]


@pytest.mark.promise("S0-48")
def test_examples_of_another_form_are_refused_by_what_they_hold(
    tmp_path: Path, make_run: Callable[..., RunContext], write_foundation: Callable[..., Path]
) -> None:
    rows = foundation_rows(num_symbols=2, num_times=60, strength=0.0)
    for key, facts, length, words in (
        (
            "labels",
            {"labeller": "health_v1"},
            60,
            r"column 'label': the labels are 'health_v1', wanted 'moves_v1'\. Ass",
        ),
        ("columns", {"columns": list(FOUNDATION[:-1])}, 60, r"the features are .+This family reads"),
        ("length", {}, 24, "zone 'train' has no window of 8 bars and the 5 after it"),
    ):
        folder = write_foundation(tmp_path / key, rows[:, :length], ZONES, **facts)
        with pytest.raises(DataError, match=words):
            train(tiny(), folder, tmp_path / "out", make_run(key))


@pytest.mark.promise("S0-53")
def test_a_checkpoint_folder_that_cannot_be_written_is_found_before_training(examples: Path, tmp_path: Path) -> None:
    run = RunContext("train", "k", Workspace.at(str(tmp_path)))
    run.folder.mkdir(parents=True)
    run.checkpoints.write_text("a file where the folder should be")
    with pytest.raises(EnvironmentMissingError, match=r"checkpoints/\w+: cannot be written to \(.+\)\. Let this user"):
        train(tiny(), examples, tmp_path / "out", run)
    assert not (tmp_path / "out").exists()


def test_the_quantile_loss_is_that_of_the_judge() -> None:
    rng = np.random.default_rng(0)
    said, came, levels = rng.standard_normal((9, 5, 7)), rng.standard_normal((9, 5)), np.array(QUANTILE_LEVELS)
    found = quantile_loss(*(torch.from_numpy(item) for item in (said, came, levels)))
    assert found.item() == pytest.approx(quantile_loss_rows(came, said, levels).mean(), rel=1e-6)
    assert metrics(said, came)["loss"] == pytest.approx(found.item(), rel=1e-6)


def test_validation_numbers_by_hand() -> None:
    said = np.zeros((2, 5, 7)) + np.array([-3, -2, -1, 0.5, 1, 2, 3])
    came = np.full((2, 5), 1.5) * np.array([[1], [-1]])
    found = metrics(said, came)
    assert (found["mae"], found["hit_rate"]) == (1.5, 0.5)
    below = np.array([0, 0, 0.5, 0.5, 0.5, 1, 1])
    assert found["calibration_error"] == pytest.approx(np.abs(below - QUANTILE_LEVELS).mean())


def test_without_a_model_normal_quantiles_of_the_past_volatility_answer(data: Examples, tmp_path: Path) -> None:
    windows = data.panel.values[:, :8]
    said = baseline(windows)["quantile"]
    assert said.shape == (6, 5, 7)
    last = windows[:, -1].astype(np.float64)
    scale = past_volatility(last[:, FOUNDATION.index("vol_21d")], last[:, FOUNDATION.index("vol_63d")])
    np.testing.assert_allclose(said[:, :, 3], 0, atol=1e-9)
    np.testing.assert_allclose(said[:, 3, 5], 1.2815515655 * 2 * scale, rtol=1e-5)
    answer = ModelSource(str(tmp_path), "foundation", "nowhere").current()
    np.testing.assert_array_equal(answer.predict(windows)["quantile"], said)
    assert len(FAMILY.outputs[0].columns) == 35
    assert FAMILY.outputs[0].columns[3] == "quantile_1d_q50"
