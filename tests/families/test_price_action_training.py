"""One training: what it says, what it leaves behind, when it stops."""

import logging
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from components.core.errors import BAD_DATA, DataError
from components.core.files import read_json
from components.core.run_context import RunContext
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.data import Scaler, load
from components.families.price_action.evaluate import score
from components.families.price_action.predict import load_model, log_odds
from components.families.price_action.setup_check import setup_check
from components.families.price_action.train import Trainer, train
from components.learning.examples import read_examples
from components.learning.faults import DivergedError

Config = Callable[..., PriceActionConfig]
Run = Callable[[str], RunContext]


def test_two_runs_end_in_the_same_bits(
    trained: Any, tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    again = train(tiny_config(), tiny_examples, tmp_path / "again", make_run("second"))
    assert again.digest == trained.bundle.digest
    other = train(tiny_config(seed=1), tiny_examples, tmp_path / "other", make_run("third"))
    assert other.digest != trained.bundle.digest


@pytest.mark.promise("S3-34")
def test_bundle_holds_what_the_published_checkpoint_held(trained: Any) -> None:
    facts = read_json(trained.bundle.path("model.json"))
    assert facts.keys() >= {"model_state_dict", "feature_columns", "window_size", "input_dim", "threshold"}
    assert (facts["window_size"], facts["input_dim"], len(facts["feature_columns"])) == (8, 14, 14)
    weights = trained.bundle.path(facts["model_state_dict"])
    config = PriceActionConfig.parse(trained.bundle.manifest["config"], name="bundle")
    assert load_file(weights).keys() == load_model(trained.bundle, config).state_dict().keys()
    assert weights.stat().st_mode & 0o777 == 0o640


@pytest.mark.promise("S3-35")
@pytest.mark.promise("S3-11")
def test_scaler_holds_the_training_statistics(trained: Any, tiny_examples: Path) -> None:
    scaler, examples = read_json(trained.bundle.path("scaler.json")), read_examples(tiny_examples)
    train_rows = examples.panel.values[:, examples.zone == examples.zones.index("train")].reshape(-1, 14)
    assert np.array(scaler["mean"]).shape == np.array(scaler["std"]).shape == (14,)
    np.testing.assert_allclose(scaler["mean"], train_rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(scaler["std"], train_rows.std(axis=0), rtol=1e-6)
    assert tuple(scaler["feature_columns"]) == examples.columns


def test_bundle_names_its_data_and_keeps_clocks_out_of_its_digest(trained: Any, tiny_examples: Path) -> None:
    assert trained.bundle.manifest["data"]["examples"] == read_examples(tiny_examples).digest
    assert trained.bundle.manifest["notes"].keys() >= {"torch", "threads", "device", "started", "finished", "advice"}


@pytest.mark.promise("S3-39")
def test_the_kept_weights_are_those_of_the_best_epoch(trained: Any, tiny_examples: Path) -> None:
    config = PriceActionConfig.parse(trained.bundle.manifest["config"], name="bundle")
    examples = read_examples(tiny_examples)
    data = load(examples, Scaler.of(examples), config, torch.device("cpu"))
    answers = log_odds(load_model(trained.bundle, config), data.windows, data.validation.slabs)
    history = read_json(trained.bundle.path("history.json"))
    best = read_json(trained.bundle.path("model.json"))["best_epoch"]
    assert score(answers, data.validation.labels[:, 0].numpy()).loss == pytest.approx(
        history["val_loss"][best - 1], abs=1e-7
    )


@pytest.mark.promise("S3-38")
@pytest.mark.promise("S3-22")
def test_training_stops_after_five_epochs_without_a_lower_validation_loss(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    config = tiny_config(train={"epochs": 60, "lr": 0.02, "max_windows_per_epoch": 60})
    assert config.train.patience == 5
    losses = Trainer(config, tiny_examples, tmp_path / "bundle", make_run("patient")).train()["val_loss"]
    lowest = int(np.argmin(losses))
    assert len(losses) == lowest + 1 + 5 < 60


@pytest.mark.promise("S3-44")
def test_trainer_gives_the_history(tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run) -> None:
    history = Trainer(tiny_config(), tiny_examples, tmp_path / "bundle", make_run("facade")).train()
    assert len(history["train_loss"]) == len(history["val_loss"]) == 4
    assert history["val_loss"][-1] < history["val_loss"][0] < 1.5


@pytest.mark.promise("S3-26")
@pytest.mark.promise("S3-27")
def test_epochs_are_logged_and_sent_as_progress(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, make_run: Run
) -> None:
    sent: list[dict[str, object]] = []
    plain = make_run("loud")
    run = RunContext("train", "loud", plain.workspace, progress=lambda **fields: sent.append(fields))
    with caplog.at_level(logging.INFO):
        train(tiny_config(), tiny_examples, tmp_path / "bundle", run)
    texts = [str(fields["line"]) for fields in sent if "line" in fields]
    epochs = [text for text in texts if text.startswith("epoch ") and "val loss" in text]
    assert [line.split()[1] for line in epochs] == ["1/4", "2/4", "3/4", "4/4"]
    assert any(text.startswith("new best: epoch 1, val loss ") for text in texts)
    assert set(epochs) <= set(caplog.messages)
    done = [float(str(fields["done"])) for fields in sent]
    assert done == sorted(done)
    assert {fields["total"] for fields in sent} == {4}


@pytest.mark.promise("S3-45")
def test_training_curve_is_a_picture_of_the_same_bytes_each_time(
    trained: Any, tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    content = (trained.run.folder / "training_curve.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (960, 540)
    train(tiny_config(), tiny_examples, tmp_path / "again", make_run("second"))
    assert (make_run("second").folder / "training_curve.png").read_bytes() == content


def test_tensorboard_events_hold_both_losses(trained: Any) -> None:
    events = EventAccumulator(str(trained.run.folder / "tensorboard")).Reload()
    history = read_json(trained.bundle.path("history.json"))
    for tag, name in (("train/loss", "train_loss"), ("eval/loss", "val_loss")):
        points = events.Scalars(tag)
        assert [point.step for point in points] == [1, 2, 3, 4]
        assert [point.value for point in points] == pytest.approx(history[name], rel=1e-6)


def test_a_loss_that_is_no_number_stops_and_names_the_setting(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    with pytest.raises(DivergedError, match=r"epoch 1, batch \d+: .*train\.lr \(was 1e\+30\)") as caught:
        train(tiny_config(train={"lr": 1e30}), tiny_examples, tmp_path / "bundle", make_run("wild"))
    assert caught.value.exit_code == BAD_DATA
    assert not (tmp_path / "bundle").exists()


def test_a_zone_without_a_window_is_named(
    tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run
) -> None:
    with pytest.raises(DataError, match=r"'validation' has no window of 40 bars"):
        train(tiny_config(data={"window": 40}), tiny_examples, tmp_path / "bundle", make_run("short"))


def test_without_a_calibration_zone_the_validation_zone_is_used(tiny_config: Config, tiny_examples: Path) -> None:
    examples = read_examples(tiny_examples)
    config = tiny_config(data={"window": 20})  # 16 days of calibration hold no window of 20
    data = load(examples, Scaler.of(examples), config, torch.device("cpu"))
    assert torch.equal(data.calibration.slabs.ends, data.validation.slabs.ends)


@pytest.mark.promise("S3-36")
def test_mixed_precision_trains_too(tiny_config: Config, tiny_examples: Path, tmp_path: Path, make_run: Run) -> None:
    history = Trainer(
        tiny_config(train={"mixed_precision": True}), tiny_examples, tmp_path / "bundle", make_run("mixed")
    ).train()
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert load_file(tmp_path / "bundle" / "weights.safetensors")["head.0.weight"].dtype == torch.float32


@pytest.mark.promise("S3-14")
def test_setup_check_reports_device_rows_windows_and_success() -> None:
    lines = setup_check(threads=1)
    assert lines[1:4] == [
        f"device: {'cuda' if torch.cuda.is_available() else 'cpu'}",
        f"GPU: {torch.cuda.get_device_name(0) if torch.cuda.is_available() else 'none'}",
        "rows: train 5808, validation 1453",
    ]
    assert lines[4:6] == ["windows of 64: train 5744, validation 1389", "parameters: 406785"]
    assert lines[-1] == "success"
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"]
