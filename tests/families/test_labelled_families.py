"""Regime and health, every network of each: stopped, killed or run twice they end in the same bits, and they learn."""

import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from components.core import family as families
from components.core.bundle import Bundle, load, seal
from components.core.errors import ArtifactError, DataError, InterruptedRunError
from components.core.files import read_json
from components.core.recipe import RecipeConfig
from components.core.run_context import RunContext, Stop
from components.learning.examples import read_examples
from components.learning.faults import DivergedError, OutOfMemoryError
from components.learning.reproducible import reproducible
from components.learning.zones import load_zones
from components.serving import loader as serving

Run = Callable[[str], RunContext]
KINDS = [("regime", "gru"), ("regime", "transformer"), ("health", "autoencoder"), ("health", "vae")]
TINY: dict[str, Any] = {
    "data": {"window": 6, "horizon": 3, "zones": {"train": 0.5, "validation": 0.2, "calibration": 0.1, "test": 0.2}},
    "train": {"batch": 16, "epochs": 3, "lr": 0.003, "threads": 1, "device": "cpu", "checkpoint_every_batches": 3},
}
SIZES: dict[str, dict[str, Any]] = {"regime": {"hidden": 8, "heads": 2}, "health": {"hidden": 12}}


def config_of(family: str, kind: str, **train: Any) -> RecipeConfig:
    values = TINY | {"model": SIZES[family] | {"type": kind}, "train": TINY["train"] | train}
    return families.find(family).config.parse(values, name="test")


class Case(NamedTuple):
    """One network, trained once."""

    family: str
    kind: str
    examples: Path
    bundle: Bundle
    run: RunContext

    def train(self, out: Path, run: RunContext, **train: Any) -> Bundle:
        trainer = families.find(self.family).module("train")
        return trainer.train(config_of(self.family, self.kind, **train), self.examples, out, run)

    def predict(self, bundle: Bundle, zone: str = "test", examples: Path | None = None) -> Any:
        return (
            families.find(self.family)
            .module("predict")
            .predict(bundle, examples or self.examples, zone=zone, threads=1)
        )


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def case(
    request: pytest.FixtureRequest, labelled_examples: dict[str, Path], tmp_path_factory: pytest.TempPathFactory,
    run_in: Callable[[Path, str], RunContext],
) -> Case:  # fmt: skip
    family, kind = request.param
    root = tmp_path_factory.mktemp(f"{family}-{kind}")
    case = Case(family, kind, labelled_examples[family], None, run_in(root, "whole"))  # pyright: ignore[reportArgumentType]
    return case._replace(bundle=case.train(root / "bundle", case.run))


class StopAfter(Stop):
    """Asks to stop at the ``polls``-th time that training looks."""

    def __init__(self, polls: int) -> None:
        super().__init__()
        self.left = polls

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_stopped_again_and_again_a_training_ends_in_the_same_bits(case: Case, tmp_path: Path, make_run: Run) -> None:
    out, run, stops = tmp_path / "out", make_run("stopped"), 0
    while not out.exists():
        try:
            case.train(out, RunContext(run.step, run.run_key, run.workspace, stop=StopAfter(5)))
        except InterruptedRunError:
            stops += 1
        assert stops < 100
    assert stops > 3
    assert load(out).digest == case.bundle.digest


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from components.core import family as families
from components.core.run_context import RunContext
from components.core.workspace import Workspace

family, recipe, examples, root = sys.argv[1:]
member = families.find(family)
trainer = member.module("train")
config = member.config.parse_json(recipe, name="test")
chance = random.Random(5)

def work():
    run = RunContext("train", "killed", Workspace.at(root))
    print(trainer.train(config, Path(examples), Path(root) / "out", run).digest, flush=True)

kills = 0
while kills < 8:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(chance.uniform(0.02, 0.25))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        break
    kills += 1
print("kills", kills, flush=True)
work()
"""


def test_killed_at_any_moment_a_training_ends_in_the_same_bits(case: Case, tmp_path: Path) -> None:
    recipe = config_of(case.family, case.kind).canonical()
    command = [sys.executable, "-c", KILLER, case.family, recipe, str(case.examples), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == case.bundle.digest
    assert int(done.stdout.split("kills ")[1].split()[0]) >= 2


def test_another_seed_is_another_model(case: Case, tmp_path: Path, make_run: Run) -> None:
    member = families.find(case.family)
    other = config_of(case.family, case.kind).model_copy(update={"seed": 1})
    bundle = member.module("train").train(other, case.examples, tmp_path / "other", make_run("other"))
    assert bundle.digest != case.bundle.digest


@pytest.mark.promise("S1-01")
@pytest.mark.promise("S1-02")
def test_one_batch_is_learned_by_heart(case: Case) -> None:
    module, config = families.find(case.family).module("train"), config_of(case.family, case.kind)
    data, samples = read_examples(case.examples), torch.arange(16)
    with reproducible(seed=0, threads=1):
        zones = load_zones(data, config.data, torch.device("cpu"), pin_memory=False)
        model = module.make_model(config, data, zones)
        loss, optimizer = module.loss_of(config, model, zones), torch.optim.AdamW(model.parameters(), lr=0.01)
        losses = list[float]()
        for _ in range(300):
            optimizer.zero_grad()
            value = loss(samples)
            value.backward()
            optimizer.step()
            losses.append(value.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_bundle_holds_data_only_and_names_its_network(case: Case) -> None:
    files = {"weights.safetensors", "model.onnx", "scaler.json", "model.json", "history.json"}
    assert set(case.bundle.manifest["files"]) == files
    facts = read_json(case.bundle.path("model.json"))
    assert facts["model_type"] == case.kind
    assert facts["labeller"] == case.bundle.manifest["data"]["labeller"] == f"{case.family}_v1"
    assert facts["horizon"] == 3
    weights = load_file(case.bundle.path("weights.safetensors"))
    scaler = read_json(case.bundle.path("scaler.json"))
    np.testing.assert_allclose(weights["mean"].numpy(), scaler["mean"], rtol=1e-6)
    assert case.bundle.manifest["schema"]["columns"] == scaler["feature_columns"]
    assert case.bundle.manifest["notes"]["device"] == "cpu"


def test_losses_of_every_epoch_are_in_history_events_and_log(
    case: Case, tmp_path: Path, make_run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        bundle = case.train(tmp_path / "again", make_run("again"))
    assert bundle.digest == case.bundle.digest
    history = read_json(bundle.path("history.json"))
    assert {len(values) for values in history.values()} == {3}
    assert sum(message.startswith("epoch ") for message in caplog.messages) == 3
    events = EventAccumulator(str(make_run("again").folder / "tensorboard")).Reload()
    for tag, name in (("train/loss", "train_loss"), ("eval/loss", "val_loss")):
        assert [point.value for point in events.Scalars(tag)] == pytest.approx(history[name], rel=1e-6)


def test_predictions_are_those_of_one_window_at_a_time(case: Case) -> None:
    found = case.predict(case.bundle)
    assert len(found.label) > 50
    assert np.array_equal(np.lexsort((found.symbol, found.timestamp)), np.arange(len(found.label)))
    module = families.find(case.family).module("predict")
    _, model = module.load_model(case.bundle)
    examples = read_examples(case.examples)
    for row in range(0, len(found.label), 11):
        end = int(np.flatnonzero(examples.panel.timestamps == found.timestamp[row])[0])
        window = torch.from_numpy(examples.panel.values[found.symbol[row], None, end - 5 : end + 1])
        with torch.inference_mode():
            first = model(window)[0][0].numpy()
        ours = found.probability[row] if case.family == "regime" else found.score[row]
        np.testing.assert_allclose(ours, first, atol=2e-6)
        assert found.label[row] == examples.label[found.symbol[row], end]
        assert found.now[row] == examples.now[found.symbol[row], end]


def test_the_served_graph_says_what_the_network_says(case: Case) -> None:
    member = families.find(case.family)
    served, (_, model) = serving.load(case.bundle.folder), member.module("predict").load_model(case.bundle)
    examples = read_examples(case.examples)
    windows = np.stack([examples.panel.values[0, end - 6 : end] for end in range(6, 60)])
    said = served.predict(windows)
    assert tuple(said) == member.module("model").OUTPUTS == tuple(output.name for output in member.outputs)
    assert tuple(member.module("baseline").predict(windows)) == tuple(said)
    with torch.inference_mode():
        for name, output, theirs in zip(said, member.outputs, model(torch.from_numpy(windows)), strict=True):
            np.testing.assert_allclose(said[name], theirs.numpy(), atol=1e-5)
            assert said[name].reshape(len(windows), -1).shape[1] == len(output.columns)


def test_a_zone_that_is_not_there_has_no_predictions(case: Case) -> None:
    assert len(case.predict(case.bundle, zone="holdout").label) == 0


def test_weights_of_another_size_are_refused(case: Case, tmp_path: Path) -> None:
    folder = shutil.copytree(case.bundle.folder, tmp_path / "bundle")
    (folder / "manifest.json").unlink()
    manifest = case.bundle.manifest
    config = manifest["config"] | {"model": manifest["config"]["model"] | {"hidden": 24}}
    known = {key: manifest[key] for key in ("family", "schema", "data", "notes")}
    with pytest.raises(ArtifactError, match=r"weights\.safetensors: the weights do not fit the recipe"):
        case.predict(seal(folder, config=config, **known))


def test_other_features_are_refused(case: Case, tmp_path: Path, make_run: Run, tiny_examples: Path) -> None:
    with pytest.raises(DataError, match="the features are open, high"):
        case._replace(examples=tiny_examples).train(tmp_path / "bundle", make_run("other"))
    with pytest.raises(ArtifactError, match="trained on features"):
        case.predict(case.bundle, examples=tiny_examples)


def test_a_loss_that_is_no_number_stops_and_names_the_setting(case: Case, tmp_path: Path, make_run: Run) -> None:
    with pytest.raises(DivergedError, match=r"(epoch|validation) 1.*train\.lr \(was 1e\+30\)"):
        case.train(tmp_path / "bundle", make_run("wild"), lr=1e30)
    assert not (tmp_path / "bundle").exists()


def test_mixed_precision_and_a_batch_in_parts_train_too(case: Case, tmp_path: Path, make_run: Run) -> None:
    settings = {"precision": {"format": "bfloat16"}, "gradient": {"accumulate": 2}}
    bundle = case.train(tmp_path / "bundle", make_run("mixed"), **settings)
    assert bundle.digest != case.bundle.digest
    whole, cut = (read_json(item.path("history.json"))["val_loss"] for item in (case.bundle, bundle))
    np.testing.assert_allclose(cut, whole, rtol=0.1)
    weights = load_file(bundle.path("weights.safetensors"))
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_a_zone_without_a_window_is_named(case: Case, tmp_path: Path, make_run: Run) -> None:
    member = families.find(case.family)
    values = TINY | {
        "model": SIZES[case.family] | {"type": case.kind},
        "data": TINY["data"] | {"window": 90 if case.family == "regime" else 32},
    }
    config = member.config.parse(values, name="test")
    with pytest.raises(DataError, match=r"'validation' has no window of (90|32) bars and the 3 after it"):
        member.module("train").train(config, case.examples, tmp_path / "bundle", make_run("short"))


@pytest.mark.promise("S1-53")
def test_out_of_memory_says_batch_16(
    case: Case, tmp_path: Path, make_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.optim.AdamW, "step", full)
    with pytest.raises(OutOfMemoryError, match=r"train\.batch=64 does not fit into memory\. Use train\.batch=16"):
        case.train(tmp_path / "bundle", make_run("large"), batch=64)
