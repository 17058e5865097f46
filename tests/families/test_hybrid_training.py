"""Training the hybrid network: the same bits however it was stopped or fed, what it leaves behind, what it learns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from captum.attr import ShapleyValueSampling
from hybrid_market import raw_rows, tiny, write
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from components.core.bundle import Bundle
from components.core.errors import DataError, EnvironmentMissingError, InterruptedRunError, RecipeError
from components.core.files import read_json
from components.core.run_context import RunContext, Stop
from components.families.hybrid import FAMILY, INPUTS
from components.families.hybrid.config import METRICS, HybridConfig
from components.families.hybrid.model import OUTPUTS, HybridNetwork
from components.families.hybrid.predict import load_model, predict, said_of
from components.families.hybrid.train import fit, make_model, targets_of, train
from components.learning.examples import read_examples
from components.learning.reproducible import choose_device, reproducible
from components.learning.zones import load_zones, raw_windows, zone_of
from components.market.columns import ACTIONS
from components.serving import loader as serving
from components.validate.attribution import attribute
from components.validate.shapley import explain

Run = Callable[[str], RunContext]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hybrid") / "examples", raw_rows(4, 260, seed=3))


@pytest.fixture(scope="module")
def whole(
    examples: Path, tmp_path_factory: pytest.TempPathFactory, run_in: Callable[[Path, str], RunContext]
) -> tuple[Bundle, RunContext]:
    root = tmp_path_factory.mktemp("whole")
    run = run_in(root, "whole")
    snapshots = {"every_epochs": 2}
    return train(tiny(train={"snapshots": snapshots}), examples, root / "bundle", run), run


class StopAfter(Stop):
    """Asks to stop at the ``polls``-th time that training looks."""

    def __init__(self, polls: int) -> None:
        super().__init__()
        self.left = polls

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


class Fitted(NamedTuple):
    """A training without its bundle, whose graph costs more than all its steps."""

    model: HybridNetwork
    best_epoch: int
    history: dict[str, list[float]]

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return self.model.state_dict()


def fitted(config: HybridConfig, examples: Path, run: RunContext) -> Fitted:
    data = read_examples(examples)
    with reproducible(seed=config.seed, threads=1):
        zones = load_zones(data, config.data, torch.device("cpu"), pin_memory=False)
        model = make_model(config, data, zones)
        return Fitted(model, *fit(config, model, data, zones, run))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_stopped_again_and_again_and_fed_by_threads_a_training_ends_in_the_same_bits(
    accumulate: int, examples: Path, make_run: Run
) -> None:
    gradient = {"accumulate": accumulate}
    straight = fitted(tiny(train={"gradient": gradient}), examples, make_run("straight"))
    run, config = make_run("stopped"), tiny(train={"gradient": gradient, "workers": 3})
    stopped, stops = None, 0
    while stopped is None:
        try:
            stopped = fitted(config, examples, RunContext(run.step, run.run_key, run.workspace, stop=StopAfter(7)))
        except InterruptedRunError:
            stops += 1
            assert stops < 50
    assert stops > 1
    assert stopped.history == straight.history
    for name, tensor in straight.weights.items():
        assert torch.equal(tensor, stopped.weights[name]), name


def test_the_bundle_holds_data_only_and_says_what_was_asked(whole: tuple[Bundle, RunContext]) -> None:
    bundle, _ = whole
    files = {"weights.safetensors", "model.onnx", "scaler.json", "model.json", "history.json", "attention.json"}
    assert set(bundle.manifest["files"]) == files
    facts = read_json(bundle.path("model.json"))
    assert (facts["model_type"], facts["labeller"]) == ("hybrid_cnn_lstm", "action_v1")
    assert facts["classes"] == list(ACTIONS)
    assert bundle.manifest["data"]["labeller"] == "action_v1"


@pytest.mark.promise("S4-45")
@pytest.mark.promise("S4-58")
def test_every_metric_and_the_gradient_norm_of_each_epoch_is_recorded(whole: tuple[Bundle, RunContext]) -> None:
    bundle, run = whole
    history = read_json(bundle.path("history.json"))
    assert set(history) == {"train_loss", "val_loss", *(f"val_{name}" for name in METRICS)}
    assert {len(values) for values in history.values()} == {3}
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    for name in METRICS:
        recorded = [point.value for point in events.Scalars(f"eval/{name}")]
        assert recorded == pytest.approx(history[f"val_{name}"], rel=1e-6)
    norms = [point.value for point in events.Scalars("train/gradient_norm")]
    assert len(norms) == 3
    assert min(norms) > 0
    spooled = (run.folder / "metrics.jsonl").read_text(encoding="utf-8")
    assert spooled.count("eval/sharpe_ratio") == 3
    assert spooled.count("step/gradient_norm") == 15


@pytest.mark.promise("S4-55")
@pytest.mark.promise("S4-56")
def test_weights_are_kept_every_so_many_epochs_or_those_of_the_best(
    whole: tuple[Bundle, RunContext], examples: Path, make_run: Run
) -> None:
    assert FAMILY.recipe("daily").train.snapshots.every_epochs == 10
    bundle, run = whole
    losses = read_json(bundle.path("history.json"))["val_loss"]
    [kept] = (run.folder / "snapshots").iterdir()
    assert kept.name == f"epoch-002-val_loss-{losses[1]:.4f}.safetensors"
    assert load_file(kept).keys() == load_file(bundle.path("weights.safetensors")).keys()
    settings = {"snapshots": {"every_epochs": 1, "best_only": True}, "lr": 0.1}
    other = make_run("best")
    made = fitted(tiny(train=settings), examples, other)
    files = sorted((other.folder / "snapshots").iterdir())
    gains = [
        epoch for epoch in range(1, 4) if made.history["val_loss"][epoch - 1] == min(made.history["val_loss"][:epoch])
    ]
    assert [path.name[:9] for path in files] == [f"epoch-{epoch:03d}" for epoch in gains]
    for name, tensor in load_file(files[-1]).items():
        assert torch.equal(made.weights[name], tensor), name


@pytest.mark.promise("S4-101")
def test_attention_maps_are_a_file_of_the_bundle(whole: tuple[Bundle, RunContext], examples: Path) -> None:
    bundle, _ = whole
    maps = read_json(bundle.path("attention.json"))
    over_time, fusion = np.array(maps["over_time"]), np.array(maps["fusion"])
    assert (over_time.shape, fusion.shape) == ((8, 8), (8,))
    np.testing.assert_allclose(over_time.sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(fusion.sum(), 1, atol=1e-4)
    data, (config, model) = read_examples(examples), load_model(bundle)
    ends = data.windows("validation", config.data.window, 1)
    chosen = ends[np.linspace(0, len(ends) - 1, maps["windows"]).astype(int)]
    with torch.inference_mode():
        weights = model(torch.from_numpy(data.raw_windows(chosen, 8)))[2].mean(dim=0)
    np.testing.assert_allclose(fusion, weights.numpy(), atol=1e-4)


@pytest.mark.promise("S4-59")
@pytest.mark.promise("S4-103")
@pytest.mark.promise("S4-104")
def test_the_graph_has_named_inputs_and_outputs_and_says_what_the_network_says(
    whole: tuple[Bundle, RunContext], examples: Path
) -> None:
    bundle, _ = whole
    graph = onnx.load(bundle.path("model.onnx")).graph
    assert [item.name for item in graph.input] == ["windows"]
    assert [item.name for item in graph.output] == list(OUTPUTS)
    assert {"Conv", "LSTM", "Softmax", "BatchNormalization"} <= {node.op_type for node in graph.node}
    assert not [path for path in bundle.folder.iterdir() if path.suffix in (".pt", ".pth", ".ts")]
    served, (_, model) = serving.load(bundle.folder), load_model(bundle)
    windows = read_examples(examples).panel.values[0, 100:140].reshape(5, 8, -1)
    said = served.predict(windows)
    with torch.inference_mode():
        for name, theirs in zip(OUTPUTS, model(torch.from_numpy(windows)), strict=True):
            np.testing.assert_allclose(said[name], theirs.numpy(), atol=1e-5, err_msg=name)


def test_predictions_are_those_of_one_window_at_a_time(whole: tuple[Bundle, RunContext], examples: Path) -> None:
    bundle, _ = whole
    found, data = predict(bundle, examples, zone="test", threads=1), read_examples(examples)
    assert np.array_equal(np.lexsort((found.symbol, found.timestamp)), np.arange(len(found.label)))
    np.testing.assert_allclose(found.probability.sum(axis=1), 1, atol=1e-12)
    _, model = load_model(bundle)
    for row in range(0, len(found.label), 23):
        end = int(np.flatnonzero(data.panel.timestamps == found.timestamp[row])[0])
        window = torch.from_numpy(data.panel.values[found.symbol[row], None, end - 7 : end + 1])
        with torch.inference_mode():
            np.testing.assert_allclose(found.probability[row], model(window)[0][0].numpy(), atol=2e-6)
        assert found.label[row] == data.label[found.symbol[row], end]
        assert found.now[row] == data.label[found.symbol[row], end - 1]
    assert len(predict(bundle, examples, zone="holdout", threads=1).label) == 0


def test_a_planted_signal_is_found_out_of_sample(tmp_path: Path, make_run: Run) -> None:
    folder = write(tmp_path / "examples", raw_rows(6, 500, seed=1))
    newest = {"time_shift_max": 0}  # all news is in the newest bar, which a shift would drop
    settings = {"epochs": 8, "lr": 0.01, "max_windows_per_epoch": 640, "augmentation": newest}
    config = tiny(train=settings)
    model = fitted(config, folder, make_run("planted")).model
    data, cpu = read_examples(folder), torch.device("cpu")
    zone = zone_of(data, "test", config.data, cpu)
    said = said_of(model, raw_windows(data, config.data.window, cpu), zone.ends)
    targets = targets_of(data, zone.ends)
    right = said.chance.argmax(axis=1) == targets.label.numpy()
    assert right.mean() > 0.5
    assert np.mean(zone.now.numpy() == zone.label.numpy()) < 0.42
    assert np.corrcoef(said.move, targets.move.numpy())[0, 1] > 0.4


def test_channels_that_the_recipe_does_not_expect_are_named(examples: Path, tmp_path: Path, make_run: Run) -> None:
    config = tiny()
    cnn = config.model.cnn.model_copy(update={"input_channels": 5})
    wrong = config.model_copy(update={"model": config.model.model_copy(update={"cnn": cnn})})
    with pytest.raises(RecipeError, match="input_channels is 5, the features have 15 columns: open, high"):
        train(wrong, examples, tmp_path / "out", make_run("five"))


def test_features_of_another_family_are_refused(tiny_examples: Path, tmp_path: Path, make_run: Run) -> None:
    with pytest.raises(DataError, match="the features are open, high"):
        train(tiny(), tiny_examples, tmp_path / "out", make_run("other"))


@pytest.mark.promise("S4-02")
@pytest.mark.promise("S4-48")
def test_a_gpu_is_taken_where_there_is_one_and_asked_for_in_vain_elsewhere() -> None:
    has_gpu = torch.cuda.is_available()
    assert choose_device("auto").type == ("cuda" if has_gpu else "cpu")
    assert choose_device("cpu").type == "cpu"
    if not has_gpu:
        with pytest.raises(EnvironmentMissingError, match=r"train\.device is 'cuda' but torch sees no GPU"):
            choose_device("cuda")


@pytest.mark.promise("S4-102")
def test_every_feature_has_a_worth_on_the_test_zone(examples: Path, whole: tuple[Bundle, RunContext]) -> None:
    found = attribute(whole[0], examples, zone="test", seed=0, threads=1)
    assert found is not None
    assert found.features == INPUTS
    assert (found.unit, found.worth.shape) == ("nats", (15,))
    names = found.measurements("test")
    assert {f"importance.{name}" for name in INPUTS} <= set(names)
    assert {item.zone for item in names.values()} == {"test"}
    for decision in found.decisions:
        assert decision.said in ACTIONS
        assert decision.added.sum() == pytest.approx(decision.value - decision.usual, abs=1e-6)


@pytest.mark.promise("S4-100")
def test_what_each_feature_adds_to_a_prediction_is_what_captum_says(
    examples: Path, whole: tuple[Bundle, RunContext]
) -> None:
    data, served = read_examples(examples), serving.load(whole[0].folder)
    _, model = load_model(whole[0])
    ends = data.windows("test", 8, 1)
    window, other = data.raw_windows(ends[[40, 8]], 8)
    num_draws, rng = 400, np.random.default_rng(0)
    ours = explain(served, data, ends[40], window, others=np.repeat(other[None], num_draws, axis=0), rng=rng)
    column = ACTIONS.index(ours.said)
    torch.manual_seed(0)
    with torch.no_grad():
        theirs = ShapleyValueSampling(lambda rows: model(rows)[0][:, column]).attribute(
            torch.from_numpy(window)[None], baselines=torch.from_numpy(other)[None],
            feature_mask=torch.arange(15)[None, None, :], n_samples=num_draws, perturbations_per_eval=64,
        )[0, 0].numpy()  # fmt: skip
    assert theirs.sum() == pytest.approx(ours.value - ours.usual, abs=1e-5)
    np.testing.assert_allclose(ours.added, theirs, atol=float(5 * np.hypot(ours.error, ours.error).max()) + 1e-6)
    assert np.abs(theirs).max() > 5 * ours.error.max()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own modules
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # the compiler looks at all it traces
@pytest.mark.promise("S4-98")
def test_a_compiled_network_trains_to_about_the_same_weights(examples: Path, make_run: Run) -> None:
    speed = FAMILY.recipe("speed").train
    assert (speed.compile, speed.workers, speed.precision.format) == (True, 4, "gpu")
    torch._dynamo.reset()
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    still: dict[str, Any] = {"augmentation": {"noise_std": 0.0, "time_shift_max": 0, "magnitude_warp": False}}
    quiet = {
        "dropout": 0.0, "cnn": {"hidden_dim": 16, "num_heads": 2, "dropout": 0.0},
        "lstm": {"hidden_dim": 8, "dropout": 0.0}, "fusion": {"num_heads": 2, "output_dim": 16, "dropout": 0.0},
    }  # fmt: skip
    plain, compiled = (
        fitted(
            tiny(model=quiet, train=still | {"compile": kind, "workers": 4 * kind}), examples, make_run(f"c{kind:d}")
        )
        for kind in (False, True)
    )
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before
    np.testing.assert_allclose(compiled.history["val_loss"], plain.history["val_loss"], rtol=1e-3)
