"""The ingest step as the pipeline calls it: what it writes, tells and refuses."""

import json
from pathlib import Path

import pytest

from components.core.errors import DataError
from components.ingest.snapshot import ingest
from components.market.snapshot import read_snapshot

YAHOO = """Date,Open,High,Low,Close,Adj Close,Volume
2024-01-02,10,11,9,10.5,10.25,100
2024-01-03,10,11,9,10.5,10.25,100
"""
ALPHA_VANTAGE = """timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient
2024-01-02,10,11,9,10.5,10.25,100,0,1
2024-01-03,10,11,9,10.5,10.25,100,0,1
"""


def run(root: Path, source: object, *, layout: str = "", run_key: str = "k") -> dict[str, object]:
    return ingest(
        str(source), symbols="", asof="2024-01-31", dataset="shares", faults="refuse", layout=layout,
        max_restated=0.001,
        context="",
        options="",
        out=str(root / "out"), quality=str(root / "quality.html"), root=str(root), run_key=run_key,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "csv"
    path.mkdir()
    (path / "AAPL.csv").write_text(YAHOO)
    (path / "MSFT.csv").write_text(ALPHA_VANTAGE)
    return path


def test_layouts_are_in_the_facts_the_log_and_the_manifest(tmp_path: Path, folder: Path) -> None:
    facts = run(tmp_path, folder)
    assert facts["layouts"] == {"alpha-vantage": 1, "yahoo": 1}
    log = (tmp_path / "runs" / "k" / "logs" / "ingest.log").read_text()
    assert "layouts={'alpha-vantage': 1, 'yahoo': 1}" in log
    assert "MSFT.csv: its rows are not newest first" in log
    inputs = read_snapshot(tmp_path / "out")[1]["inputs"]
    assert [(item["layout"], item["rows"], len(item["sha256"])) for item in inputs] == [
        ("yahoo", 2, 64),
        ("alpha-vantage", 2, 64),
    ]


def test_a_layout_that_is_named_holds_for_every_file(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path, folder, layout="yahoo")
    assert stopped.value.code == DataError.exit_code
    error = json.loads((tmp_path / "runs" / "k" / "error.json").read_text())
    assert "MSFT.csv: no column date; found timestamp" in error["message"]
    assert not (tmp_path / "out").exists()
