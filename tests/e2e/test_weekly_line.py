"""The weekly line of the twins as one command: on real stocks, and killed at any moment until it is through."""

import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from line import Line, kill, left_running
from twin_market import HORIZON, TICKERS, WINDOW, market_frame, write_examples, write_foundation

pytestmark = pytest.mark.slow
STEPS = ("ingest", "features", "assemble", "fine-tune-0", "fine-tune-1", "validate", "promote")
OUTCOMES = {"pass", "fail", "insufficient evidence"}
QUICK = (
    "--set", "judge.bootstrap_samples=100", "--set", f"data.window={WINDOW}", "--set", f"data.horizon={HORIZON}",
)  # fmt: skip


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A foundation with weights at random, which saw no market at all."""
    root = tmp_path_factory.mktemp("foundation")
    examples = write_examples(root / "examples", market_frame(TICKERS[:1]))
    seen: dict[str, Any] = {"seen_until": "2000-01-01T00:00:00+00:00"}
    return write_foundation(root / "bundle", examples, data=seen).folder


def left_behind(line: Line, key: str) -> dict[str, Any]:
    """Return what a week must leave, however often it was begun."""
    shards = [line.facts(key, f"fine-tune-{number}") for number in range(2)]
    twins = line.facts(key, "validate")["twins"]
    [log] = line.root.glob("logs/twins/*/*-W*.log")
    with sqlite3.connect(line.root / "mlflow" / "mlflow.db") as store:
        recorded = store.execute("select value from tags where key = 'qf.twin'").fetchall()
    return {
        "shards": [shard["digest"] for shard in shards],
        "tickers": sorted(ticker for shard in shards for ticker in shard["tickers"]),
        "twins": twins,
        "settled": line.facts(key, "promote")["twins"],
        "ledger": {str(path.relative_to(line.root)): path.read_bytes() for path in line.ledger()},
        "kept": sorted(path.name for path in (line.root / "twins").glob("*/*")),
        "logged": [text.split()[0] for text in log.read_text().splitlines()[1:]],
        "recorded": sorted(ticker for (ticker,) in recorded),
    }


@pytest.mark.realdata
@pytest.mark.promise("S0-32")
def test_real_stocks_are_judged_each_by_itself_and_a_second_run_trains_nothing(
    tmp_path: Path, shared_data: Path, foundation: Path
) -> None:
    line, tickers = Line(tmp_path), ["JPM", "KO", "XOM"]
    source = ("--source", str(shared_data / "real_sample.parquet"), "--symbols", ",".join(tickers))
    weekly = ("run", "weekly-twin-retraining", *source, *QUICK, "--set", f"foundation={foundation}")
    result = line.qf(*weekly, "--run-key", "one")
    assert result.returncode == 0, result.stdout + result.stderr
    found = left_behind(line, "one")
    assert found["tickers"] == found["kept"] == found["logged"] == tickers
    assert found["recorded"] == ["*", *tickers]  # the week itself, and each twin
    for ticker, twin in found["twins"].items():
        assert twin["outcome"] in OUTCOMES
        assert 0 < twin["mae"] < 0.2
        promoted = line.ledger(f"promotions/twin/real_sample.{ticker.lower()}")
        assert len(promoted) == (twin["outcome"] == "pass")
    assert "is not champion on real_sample: only the twins' own verdicts count" in result.stdout
    page = (line.root / "runs" / "one" / "report.html").read_text()
    assert all(f'<th scope="row">{ticker}</th>' in page for ticker in tickers)
    assert line.qf(*weekly, "--run-key", "two").returncode == 0
    assert [line.facts("two", f"fine-tune-{number}")["num_trained"] for number in range(2)] == [0, 0]
    again = left_behind(line, "two")
    for name in ("shards", "twins", "ledger", "kept"):
        assert again[name] == found[name]


def test_killed_at_any_moment_until_it_is_through_the_week_is_that_of_a_calm_one(
    tmp_path_factory: pytest.TempPathFactory, foundation: Path
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - a fault test says how to repeat it
    choice = random.Random(seed)
    source = "synthetic://planted?symbols=3&days=700&seed=4"
    weekly = (
        "run", "weekly-twin-retraining", "--run-key", "k", "--source", source, *QUICK,
        "--set", f"foundation={foundation}", "--set", "train.checkpoint_every_batches=2",
    )  # fmt: skip
    calm, killed = (Line(tmp_path_factory.mktemp(name)) for name in ("calm", "killed"))
    result = calm.qf(*weekly)
    assert result.returncode == 0, result.stdout + result.stderr
    for step in choice.sample(STEPS, 3):
        (killed.root / "runs" / "k" / "progress.jsonl").unlink(missing_ok=True)
        child = killed.start(*weekly)
        killed.wait_for("k", step, '"started"')
        time.sleep(choice.uniform(0, 2))
        kill(child)
        assert left_running(killed.root) == [], "a step outlived its caller"
        assert child.returncode in (0, -signal.SIGKILL)
    result = killed.qf(*weekly)
    assert result.returncode == 0, result.stdout + result.stderr
    assert left_behind(killed, "k") == left_behind(calm, "k")
