"""The whole line on tiny settings: what is left behind, what a second run does, what bad input does."""

import sqlite3
from pathlib import Path

import pytest
from line import SMALL, TINY, Line

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


def test_mlflow_holds_the_judged_model_whatever_the_verdict(line: Line, first: str) -> None:
    with sqlite3.connect(line.root / "mlflow" / "mlflow.db") as store:
        tags = dict(store.execute("select key, value from tags").fetchall())
    assert tags["qf.run_key"] == "first"
    assert tags["qf.bundle"] == line.facts("first", "train")["digest"]
    assert tags["qf.verdict"] == line.facts("first", "validate")["outcome"]


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
