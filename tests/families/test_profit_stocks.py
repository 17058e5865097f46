"""Base models, fine-tuning from exactly the base that was named, single stocks, and the mean of several models."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import profit_market
import pytest
import torch
from safetensors.torch import load_file, save

from components.core.bundle import Bundle, load, seal
from components.core.errors import ArtifactError, DataError, RecipeError
from components.core.run_context import RunContext
from components.families.profit.config import StartConfig, TrainConfig
from components.families.profit.predict import load_model, predict, predict_ensemble
from components.families.profit.start import base_weights
from components.families.profit.stocks import (
    FINETUNE_EPOCHS,
    BaseModelTrainer,
    examples_of,
    train_single_stock_with_profit,
)
from components.learning.examples import read_examples

Run = Callable[[str], RunContext]
SHORT = profit_market.TINY["train"] | {"max_steps": 5}
STOCKS = tuple(f"S{number}" for number in range(5))


class Base(NamedTuple):
    examples: Path
    bundle: Bundle
    trainer: BaseModelTrainer


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, run_in: Callable[[Path, str], RunContext]) -> Base:
    root = tmp_path_factory.mktemp("base")
    examples = profit_market.write(root / "examples", num_times=120)
    trainer = BaseModelTrainer(STOCKS[:3], profit_market.config(train=SHORT), examples, run_in(root, "base"))
    return Base(examples, trainer.train_base_model(root / "base", max_steps=5), trainer)


def sealed_again(bundle: Bundle, folder: Path, *, weights: dict | None = None, data: dict | None = None) -> Bundle:
    """Return a copy of a bundle with other weights, or with other facts about its data."""
    shutil.copytree(bundle.folder, folder)
    (folder / "manifest.json").unlink()
    if weights is not None:
        (folder / "weights.safetensors").write_bytes(save(weights))
    parts = {key: bundle.manifest[key] for key in ("family", "config", "schema", "notes")}
    return seal(folder, data=bundle.manifest["data"] | (data or {}), **parts)


@pytest.mark.promise("S2-35")
def test_a_base_model_knows_its_stocks_alone(base: Base) -> None:
    seen = read_examples(base.bundle.folder.with_name("base-examples"))
    assert seen.symbols == ("S0", "S1", "S2")
    assert base.bundle.manifest["data"]["examples"] == seen.digest
    whole = read_examples(base.examples)
    np.testing.assert_array_equal(seen.panel.values, whole.panel.values[:3])
    np.testing.assert_array_equal(seen.zone, whole.zone)
    assert sorted(seen.manifest["zones"]) == ["test", "train", "validation"]
    assert seen.manifest["zones"]["test"]["rows"] == 3 * seen.manifest["zones"]["test"]["timestamps"] == 90


@pytest.mark.promise("S2-36")
@pytest.mark.promise("S2-37")
def test_the_defaults_of_base_and_fine_tuning() -> None:
    base, tune = (getattr(BaseModelTrainer, name).__kwdefaults__ for name in ("train_base_model", "finetune_for_stock"))
    assert base == {"max_steps": 10_000, "batch": 32} == {"max_steps": TrainConfig().max_steps, "batch": 32}
    assert tune == {"num_epochs": 10} == {"num_epochs": FINETUNE_EPOCHS}


@pytest.mark.promise("S2-37")
@pytest.mark.promise("S2-38")
def test_fine_tuning_starts_from_the_weights_of_the_base(base: Base, tmp_path: Path) -> None:
    still = BaseModelTrainer(
        (), profit_market.config(train=SHORT | {"lr": 1e-12, "weight_decay": 0.0}), base.examples, base.trainer.run
    )
    tuned = still.finetune_for_stock("S4", base.bundle, tmp_path / "S4", num_epochs=2)
    ours, theirs = (load_file(item.path("weights.safetensors")) for item in (tuned, base.bundle))
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, atol=1e-9, rtol=0)
    assert tuned.manifest["data"]["started_from"] == base.bundle.digest
    assert tuned.manifest["config"]["start"]["expect"] == base.bundle.digest
    assert tuned.manifest["config"]["train"]["epochs"] == 2
    assert read_examples(tmp_path / "S4-examples").symbols == ("S4",)


@pytest.mark.promise("S2-38")
def test_another_base_than_the_named_one_is_refused(base: Base, tmp_path: Path) -> None:
    data, config = read_examples(base.examples), profit_market.config()
    other = StartConfig(bundle=str(base.bundle.folder), expect="0" * 64)
    with pytest.raises(ArtifactError, match="expected 000000000000"):
        base_weights(other, config, data)
    right = StartConfig(bundle=str(base.bundle.folder), expect=base.bundle.digest)
    assert base_weights(right, config, data).keys() == load_model(base.bundle)[1].state_dict().keys()
    wide = profit_market.config(model=profit_market.TINY["model"] | {"hidden": 16})
    with pytest.raises(RecipeError, match="model is"):
        base_weights(right, wide, data)
    with pytest.raises(RecipeError, match=r"data\.window is 7"):
        base_weights(right, profit_market.config(data=profit_market.TINY["data"] | {"window": 7}), data)


def test_forecasts_of_another_source_are_refused_where_the_model_answers_and_where_it_starts(
    base: Base, tmp_path: Path
) -> None:
    assert base.bundle.manifest["data"]["forecast_source"] == "statistical"
    other = profit_market.write(tmp_path / "other", num_times=120, forecast_source="toto")
    words = "trained on forecasts by 'statistical', those of the examples are by 'toto'"
    with pytest.raises(ArtifactError, match=words):
        predict(base.bundle, other, zone="test", threads=1)
    with pytest.raises(ArtifactError, match=words):
        base_weights(
            StartConfig(bundle=str(base.bundle.folder), expect=base.bundle.digest),
            profit_market.config(), read_examples(other),
        )  # fmt: skip


def test_a_base_that_saw_the_days_that_judge_is_refused(base: Base, tmp_path: Path) -> None:
    manifest = base.bundle.manifest
    assert manifest["data"]["seen_until"].startswith(
        "2020-03-30"
    )  # day 90 of 120, and the test zone starts on the 31st
    later = sealed_again(base.bundle, tmp_path / "later", data={"seen_until": "2020-03-31T00:00:00.000000"})
    start = StartConfig(bundle=str(later.folder), expect=later.digest)
    with pytest.raises(ArtifactError, match=r"saw days up to 2020-03-31T.*in the zones that judge"):
        base_weights(start, profit_market.config(), read_examples(base.examples))


@pytest.mark.slow
@pytest.mark.promise("S2-33")
@pytest.mark.promise("S2-34")
def test_five_stocks_give_five_models(base: Base, tmp_path: Path, make_run: Run) -> None:
    found = {
        symbol: train_single_stock_with_profit(
            symbol, profit_market.config(train=SHORT), base.examples, tmp_path / symbol, make_run(symbol.lower())
        )
        for symbol in STOCKS
    }
    assert [path for _, path in found.values()] == [tmp_path / symbol for symbol in STOCKS]
    assert len({load(path).digest for _, path in found.values()}) == 5
    windows = torch.from_numpy(read_examples(base.examples).panel.values[:, 20:26])
    with torch.inference_mode():
        said = {tuple(model(windows)[0].tolist()) for model, _ in found.values()}
    assert len(said) == 5


def test_a_stock_without_examples_is_named(base: Base, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"column 'symbol': no example of NONE\. There is S0, S1, S2, S3, S4"):
        examples_of(base.examples, ["S1", "NONE"], tmp_path / "none")


@pytest.mark.promise("S2-61")
def test_an_ensemble_says_and_holds_the_mean_of_its_models(base: Base, tmp_path: Path) -> None:
    weights = load_file(base.bundle.path("weights.safetensors"))
    other = sealed_again(base.bundle, tmp_path / "other", weights=weights | {"heads.bias": torch.tensor([0.5, -0.5])})
    alone = [predict(bundle, base.examples, zone="test", threads=1) for bundle in (base.bundle, other)]
    both = predict_ensemble([base.bundle, other], base.examples, zone="test", threads=1)
    assert not np.array_equal(alone[0].score, alone[1].score)
    for name in ("score", "weight", "expected_return"):
        np.testing.assert_allclose(getattr(both, name), sum(getattr(table, name) for table in alone) / 2, rtol=1e-12)
    np.testing.assert_allclose(both.weight, both.score / 5)
    np.testing.assert_array_equal(both.label, alone[0].label)
    np.testing.assert_array_equal(both.timestamp, alone[0].timestamp)
    with pytest.raises(ValueError, match="at least one bundle"):
        predict_ensemble([], base.examples, zone="test", threads=1)
