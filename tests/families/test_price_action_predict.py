"""A sealed bundle says the same about a window, whoever asks and whatever lies beside it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from components.core.bundle import Bundle, load
from components.core.errors import ArtifactError
from components.core.files import read_json
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.predict import load_model, predict
from components.learning.examples import read_examples
from components.trading.statistics import auc

Write = Callable[..., Path]


@pytest.fixture
def bundle(trained: Any, tmp_path: Path) -> Bundle:
    """A copy that went through every check."""
    return load(shutil.copytree(trained.bundle.folder, tmp_path / "bundle"))


@pytest.mark.promise("S3-46")
def test_the_test_zone_is_predicted_better_than_chance(bundle: Bundle, tiny_examples: Path) -> None:
    found = predict(bundle, tiny_examples, zone="test", threads=1)
    assert len(found.label) == 6 * (32 - 8)
    assert np.all((found.probability > 0) & (found.probability < 1))
    assert auc(found.label, found.probability) > 0.7
    order = np.lexsort((found.symbol, found.timestamp))
    assert np.array_equal(order, np.arange(len(order)))
    assert found.threshold == read_json(bundle.path("model.json"))["threshold"]


def test_predictions_equal_one_window_at_a_time(bundle: Bundle, tiny_examples: Path) -> None:
    found = predict(bundle, tiny_examples, zone="test", threads=1)
    config = PriceActionConfig.parse(bundle.manifest["config"], name="bundle")
    model, facts = load_model(bundle, config), read_json(bundle.path("model.json"))
    scaler, examples = read_json(bundle.path("scaler.json")), read_examples(tiny_examples)
    for row in range(0, len(found.label), 7):
        end = int(np.flatnonzero(examples.panel.timestamps == found.timestamp[row])[0])
        window = examples.panel.values[found.symbol[row], end - 7 : end + 1]
        scaled = (window - np.array(scaler["mean"])) / np.array(scaler["std"])
        with torch.no_grad():
            log_odds = model.logits(torch.tensor(scaled[None], dtype=torch.float32)).item()
        calibrated = facts["calibration"]["slope"] * log_odds + facts["calibration"]["intercept"]
        assert found.probability[row] == pytest.approx(1 / (1 + np.exp(-calibrated)), abs=1e-6)
        assert found.label[row] == examples.label[found.symbol[row], end]
        assert found.forward_return[row] == examples.forward_return[found.symbol[row], end]


def test_what_comes_later_changes_no_earlier_prediction(
    bundle: Bundle, tiny_examples: Path, tmp_path: Path, write_examples: Write
) -> None:
    before = predict(bundle, tiny_examples, zone="test", threads=1)
    table = pq.read_table(tiny_examples / "examples.parquet")
    cut = before.timestamp[len(before.label) // 2]
    later = table["timestamp"].to_numpy() > cut
    for place, name in enumerate(table.column_names):
        if name in read_json(tiny_examples / "manifest.json")["columns"]:
            table = table.set_column(place, name, [np.where(later, 50.0, table[name].to_numpy())])
    after = predict(bundle, write_examples(tmp_path / "later", table), zone="test", threads=1)
    early = before.timestamp <= cut
    assert np.array_equal(before.probability[early], after.probability[early])
    assert not np.array_equal(before.probability[~early], after.probability[~early])


def test_a_zone_that_is_not_there_gives_no_rows(bundle: Bundle, tiny_examples: Path) -> None:
    found = predict(bundle, tiny_examples, zone="holdout", threads=1)
    assert len(found.probability) == len(found.label) == len(found.timestamp) == 0


def test_features_in_another_order_are_refused(
    bundle: Bundle, tiny_examples: Path, tmp_path: Path, write_examples: Write
) -> None:
    columns = read_json(tiny_examples / "manifest.json")["columns"]
    table = pq.read_table(tiny_examples / "examples.parquet")
    other = write_examples(tmp_path / "other", table, columns=columns[::-1])
    with pytest.raises(ArtifactError, match="the bundle was trained on"):
        predict(bundle, other, zone="test", threads=1)


def test_altered_weights_are_refused(bundle: Bundle) -> None:
    weights = bundle.path("weights.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ArtifactError, match="sha256 differs"):
        load(bundle.folder)
