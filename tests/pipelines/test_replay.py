"""A promoted version judged once more from the bars on: what was measured comes out again, what was made up not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from judged import lay_down, make_verdict

from cli.main import qf
from components.assemble.examples import assemble
from components.core import bundle as bundles
from components.core import family as families
from components.core import registry
from components.core.files import read_json
from components.core.lineage import EXAMPLES, carry
from components.core.run_context import RunContext
from components.core.verdict import Verdict
from components.core.workspace import Workspace
from components.features.materialize import features_of
from components.ingest.snapshot import ingest
from components.promote.promotion import enter
from components.train.fit import fit
from components.validate.judge import weigh
from pipelines.replay import Replay, replay

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")]
FAMILY, DATASET = "price_action", "toy"
SOURCE = "synthetic://planted?symbols=2&days=1500&seed=3"
TINY = (
    "train.epochs=1", "train.max_windows_per_epoch=128", "model.d_model=16", "model.feed_forward=32",
    "train.threads=1", "train.device=cpu",
)  # fmt: skip
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path]:
    """A workspace, and a folder with the examples and the bundle of a run whose snapshot is not kept."""
    folder = tmp_path_factory.mktemp("line")
    workspace = Workspace.at(str(folder / "root"))
    run = {"root": str(workspace.root), "run_key": "k"}
    settings: dict[str, Any] = dict.fromkeys(("symbols", "asof", "layout", "context", "options"), "")
    settings |= {"faults": "refuse", "dataset": DATASET, "max_restated": 0.0, "out": str(folder / "snapshot")}
    ingest(SOURCE, **settings, quality=str(folder / "quality.html"), **run)
    features_of(folder / "snapshot", folder / "features")
    recipe = families.find(FAMILY).recipe("smoke", TINY).canonical()
    assemble(str(folder / "features"), FAMILY, recipe, out=str(folder / "examples"), **run)
    fit(str(folder / "examples"), FAMILY, recipe, out=str(folder / "bundle"), **run)
    return workspace, folder


def measured(workspace: Workspace, folder: Path) -> Verdict:
    """Return the honest verdict."""
    member = families.find(FAMILY)
    config = member.recipe("smoke").judge
    run = RunContext("validate", "k", workspace, clock=lambda: NOW)
    bundle = bundles.load(folder / "bundle")
    return weigh(bundle, folder / "examples", run, config=config, family=member, champion=None).verdict


def promoted(workspace: Workspace, folder: Path, bundle: Path, verdict: Verdict) -> None:
    judged = lay_down(folder / "judged", verdict, workspace)
    carry(folder / "examples", EXAMPLES, judged)
    enter(workspace, bundles.load(bundle), judged, dataset=DATASET, run_key="k", clock=lambda: NOW)


def replayed(workspace: Workspace, folder: Path) -> Replay:
    history = registry.history(workspace, FAMILY, DATASET)
    return replay(workspace, history, history.version(None), folder)


def said(workspace: Workspace) -> Result:
    return CliRunner().invoke(qf, ["replay", "price-action", "--root", str(workspace.root)], standalone_mode=False)


def test_measured_numbers_come_out_again_to_the_last_bit_and_made_up_ones_do_not(
    trained: tuple[Workspace, Path], tmp_path: Path
) -> None:
    workspace, folder = trained
    honest = measured(workspace, folder)
    assert honest.verdict != "pass", "a network of one short epoch knows nothing"
    gates = make_verdict(bundles.load(folder / "bundle"), DATASET).gates
    promoted(workspace, folder, folder / "bundle", honest.model_copy(update={"verdict": "pass", "gates": gates}))
    found = replayed(workspace, tmp_path)
    metrics = [item for item in found.compared if item.name.startswith("metrics.")]
    assert len(metrics) > 10
    assert {item.difference for item in metrics} == {0.0}
    assert found.again is not None
    assert found.again.gates == honest.gates
    assert not found.same
    assert {item.name.partition(".")[0] for item in found.changed} == {"verdict", "gates"}
    result = said(workspace)
    assert result.return_value == 1
    assert "DIFFERS   verdict: was pass, is" in result.output
    assert "NOT THE SAME" in result.output


def test_examples_that_come_out_differently_are_not_judged(trained: tuple[Workspace, Path], tmp_path: Path) -> None:
    workspace, folder = trained
    (tmp_path / "bundle").mkdir()
    config = bundles.load(folder / "bundle").manifest["config"]
    manifest = read_json(folder / "examples" / "manifest.json")
    data = {"examples": "1" * 64}
    other = bundles.seal(tmp_path / "bundle", family=FAMILY, config=config, schema={}, data=data, notes={})
    named = {name: manifest[name] for name in ("features_digest", "snapshot_digest", "snapshot_seal")}
    before = registry.history(workspace, FAMILY, DATASET)
    verdict = make_verdict(other, DATASET, before, examples_digest="1" * 64, **named)
    judged = lay_down(tmp_path / "judged", verdict, workspace)
    (judged / EXAMPLES).write_text((folder / "examples" / "manifest.json").read_text().replace('"rows"', '"lines"'))
    (judged / "snapshot.json").write_bytes((folder / "snapshot" / "manifest.json").read_bytes())
    enter(workspace, other, judged, dataset=DATASET, run_key="k", clock=lambda: NOW)
    found = replayed(workspace, tmp_path / "again")
    assert found.again is None
    assert not found.same
    assert "rows" in {item.name for item in found.changed}
    result = said(workspace)
    assert result.return_value == 1
    assert "DIFFER" in result.output
