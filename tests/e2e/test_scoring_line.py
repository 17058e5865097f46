"""The scoring pipeline as a person runs it: first without a champion, then with one, then with a damaged one."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from judged import lay_down, make_verdict
from line import SMALL, TINY, Line

from components.core import bundle as bundles
from components.core.files import read_json
from components.core.workspace import Workspace
from components.families.price_action.predict import predict
from components.promote.promotion import derive, enter

pytestmark = [
    pytest.mark.slow,
]
SCORING = ("run", "price-action-scoring", "--source", SMALL)


def artifact(line: Line, run_key: str, step: str, name: str) -> Path:
    return next((line.root / "runs" / run_key / "artifacts").glob(f"*/{step}/{name}"))


def promoted(line: Line, folder: Path) -> str:
    """Make the bundle in ``folder`` champion by a verdict written for it, and return its digest."""
    workspace, bundle = Workspace.at(str(line.root)), bundles.load(folder)
    dataset, now = "synthetic_planted", datetime.now(UTC)
    verdict = make_verdict(bundle, dataset, examples_digest=bundle.manifest["data"]["examples"])
    judged = lay_down(folder.with_name("written"), verdict, workspace)
    enter(workspace, bundle, judged, dataset=dataset, run_key="k", clock=lambda: now)
    derive(workspace, "price_action", dataset)
    return bundle.digest


@pytest.mark.promise("S1-42", "S1-44", "S1-46", "S1-47")
def test_the_same_command_before_and_after_a_promotion_and_with_a_damaged_model(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    line = Line(tmp_path_factory.mktemp("root"))
    before = line.qf(*SCORING, "--run-key", "before")
    assert before.returncode == 0, before.stderr
    assert "2 windows of 2 symbols, newest bar 2024-12-31T00:00, by the baseline (no_model)" in before.stdout
    assert line.qf("run", "price-action", "--source", SMALL, "--run-key", "train", *TINY).returncode == 0
    digest = promoted(line, artifact(line, "train", "train", "bundle"))

    after = line.qf(*SCORING, "--run-key", "after", "--every-window")
    assert after.returncode == 0, after.stderr
    assert "by version 1, online store filled" in after.stdout
    facts = line.facts("after", "score")
    assert (facts["reason"], facts["bundle"]) == ("trained", digest)
    table = pq.read_table(artifact(line, "after", "score", "predictions") / "predictions.parquet").to_pandas()
    assert set(table["bundle"]) == {digest}
    assert "nothing to do" in line.qf(*SCORING, "--run-key", "after", "--every-window").stdout
    said_in_training_and_in_scoring(line, table.set_index(["symbol", "timestamp"]))

    champion = line.root / "models" / "price_action" / "synthetic_planted"
    graph = champion / read_json(champion / "latest.json")["folder"] / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    damaged = line.qf(*SCORING, "--run-key", "damaged")
    assert damaged.returncode == 0, damaged.stderr
    assert "by the baseline (load_failed)" in damaged.stdout
    log = (line.root / "runs" / "damaged" / "logs" / "score.log").read_text()
    assert "model.onnx: sha256 differs from the manifest" in log


def said_in_training_and_in_scoring(line: Line, table: Any) -> None:
    """The network, on the examples of the judged zone, and the graph, on the features of the same bars, agree."""
    bundle = bundles.load(artifact(line, "train", "train", "bundle"))
    examples = artifact(line, "train", "assemble", "examples")
    found = predict(bundle, examples, zone="test", threads=1)
    keys = list(zip(np.array(found.symbols)[found.symbol], found.timestamp, strict=True))
    assert len(keys) > 100
    in_zone = table.loc[[(symbol, np.datetime64(time).item().replace(tzinfo=UTC)) for symbol, time in keys]]
    np.testing.assert_allclose(in_zone["probability"].to_numpy(), found.probability, rtol=0, atol=1e-6)
