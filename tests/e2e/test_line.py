"""The whole line on tiny settings: what is left behind, what a second run does, what bad input does."""

import json
import sqlite3
from pathlib import Path

import pytest
from line import SMALL, TINY, Line
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from components.core import bundle


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return Line(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def first(line: Line) -> str:
    result = line.qf("run", "price-action", "--source", SMALL, "--run-key", "first", *TINY)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_each_step_has_its_line_and_the_end_has_its_summary(first: str) -> None:
    for step in ("ingest", "features", "assemble", "train", "validate", "promote"):
        assert f"* {step}" in first
    for word in ("data", "features", "test zone", "Gates", "verdict", "registry", "report", "mlflow ui"):
        assert word in first
    assert "epoch 2/2" in first


def test_the_run_folder_holds_logs_report_and_a_sealed_bundle(line: Line, first: str) -> None:
    folder = line.root / "runs" / "first"
    assert {path.name for path in (folder / "logs").iterdir()} >= {"ingest.log", "train.log", "promote.log"}
    assert "<html" in (folder / "report.html").read_text()
    [sealed] = folder.glob("artifacts/*/train/bundle")
    assert bundle.load(sealed).digest == line.facts("first", "train")["digest"]


def test_kubeflow_gets_page_summary_numbers_and_curves_of_the_verdict(line: Line, first: str) -> None:
    [output] = (line.root / "runs" / "first").glob("artifacts/*/validate/executor_output.json")
    given = {name: item["artifacts"][0] for name, item in json.loads(output.read_text())["artifacts"].items()}
    facts = line.facts("first", "validate")
    assert Path(given["report"]["uri"]).read_text() == (line.root / "runs" / "first" / "report.html").read_text()
    assert f": {facts['outcome']}\n" in Path(given["summary"]["uri"]).read_text()
    assert given["metrics"]["metadata"]["auc"] == facts["metrics"]["auc"]
    assert not [name for name in given["metrics"]["metadata"] if "." in name]
    curves = given["classification"]["metadata"]
    counts = [row["row"] for row in curves["confusionMatrix"]["rows"]]
    assert sum(map(sum, counts)) == facts["metrics"]["rows"]
    assert counts[0][0] + counts[1][0] == facts["metrics"]["signals"]
    points = curves["confidenceMetrics"]
    assert (points[0]["recall"], points[-1]["falsePositiveRate"]) == (0, 1)
    assert len(points) <= 101


def test_the_model_card_of_a_run_is_made_again_byte_for_byte(line: Line, first: str) -> None:
    folder = Path(line.facts("first", "validate")["folder"])
    assert line.qf("card", "first").stdout == (folder / "model_card.md").read_text()
    assert line.qf("card", "first", "-o", "json").stdout == (folder / "model_card.json").read_text()
    unknown = line.qf("card", "second")
    assert unknown.returncode == 64
    assert "'second': no family, and no run" in unknown.stderr


def test_mlflow_holds_the_judged_model_whatever_the_verdict(line: Line, first: str) -> None:
    with sqlite3.connect(line.root / "mlflow" / "mlflow.db") as store:
        tags = dict(store.execute("select key, value from tags").fetchall())
    assert tags["qf.run_key"] == "first"
    assert tags["qf.bundle"] == line.facts("first", "train")["digest"]
    assert tags["qf.verdict"] == line.facts("first", "validate")["outcome"]


@pytest.mark.promise("S2-01")
def test_mlflow_holds_losses_and_profit_of_each_epoch_as_tensorboard_shows_them(line: Line, first: str) -> None:
    events = EventAccumulator(str(line.root / "runs" / "first" / "tensorboard")).Reload()
    shown = {(tag, point.step): point.value for tag in events.Tags()["scalars"] for point in events.Scalars(tag)}
    with sqlite3.connect(line.root / "mlflow" / "mlflow.db") as store:
        held = {(tag, step): value for tag, step, value in store.execute("select key, step, value from metrics")}
    assert {key: held[key] for key in shown} == pytest.approx(shown, rel=1e-6)
    for tag in ("train/loss", "eval/loss", "profit/total_return", "profit/num_trades", "profit/pnl"):
        assert {step for name, step in shown if name == tag} == {1, 2}


def test_the_same_key_again_does_nothing(line: Line, first: str) -> None:
    before = line.facts("first", "train")
    result = line.qf("run", "price-action", "--source", SMALL, "--run-key", "first", *TINY)
    assert result.returncode == 0
    assert "nothing to do" in result.stdout
    assert line.facts("first", "train") == before


@pytest.mark.slow
def test_another_root_gives_the_same_digests(line: Line, first: str, tmp_path: Path) -> None:
    other = Line(tmp_path)
    result = other.qf("run", "price-action", "--source", SMALL, "--run-key", "again", *TINY)
    assert result.returncode == 0, result.stderr
    for step in ("ingest", "features", "assemble", "train"):
        assert other.facts("again", step)["digest"] == line.facts("first", step)["digest"]


def bad_csv(folder: Path) -> str:
    path = folder / "bars.csv"
    path.write_text("symbol,date,open,high,low,close,volume\nAAA,2024-01-02,10,9,8,9,100\n")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "price-action", "--source", "nowhere.parquet"), 65, ("nowhere.parquet", "no such file")),
        (("run", "price-action", "--source", "BAD_CSV"), 65, ("bars.csv", "row 1", "column")),
        (("run", "price-action", "--symbols", "../../x"), 65, ("symbol", "not allowed")),
        (("run", "price-action", "--set", "train.epohcs=3"), 65, ("train.epohcs", "unknown key")),
        (("run", "price-action", "--set", "train.lr=fast"), 65, ("train.lr", "was 'fast'")),
        (("run", "price-action", "--recipe", "nowhere.yaml"), 65, ("nowhere.yaml", "no such recipe")),
        (("run", "price-action", "--run-key", "../x"), 64, ("run key", "../x")),
        (("run", "price-action", "--asof", "2021-04-21T10:00"), 64, ("--asof", "time zone")),
        (("run", "price-action", "--source", "synthetic://planet"), 64, ("planet", "planted")),
        (("run", "price-axion"), 64, ("price-axion", "price-action")),
        (("run", "price-action", "--nope"), 64, ("--nope",)),
        (("rollback", "price-action"), 64, ("dataset",)),
    ],
)
def test_bad_input_is_one_named_error_and_leaves_no_trace(
    line: Line, first: str, tmp_path: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    before = [path.read_bytes() for path in line.ledger()]
    result = line.qf(*(bad_csv(tmp_path) if word == "BAD_CSV" else word for word in arguments))
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr
    assert [path.read_bytes() for path in line.ledger()] == before
