"""Cross-validation: purged folds of the days before the test zone, random ones refused, and the published trainer."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from fold_market import examples_of

from cli.main import qf
from components.core.errors import DataError, RecipeError, UsageError
from components.families.hybrid import FAMILY
from components.learning.examples import read_examples
from pipelines.folds import folds_of, write_fold
from pipelines.published import TrainingPipeline

DATA = FAMILY.recipe("calibration", ("data.window=4", "data.embargo_bars=2")).data


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return examples_of(tmp_path_factory.mktemp("folds") / "examples")


@pytest.mark.promise("S4-46")
@pytest.mark.promise("S4-47")
def test_five_folds_walk_forward_through_the_days_before_the_test(examples: Path) -> None:
    own = FAMILY.recipe("daily").folds
    folds = folds_of(examples, DATA, method=own.method, num_folds=own.num_folds)
    assert (own.method, len(folds)) == ("walk_forward", 5)
    data = read_examples(examples)
    tested = np.concatenate([fold.times[fold.zones == "test"] for fold in folds])
    assert np.all(np.diff(tested) > np.timedelta64(0))
    first_sealed = data.panel.timestamps[data.zone == data.zones.index("test")].min()
    assert tested.max() < first_sealed
    for fold in folds:
        known = fold.times[np.isin(fold.zones, ("train", "validation"))]
        gap = (fold.times[fold.zones == "test"].min() - known.max()) / np.timedelta64(1, "D")
        assert gap > 1 + DATA.embargo_bars  # the label of the last one ended, and two bars more went by
        assert fold.times[fold.zones == "validation"].min() > fold.times[fold.zones == "train"].max()


def test_combinatorial_folds_test_every_day_equally_often(examples: Path) -> None:
    folds = folds_of(examples, DATA, method="combinatorial_purged", num_folds=4)
    assert len(folds) == 6
    times, counts = np.unique(np.concatenate([fold.times[fold.zones == "test"] for fold in folds]), return_counts=True)
    assert set(counts) == {3}
    assert len(times) == np.isin(folds[0].zones, ("train", "validation", "test", "left_out")).sum() - np.sum(
        folds[0].times > times.max()
    )


def test_no_window_of_a_fold_reaches_into_its_test(examples: Path, tmp_path: Path) -> None:
    for number, fold in enumerate(folds_of(examples, DATA, method="combinatorial_purged", num_folds=4)):
        data = read_examples(write_fold(examples, fold, tmp_path / str(number)))
        tested = np.flatnonzero(np.isin(data.panel.timestamps, fold.times[fold.zones == "test"]))
        for zone in ("train", "validation"):
            ends = data.windows(zone, DATA.window, DATA.horizon)[:, 1]
            assert len(ends) > 10
            reach = ends[:, None] + np.arange(1 - DATA.window, DATA.horizon + 1)
            assert not np.isin(reach, tested).any()
        assert "holdout" not in data.zones


@pytest.mark.promise("S4-47")
@pytest.mark.parametrize("method", ["random", "kfold", "shuffled"])
def test_random_folds_are_refused_by_name(examples: Path, method: str) -> None:
    with pytest.raises(RecipeError, match=f"'{method}'.*random folds train on labels that overlap the test"):
        folds_of(examples, DATA, method=method, num_folds=5)


def test_more_folds_than_days_are_refused(examples: Path) -> None:
    with pytest.raises(RecipeError, match="decision times cannot be cut into 5001 blocks"):
        folds_of(examples, DATA, method="walk_forward", num_folds=5000)


MARKET = "synthetic://planted?symbols=2&days=500&seed=3"
QUICK = "train: {epochs: 1, batch: 64, threads: 1, device: cpu, workers: 0}\n"
SMALL = "model: {cnn: {hidden_dim: 16, num_heads: 2}, lstm: {hidden_dim: 8}, fusion: {num_heads: 2}}\n"


@pytest.mark.slow
def test_the_command_trains_and_tests_each_fold_and_goes_on_from_what_is_done(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(f"data: {{window: 6}}\n{SMALL}{QUICK}", encoding="utf-8")
    command = ["cv", "hybrid", "--source", MARKET, "--recipe", str(tmp_path / "recipe.yaml"), "--folds", "2",
               "--jobs", "1", "--root", str(tmp_path / "root")]  # fmt: skip
    result = CliRunner().invoke(qf, command, catch_exceptions=False)
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    assert lines[-1].startswith("mean score ")
    assert lines[-1].endswith("of 2 folds")
    again = CliRunner().invoke(qf, command, catch_exceptions=False)
    assert again.stdout == result.stdout
    assert "fold 1 of 2" in result.stderr
    assert "fold" not in again.stderr


@pytest.mark.slow
@pytest.mark.promise("S4-01")
def test_the_published_way_to_train_returns_the_best_validation_loss(tmp_path: Path) -> None:
    published = (
        "model: {type: hybrid_cnn_lstm, cnn: {hidden_dim: 16, num_heads: 2}, lstm: {hidden_dim: 8}, "
        "fusion: {num_heads: 2}}\ntraining: {num_epochs: 2, batch_size: 64}\ndata: {sequence_length: 6}\n"
        "hardware: {device: cpu, num_workers: 0}\n"
    )
    (tmp_path / "s4.yaml").write_text(published, encoding="utf-8")
    pipeline = TrainingPipeline("hybrid_cnn_lstm", tmp_path / "s4.yaml", source=MARKET, root=str(tmp_path / "root"))
    found = pipeline.train(["SYN000"], start="2023-12-01", end="2024-12-01")
    assert 0.3 < found["best_val_loss"] < 3.0
    data = read_examples(Path(found["bundle"]).parent / "examples", holdout=True)
    assert data.symbols == ("SYN000",)
    first, last = data.panel.timestamps[[0, -1]]  # 2024-12-01 is a Sunday
    assert np.datetime64("2024-11-29") <= last < np.datetime64("2024-12-01")
    assert np.timedelta64(360, "D") < last - first < np.timedelta64(366, "D")
    assert pipeline.train(["SYN000"], start="2023-12-01", end="2024-12-01") == found


def test_what_the_published_trainer_cannot_do_is_said(tmp_path: Path) -> None:
    (tmp_path / "s4.yaml").write_text("training: {batch_size: 16}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"no such model type\. There is hybrid_cnn_lstm"):
        TrainingPipeline("oracle", tmp_path / "s4.yaml")
    with pytest.raises(DataError, match="no such file or folder"):
        TrainingPipeline("hybrid_cnn_lstm", tmp_path / "s4.yaml", source=str(tmp_path / "bars.csv"))
    pipeline = TrainingPipeline("hybrid_cnn_lstm", tmp_path / "s4.yaml")
    with pytest.raises(UsageError, match="start and end want days"):
        pipeline.train(["A"], "yesterday", "2024-01-01")
    with pytest.raises(UsageError, match="end must be after start"):
        pipeline.train(["A"], "2024-01-02", "2024-01-02")
