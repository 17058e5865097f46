"""Real candles through the whole line: any verdict is a result; a crash is not."""

from pathlib import Path

import pandas as pd
import pytest
from line import Line

pytestmark = [pytest.mark.realdata, pytest.mark.slow]
QUICK = (
    "--recipe", "smoke", "--set", "train.epochs=1", "--set", "model.d_model=16", "--set", "model.feed_forward=32",
    "--set", "judge.bootstrap_samples=200",
)  # fmt: skip
OUTCOMES = {"pass", "fail", "insufficient evidence"}


def judged(line: Line, run_key: str) -> None:
    facts = line.facts(run_key, "validate")
    assert facts["outcome"] in OUTCOMES
    assert all(gate["reason"] for gate in facts["gates"])
    assert facts["reason"] in (line.root / "runs" / run_key / "report.html").read_text().replace("&#x27;", "'")
    assert line.facts(run_key, "promote")["outcome"] == ("promoted" if facts["outcome"] == "pass" else "refused")


@pytest.mark.promise("S3-09")
@pytest.mark.parametrize("name", ["real_sample", "crypto_btcusdt_1h"])
def test_a_parquet_file_is_judged(tmp_path: Path, shared_data: Path, name: str) -> None:
    line = Line(tmp_path)
    result = line.qf("run", "price-action", "--source", str(shared_data / f"{name}.parquet"), "--run-key", "k", *QUICK)
    assert result.returncode == 0, result.stdout + result.stderr
    judged(line, "k")
    assert line.facts("k", "ingest")["rows"] == {"real_sample": 103_947, "crypto_btcusdt_1h": 38_348}[name]


def test_a_folder_of_csv_files_is_judged(tmp_path: Path, shared_data: Path) -> None:
    folder = tmp_path / "csv"
    folder.mkdir()
    bars = pd.read_parquet(shared_data / "real_sample.parquet", filters=[("symbol", "in", ["AAPL", "KO", "XOM"])])
    for symbol, part in bars.groupby("symbol"):
        part.to_csv(folder / f"{symbol}.csv", index=False)
    line = Line(tmp_path / "root")
    result = line.qf("run", "price-action", "--source", str(folder), "--run-key", "k", *QUICK)
    assert result.returncode == 0, result.stdout + result.stderr
    judged(line, "k")
    assert line.facts("k", "ingest")["num_symbols"] == 3
