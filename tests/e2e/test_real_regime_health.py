"""Regime and health on real files, from ingest to predictions, beside a peer who says that nothing changes.

The numbers are logged (``--log-cli-level=INFO``), not promised: what is asserted is what chance would not give.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.assemble.examples import assemble
from components.core import family as families
from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.features.materialize import build_features
from components.ingest.snapshot import ingest
from components.trading.statistics import ranks

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]
NUM_CLASSES = 5

log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def features(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("real")
    ingest(
        str(shared_data / "real_sample.parquet"), symbols="", asof="2021-04-22", dataset="real", faults="quarantine",
        layout="", max_restated=0.001, context=str(shared_data), options="",
        out=str(root / "snapshot"), quality=str(root / "quality.html"), root=str(root), run_key="k",
    )  # fmt: skip
    build_features(str(root / "snapshot"), out=str(root / "features"), root=str(root), run_key="k")
    return root / "features"


def judged(features: Path, root: Path, name: str, *overrides: str) -> Any:
    """Return what a model of this family, trained on real examples, says of their test zone."""
    member = families.find(name)
    config = member.recipe("daily", (*overrides, "train.device=cpu"))
    assemble(str(features), name, config.canonical(), out=str(root / "examples"), root=str(root), run_key="k")
    run = RunContext("train", "k", Workspace.at(str(root)))
    bundle = member.module("train").train(config, root / "examples", root / "bundle", run)
    return member.module("predict").predict(bundle, root / "examples", zone="test", threads=1)


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_regimes_of_a_week_later(features: Path, tmp_path: Path, kind: str) -> None:
    found = judged(features, tmp_path, "regime", f"model.type={kind}")
    loss = -np.log(found.probability[np.arange(len(found.label)), found.label]).mean()
    accuracy = np.mean(found.probability.argmax(axis=1) == found.label)
    stays = np.mean(found.now == found.label)
    log.info("%s: log loss %.3f, accuracy %.3f, nothing changes %.3f", kind, loss, accuracy, stays)
    assert len(found.label) > 100
    assert np.isfinite(loss)
    assert loss < np.log(NUM_CLASSES)
    assert accuracy > 1 / NUM_CLASSES


@pytest.mark.parametrize("kind", ["autoencoder", "vae"])
def test_health_of_a_month_later(features: Path, tmp_path: Path, kind: str) -> None:
    quick = ("data.horizon=21", "train.epochs=3", "train.max_windows_per_epoch=8192")
    found = judged(features, tmp_path, "health", f"model.type={kind}", *quick)
    errors = {name: np.mean((said - found.label) ** 2) for name, said in (("ours", found.score), ("same", found.now))}
    together = np.corrcoef(ranks(found.score), ranks(found.label))[0, 1]
    log.info(
        "%s: squared error %s, rank correlation %.3f, reconstruction %.3f", kind, errors, together, found.error.mean()
    )
    assert len(found.label) > 10_000
    assert errors["ours"] < np.var(found.label)
    assert together > 0.2
    assert found.error.mean() < 1
