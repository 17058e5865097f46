"""From a promoted version back to the raw file: every link is there, and one that is broken is named."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from judged import lay_down, make_verdict

from cli.main import qf
from components.assemble.examples import assemble
from components.core import bundle as bundles
from components.core import family as families
from components.core import registry
from components.core.files import read_json, sha256_of
from components.core.lineage import EXAMPLES, carry
from components.core.registry import Promotion
from components.core.workspace import Workspace
from components.features.materialize import features_of
from components.ingest.snapshot import ingest
from components.market.companions import CONTEXT_FILES
from components.market.synthetic import MarketSpec, market
from components.market.synthetic_context import synthetic_context
from components.promote.promotion import enter
from pipelines.lineage import Link, lineage

FAMILY, DATASET = "price_action", "file"
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


@dataclass(frozen=True)
class Past:
    """A promoted version, all that it came from, and the file of bars that it began with."""

    workspace: Workspace
    raw: Path
    days: int

    @property
    def promotion(self) -> Promotion:
        return registry.history(self.workspace, FAMILY, DATASET).version(None)

    def links(self) -> list[Link]:
        return list(lineage(self.workspace, self.promotion))

    def broken(self) -> list[str]:
        return [link.name for link in self.links() if link.broken]


def written_bars(path: Path, days: int) -> None:
    bars = market(MarketSpec(symbols=1, days=500)).slice(0, days).drop_columns(["known_at"])
    pq.write_table(bars.set_column(1, "date", bars["timestamp"].cast(pa.date32())), path)


def written_context(folder: Path) -> Path:
    folder.mkdir()
    for name, table in synthetic_context(MarketSpec(symbols=1, days=500)).items():
        pq.write_table(table, folder / name)
    return folder


def ingested(workspace: Workspace, raw: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    settings: dict[str, Any] = dict.fromkeys(("symbols", "asof", "layout", "options"), "")
    settings |= {"context": str(raw.parent / "context")}
    settings |= {"faults": "refuse", "dataset": DATASET, "max_restated": 0.0, "run_key": f"run-{folder.name}"}
    places = {"out": str(folder / "snapshot"), "quality": str(folder / "quality.html"), "root": str(workspace.root)}
    ingest(str(raw), **settings, **places)
    return folder / "snapshot"


def assembled(workspace: Workspace, snapshot: Path, folder: Path) -> Path:
    features_of(snapshot, folder / "features")
    recipe = families.find(FAMILY).recipe("smoke").canonical()
    run = {"root": str(workspace.root), "run_key": "k"}
    assemble(str(folder / "features"), FAMILY, recipe, out=str(folder / "examples"), **run)
    return folder / "examples"


@pytest.fixture
def past(tmp_path: Path) -> Past:
    workspace, raw = Workspace.at(str(tmp_path / "root")), tmp_path / "bars.parquet"
    written_context(tmp_path / "context")
    for days in (400, 450):
        written_bars(raw, days)
        snapshot = ingested(workspace, raw, tmp_path / str(days))
    examples = assembled(workspace, snapshot, tmp_path / "last")
    manifest = read_json(examples / "manifest.json")
    (tmp_path / "bundle").mkdir()
    config = json.loads(families.find(FAMILY).recipe("smoke").canonical())
    data = {"examples": manifest["digest"]}
    bundle = bundles.seal(tmp_path / "bundle", family=FAMILY, config=config, schema={}, data=data, notes={})
    named = {name: manifest[name] for name in ("features_digest", "snapshot_digest", "snapshot_seal")}
    verdict = make_verdict(bundle, DATASET, examples_digest=manifest["digest"], **named)
    judged = lay_down(tmp_path / "judged", verdict, workspace)
    carry(examples, EXAMPLES, judged)
    enter(workspace, bundle, judged, dataset=DATASET, run_key="k", clock=lambda: datetime(2026, 1, 5, tzinfo=UTC))
    return Past(workspace, raw, 450)


def test_the_way_back_to_the_raw_file_is_whole(past: Past) -> None:
    links = past.links()
    assert [link.name for link in links] == [
        "verdict", "bundle", "recipe", "code", "examples", "features", "snapshot", *["file"] * 4, "kept",
        *["raw file"] * 4, "earlier", *["raw file"] * 4,
    ]  # fmt: skip
    assert past.broken() == []
    raw = [link for link in links if link.name == "raw file"]
    assert raw[0].digest == sha256_of(past.raw)
    assert raw[0].note == f"{past.raw}, 450 rows, unchanged"
    assert raw[4].note == f"{past.raw}, 400 rows, changed since"
    context = past.raw.parent / "context"
    assert [link.digest for link in raw[1:4]] == [sha256_of(context / name) for name in CONTEXT_FILES]
    result = CliRunner().invoke(qf, ["lineage", "price-action", "--root", str(past.workspace.root)])
    assert result.exit_code == 0, result.output
    assert all(link.digest in result.output for link in links)


def test_a_raw_file_that_is_gone_breaks_nothing(past: Past) -> None:
    past.raw.unlink()
    assert past.broken() == []
    assert next(link.note for link in past.links() if link.name == "raw file").endswith("450 rows, no longer here")


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_each_broken_link_is_named_and_exits_65(past: Past) -> None:
    evidence, store = past.promotion.evidence, past.workspace.snapshots(DATASET)
    newest = read_json(evidence / "snapshot.json")
    cases = [
        (evidence / "verdict.json", '"because"', '"why not"', ["verdict"]),
        (
            evidence / "examples.json",
            '"rows": ',
            '"symbols": [\n    "ZZZ"',
            ["examples"],
        ),
        (evidence / "features.json", newest["digest"], "0" * 64, ["features"]),
        (evidence / "snapshot.json", f'"rows": {newest["rows"]}', '"rows": 1', ["snapshot"]),
        (store / newest["digest"] / "manifest.json", f'"rows": {newest["rows"]}', '"rows": 1', ["kept"]),
        (store / newest["increment"]["previous"] / "manifest.json", '"format": 2', '"format": 9', ["earlier"]),
    ]
    for path, old, new, named in cases:
        before = path.read_bytes()
        changed(path, old, new)
        assert past.broken() == named, path
        result = CliRunner().invoke(qf, ["lineage", "price-action", "--root", str(past.workspace.root)])
        assert f"BAD {named[0]}" in result.output
        assert str(result.exception) == f"1 broken link(s): {named[0]}"
        path.write_bytes(before)
    assert past.broken() == []


def test_an_altered_bundle_breaks_what_is_read_from_it(past: Past) -> None:
    changed(past.promotion.folder / "manifest.json", '"seed": 0', '"seed": 1')
    assert past.broken() == ["bundle", "recipe", "code", "examples"]


def test_a_version_that_never_was_is_told_which_there_are(past: Past) -> None:
    result = CliRunner().invoke(qf, ["lineage", "price-action", "7", "--root", str(past.workspace.root)])
    assert str(result.exception) == "price_action on file: no version 7. There is 1"
