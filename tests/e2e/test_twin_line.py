"""The weekly line of the twins, step by step on a synthetic market: one verdict, one record and one file for each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from twin_market import recipe, write_foundation

from components.assemble.stocks import assemble_stocks
from components.core import bundle as bundles
from components.core.files import read_json
from components.core.verdict import VERDICT, read_verified
from components.core.workspace import Workspace
from components.features.materialize import build_features
from components.ingest.snapshot import ingest
from components.promote.twins import promote_twins
from components.train.fine_tune import fine_tune
from components.validate.twins import validate_twins

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]
SOURCE = "synthetic://planted?symbols=4&days=1000&seed=5"
DATASET = "line"
TICKERS = ("SYN000", "SYN001", "SYN002")
"""The list; SYN003 is in the market and not on it, and SYN009 on it and in no market."""


@dataclass(frozen=True)
class Week:
    """What one run of the line left behind."""

    root: Path
    workspace: Workspace
    shards: list[dict[str, Any]]
    verdicts: Path
    promoted: dict[str, Any]
    config: Any
    examples: Path


def run_week(root: Path, key: str, examples: Path, config: Any) -> Week:
    run = {"root": str(root), "run_key": key}
    text, out = config.canonical(), root / key
    shards = [
        fine_tune(str(examples), "twin", text, DATASET, shard=it, num_shards=2, out=str(out / f"shard{it}"), **run)
        for it in range(2)
    ]
    folders = [str(out / f"shard{it}") for it in range(2)]
    validate_twins(
        folders, str(examples), family="twin", recipe=text, out=str(out / "verdicts"),
        report=str(out / "report.html"), **run,
    )  # fmt: skip
    promoted = promote_twins(str(out / "verdicts"), "twin", DATASET, **run)
    return Week(root, Workspace.at(str(root)), shards, out / "verdicts", promoted, config, examples)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Week:
    root = tmp_path_factory.mktemp("line")
    run = {"root": str(root), "run_key": "first"}
    ingest(
        SOURCE, symbols="", asof="", dataset=DATASET, faults="refuse", layout="", max_restated=0.0, context="",
        options="", out=str(root / "snapshot"), quality=str(root / "quality.html"), **run,
    )  # fmt: skip
    build_features(str(root / "snapshot"), out=str(root / "features"), **run)
    first = recipe(judge={"bootstrap_samples": 50})
    tickers = ",".join((*TICKERS, "SYN009"))
    assemble_stocks(
        str(root / "features"), "twin", first.canonical(), tickers, out=str(root / "examples"), **run
    )  # fmt: skip
    foundation = write_foundation(root / "foundation", root / "examples" / TICKERS[0])
    config = recipe(judge={"bootstrap_samples": 50}, foundation=str(foundation.folder))
    return run_week(root, "first", root / "examples", config)


@pytest.mark.promise("S0-51")
def test_a_ticker_without_features_is_named_and_the_others_go_on(week: Week) -> None:
    told = read_json(week.examples / "stocks.json")
    assert list(told["stocks"]) == list(TICKERS)
    assert "SYN009 has no row of returns_v1. Ingest its bars" in told["left_out"]["SYN009"]
    assert [shard["num_twins"] for shard in week.shards] == [2, 1]


@pytest.mark.promise("S0-36")
@pytest.mark.promise("S0-37")
@pytest.mark.promise("S0-38")
@pytest.mark.promise("S0-62")
def test_each_twin_has_a_signed_verdict_with_its_numbers(week: Week) -> None:
    for ticker in TICKERS:
        verdict = read_verified(week.verdicts / ticker / "judged" / VERDICT, week.workspace.verify_key)
        bundle = bundles.load(week.verdicts / ticker / "bundle", expect=verdict.bundle_digest)
        assert bundle.manifest["schema"]["tickers"] == [ticker]
        assert verdict.dataset == f"line.{ticker.lower()}"
        assert verdict.examples_digest == read_json(week.examples / "stocks.json")["stocks"][ticker]
        asked = [gate.metric for gate in verdict.gates]
        assert "fleet_discovery" in asked
        assert "export_parity" not in asked
        value = {name: item.value for name, item in verdict.metrics.items()}
        assert 0 < value["mae"] < 0.1
        assert 0 <= value["hit_rate"] <= 1
        assert 0 <= value["regime_accuracy"] <= 1
        assert -0.5 < value["ab_foundation_saved"] < 0.5
        assert {item.zone for name, item in verdict.metrics.items() if name.startswith("ab_")} == {"test"}


@pytest.mark.promise("S0-41")
@pytest.mark.promise("S0-42")
@pytest.mark.promise("S0-59")
@pytest.mark.promise("S0-61")
@pytest.mark.promise("S0-43")
def test_the_week_is_on_record_twin_by_twin(week: Week) -> None:
    store = mlflow.MlflowClient(week.workspace.mlflow_uri)
    experiment = store.get_experiment_by_name("weekly-twin-retraining")
    assert experiment is not None
    runs = store.search_runs([experiment.experiment_id])
    children = {run.data.tags["qf.twin"]: run for run in runs if "mlflow.parentRunId" in run.data.tags}
    assert sorted(children) == list(TICKERS)
    assert len(runs) == len(TICKERS) + 1
    for ticker, run in children.items():
        [twin] = read_json(week.verdicts / ticker / "bundle" / "twins.json")["twins"]
        curve = store.get_metric_history(run.info.run_id, "eval/loss")
        assert [point.value for point in curve] == twin["history"]["val_loss"]
        assert run.data.tags["qf.version"]
        assert run.data.metrics["test/mae"] > 0
    [log] = (week.root / "logs" / "twins" / DATASET).glob("*-W*.log")
    lines = log.read_text().splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(TICKERS)


def test_the_same_week_again_trains_nothing_and_records_nothing_twice(week: Week) -> None:
    again = run_week(week.root, "first", week.examples, week.config)
    other = run_week(week.root, "second", week.examples, week.config)
    for shard, first in zip(again.shards + other.shards, week.shards * 2, strict=True):
        assert shard["num_trained"] == 0
        assert shard["digest"] == first["digest"]
    store = mlflow.MlflowClient(week.workspace.mlflow_uri)
    experiment = store.get_experiment_by_name("weekly-twin-retraining")
    assert experiment is not None
    tags = [run.data.tags for run in store.search_runs([experiment.experiment_id])]
    assert sorted(tag["qf.run_key"] for tag in tags) == ["first"] * 4 + ["second"] * 4
