"""The graph in a bundle: raw windows in, the probabilities and decisions of ``predict`` out, without torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.core import family as families
from components.core.files import read_json
from components.core.run_context import RunContext
from components.families.price_action import baseline
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.predict import predict
from components.families.price_action.train import train
from components.learning.examples import read_examples
from components.learning.export import ParityError
from components.market.columns import TECHNICAL
from components.serving.loader import load


def raw_windows(folder: Path, zone: str) -> np.ndarray[Any, Any]:
    data = read_examples(folder)
    ends = data.windows(zone, 8, 1)
    return np.stack([data.panel.values[symbol, end - 7 : end + 1] for symbol, end in ends])


@pytest.mark.promise("S1-43", "S4-104")
def test_raw_windows_give_the_calibrated_probabilities_and_decisions_of_the_network(
    trained: Any, tiny_examples: Path
) -> None:
    expected = predict(trained.bundle, tiny_examples, zone="test", threads=1)
    found = load(trained.bundle.folder, expect=trained.bundle.digest).predict(raw_windows(tiny_examples, "test"))
    np.testing.assert_allclose(found["probability"], expected.probability, rtol=0, atol=1e-6)
    clear = np.abs(expected.probability - expected.threshold) > 1e-6
    assert np.count_nonzero(clear) > 0.9 * len(clear)
    np.testing.assert_array_equal(found["signal"][clear], (expected.probability >= expected.threshold)[clear])


def test_the_schema_names_input_columns_window_and_outputs(trained: Any) -> None:
    assert trained.bundle.manifest["schema"] == {
        "input": "windows",
        "columns": list(TECHNICAL),
        "window": 8,
        "outputs": ["probability", "signal"],
    }
    assert read_json(trained.bundle.path("model.json"))["feature_columns"] == list(TECHNICAL)


def test_a_graph_that_differs_from_the_network_leaves_no_bundle(
    tiny_config: Callable[..., PriceActionConfig],
    tiny_examples: Path,
    tmp_path: Path,
    make_run: Callable[[str], RunContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("components.learning.export.PARITY", -1.0)
    with pytest.raises(ParityError, match="output 'probability' differs"):
        train(tiny_config(train={"epochs": 1}), tiny_examples, tmp_path / "out", make_run("apart"))
    assert not (tmp_path / "out").exists()


@pytest.mark.promise("S1-44")
def test_the_baseline_gives_the_outputs_that_the_family_declares_and_never_a_signal() -> None:
    outputs = families.find("price-action").outputs
    found = baseline.predict(np.zeros((3, 64, 14), dtype=np.float32))
    assert list(found) == [output.name for output in outputs] == ["probability", "signal"]
    assert found["probability"].tolist() == [0.5, 0.5, 0.5]
    assert not found["signal"].any()
