"""A run that fails names the log of the step that failed, and the log says why."""

import re
from pathlib import Path

import pytest
from line import SMALL, Line

RUN = ("run", "price-action", "--run-key", "k")


def named_log(error: str) -> Path:
    [path] = re.findall(r"^log: (.+)$", error, flags=re.MULTILINE)
    return Path(path)


@pytest.mark.promise("S0-57")
def test_the_log_of_a_step_that_refused_its_data_holds_the_reason(tmp_path: Path) -> None:
    line, source = Line(tmp_path / "root"), tmp_path / "bars.csv"
    source.write_text("symbol,date,open,high,low,close,volume\nAAA,2024-01-02,10,9,8,9,100\n")
    result = line.qf(*RUN, "--source", str(source))
    assert result.returncode == 65, result.stdout + result.stderr
    log = named_log(result.stderr)
    assert log == line.root / "runs" / "k" / "logs" / "ingest.log"
    [told] = [text for text in log.read_text().splitlines() if " ERROR " in text]
    assert "DataError" in told
    assert "row 1, column 'open': open is outside low to high, was 10.0" in told


@pytest.mark.promise("S0-57")
def test_the_log_of_a_step_that_crashed_holds_the_traceback(tmp_path: Path) -> None:
    """A folder lies where the step wants to write a file: no error of ours, and no message of its own."""
    line = Line(tmp_path)
    (line.root / "runs" / "k" / "quality.html" / "folder").mkdir(parents=True)
    result = line.qf(*RUN, "--source", SMALL)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "ingest: crashed (exit code 1); the end of the log says why" in result.stderr
    log = named_log(result.stderr)
    assert log == line.root / "runs" / "k" / "logs" / "ingest.log"
    text = log.read_text()
    assert text.index("the step crashed") < text.index("Traceback") < text.index("IsADirectoryError")
    assert "quality.html" in text.splitlines()[-1]
