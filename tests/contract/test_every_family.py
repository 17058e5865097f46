"""What every discovered family keeps, whatever it models: one suite, and a new folder is in it at once."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.assemble.examples import assemble
from components.core import family as families
from components.core.bundle import Bundle
from components.core.errors import ArtifactError, InterruptedRunError, RecipeError
from components.core.family import Family
from components.core.files import read_json
from components.core.recipe import ForecastedDataConfig, RecipeConfig
from components.core.run_context import RunContext, Stop
from components.core.workspace import Workspace
from components.features.materialize import build_features
from components.ingest.snapshot import ingest
from components.learning.examples import read_examples
from components.market.views import FORECASTS_VIEW
from components.score.batch import predict as predict_panel
from components.serving.loader import Served, Windows, load
from components.serving.source import Answer, ModelSource
from components.validate.parity import judged_numbers

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
SOURCE = "synthetic://planted?symbols=3&days=700&seed=4"
TINY = (
    "data.window=6", "data.zones={train: 0.4, validation: 0.2, calibration: 0.15, test: 0.15, holdout: 0.1}",
    "train.epochs=2", "train.batch=16", "train.threads=1", "train.device=cpu",
)  # fmt: skip
NUM_EPOCHS = 150


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The features of a small market that fills every view which the families read."""
    root = tmp_path_factory.mktemp("features")
    run: dict[str, Any] = {"root": str(root), "run_key": "k"}
    ingest(
        SOURCE, symbols="", asof="", dataset="contract", faults="refuse", layout="", max_restated=0.0, context="",
        options="", out=str(root / "snapshot"), quality=str(root / "quality.html"), **run,
    )  # fmt: skip
    build_features(str(root / "snapshot"), out=str(root / "features"), **run)
    return root / "features"


def tiny(member: Family, *overrides: str) -> RecipeConfig:
    """Return the family's smoke recipe on short windows and labels near by."""
    smoke = member.recipe("smoke")
    horizon = f"data.horizon={min(smoke.data.horizon, 5)}"
    batched = "batch" in smoke.model_dump()["train"]  # who sees the whole history at once has no batches
    given = (word for word in TINY if batched or not word.startswith("train.batch"))
    return member.recipe("smoke", (*given, horizon, *overrides))


def among(chosen: Callable[[Family], bool]) -> pytest.MarkDecorator:
    """Ask a test of some families only: of those that serve a graph, or learn from windows themselves."""
    members = [member for member in families.every() if chosen(member)]
    return pytest.mark.parametrize("member", members, indirect=True, scope="module", ids=lambda member: member.name)


serving = among(lambda member: bool(member.outputs))
by_itself = among(lambda member: not member.starts_from)


@dataclass(frozen=True)
class Case:
    """One family with examples of its own, and the bundle that it starts from, if it does from one."""

    member: Family
    folder: Path
    examples: Path
    base: tuple[str, ...] = ()

    def train(self, name: str, *overrides: str, stop: Stop | None = None) -> Bundle:
        run = RunContext("train", name, Workspace.at(str(self.folder)), stop=Stop() if stop is None else stop)
        out, config = self.folder / f"{name}-bundle", tiny(self.member, *self.base, *overrides)
        made: Bundle = self.member.module("train").train(config, self.examples, out, run)
        return made


@pytest.fixture(scope="module", params=families.every(), ids=lambda member: member.name)
def member(request: pytest.FixtureRequest) -> Family:
    found: Family = request.param
    return found


def assembled(member: Family, features: Path, folder: Path, *overrides: str) -> Case:
    recipe = tiny(member, *overrides).canonical()
    assemble(str(features), member.name, recipe, out=str(folder / "examples"), root=str(folder), run_key="k")
    if not member.starts_from:
        return Case(member, folder, folder / "examples")
    base = assembled(families.find(member.starts_from), features, folder / member.starts_from).train("base")
    return Case(member, folder, folder / "examples", (f"{member.starts_from}={base.folder}",))


@pytest.fixture(scope="module")
def case(member: Family, features: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return assembled(member, features, tmp_path_factory.mktemp(member.name))


@pytest.fixture(scope="module")
def trained(case: Case) -> Bundle:
    return case.train("whole")


@pytest.fixture(scope="module")
def served(trained: Bundle) -> Served:
    return load(trained.folder, expect=trained.digest)


@pytest.fixture(scope="module")
def windows(case: Case) -> Windows:
    """Forty raw windows of the test zone."""
    data, config = read_examples(case.examples), tiny(case.member).data
    ends = data.windows("test", config.window, config.horizon)[:40]
    return data.panel.values[ends[:, 0, None], ends[:, 1, None] - np.arange(config.window)[::-1]]


def test_every_recipe_survives_its_own_text(member: Family) -> None:
    for name in member.recipes():
        recipe = member.recipe(name)
        again = member.config.parse_json(recipe.canonical(), name="again")
        assert again == recipe
        assert again.digest() == recipe.digest()
    with pytest.raises(RecipeError, match="unknown key"):
        tiny(member, "train.nonsense=1")


def test_who_reads_forecasts_says_who_makes_them(member: Family) -> None:
    settings = member.recipe(member.default_recipe).data
    assert isinstance(settings, ForecastedDataConfig) == (FORECASTS_VIEW in member.columns)


@pytest.mark.slow
def test_the_same_recipe_and_data_give_the_same_bits(case: Case, trained: Bundle) -> None:
    assert case.train("again").digest == trained.digest
    assert case.train("other", "seed=1").digest != trained.digest


class StopAfter(Stop):
    """Asks to stop at the 20th time that training looks."""

    left = 20

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.slow
def test_stopped_and_run_again_a_training_ends_in_the_same_bits(case: Case, trained: Bundle) -> None:
    digest, num_stops = "", 0
    while not digest:
        try:
            digest = case.train("stopped", stop=StopAfter()).digest
        except InterruptedRunError:
            num_stops += 1
    assert num_stops >= 1
    assert digest == trained.digest


@by_itself
@pytest.mark.slow
def test_a_few_windows_are_learned_by_heart(member: Family, features: Path, tmp_path: Path) -> None:
    stopping = "stopping.patience" if "stopping" in member.recipe("smoke").model_dump()["train"] else "patience"
    epochs = (f"train.epochs={NUM_EPOCHS}", f"train.{stopping}={NUM_EPOCHS}", "train.lr=0.001")
    bundle = assembled(member, features, tmp_path, "data.max_days=100").train("few", *epochs)
    losses = read_json(bundle.path("history.json"))["train_loss"]
    assert len(losses) == NUM_EPOCHS
    assert min(losses[-20:]) < 0.5 * losses[0], losses[::15]


@serving
@pytest.mark.slow
def test_the_answer_to_a_window_depends_on_no_other(served: Served, windows: Windows) -> None:
    whole = served.predict(windows)
    order = np.random.default_rng(0).permutation(len(windows))
    for name, values in served.predict(windows[order]).items():
        np.testing.assert_allclose(values, whole[name][order], rtol=1e-5, atol=1e-6)
    for name, values in served.predict(windows[[7]]).items():
        np.testing.assert_allclose(values[0], whole[name][7], rtol=1e-5, atol=1e-6)


@serving
@pytest.mark.slow
def test_no_answer_knows_what_comes_after_its_window(case: Case, served: Served) -> None:
    data, window = read_examples(case.examples), tiny(case.member).data.window
    cut = data.panel.present.shape[1] // 2
    later = data.panel.values.copy()
    later[:, cut:] *= 1.7
    ends = np.array([[0, end] for end in range(cut - 20, cut)])
    answer = Answer(served.predict, "trained", 1, served)
    before, after = (predict_panel(answer, values, ends, window) for values in (data.panel.values, later))
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name])
    moved = predict_panel(answer, later, ends + np.array([0, 20]), window)
    assert any(not np.array_equal(values, moved[name]) for name, values in before.items())


@serving
@pytest.mark.slow
def test_a_copied_bundle_says_the_same_and_an_altered_one_nothing(
    trained: Bundle, served: Served, windows: Windows, tmp_path: Path
) -> None:
    shutil.copytree(trained.folder, tmp_path / "copy")
    again = load(tmp_path / "copy", expect=trained.digest)
    for name, values in served.predict(windows).items():
        np.testing.assert_array_equal(values, again.predict(windows)[name])
    graph = tmp_path / "copy" / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(ArtifactError, match="sha256 differs"):
        load(tmp_path / "copy")


@serving
@pytest.mark.slow
def test_graph_and_network_give_the_judge_the_same_numbers(case: Case, trained: Bundle, served: Served) -> None:
    judged = case.member.module("predict").predict(trained, case.examples, zone="test", threads=1)
    data, config = read_examples(case.examples), tiny(case.member).data
    ends = data.windows("test", config.window, config.horizon)
    said = predict_panel(Answer(served.predict, "trained", 1, served), data.panel.values, ends, config.window)
    first = said[case.member.outputs[0].name]
    assert len(first) == judged.symbol.size >= 80
    np.testing.assert_allclose(first, judged_numbers(judged), atol=2e-5)


@serving
@pytest.mark.slow
def test_without_a_model_the_baseline_answers_in_the_same_shapes(
    case: Case, served: Served, windows: Windows, tmp_path: Path
) -> None:
    answer = ModelSource(str(tmp_path), case.member.name, "nowhere").current()
    assert answer.reason == "no_model"
    said, trained = answer.predict(windows), served.predict(windows)
    assert tuple(said) == tuple(trained) == tuple(output.name for output in case.member.outputs)
    for name, values in said.items():
        assert values.shape == trained[name].shape, name


@pytest.mark.slow
def test_training_does_not_open_the_sealed_holdout_and_prediction_does_where_it_is_asked(
    case: Case, trained: Bundle, tmp_path: Path
) -> None:
    sealed = shutil.copytree(case.examples, tmp_path / "examples")
    days = pq.read_table(sealed / "holdout.parquet")["timestamp"].to_numpy().astype("datetime64[us]")
    predict = case.member.module("predict").predict
    found, before = (predict(trained, sealed, zone=zone, threads=1) for zone in ("holdout", "test"))
    assert found.symbol.size > 10
    assert set(found.timestamp) <= set(days)
    assert before.timestamp.max() < days.min()
    (sealed / "holdout.parquet").unlink()
    assert replace(case, folder=tmp_path, examples=sealed).train("blind").digest == trained.digest
    assert predict(trained, sealed, zone="test", threads=1).symbol.size == before.symbol.size
    with pytest.raises(ArtifactError, match=r"holdout\.parquet: no such file"):
        predict(trained, sealed, zone="holdout", threads=1)
