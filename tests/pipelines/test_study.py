"""A study is the same whoever does it, in whatever order, and however often it is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.core.errors import BusyError
from components.core.files import file_lock
from pipelines.fleet_calibration import judge_fleet
from pipelines.study import Facts, Study, carry_out

JOBS = {f"{number:05d}": {"kind": "mixed", "seed": number, "num_twins": 6, "num_times": 80} for number in range(12)}
PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_study import study
from pipelines.study import carry_out
if __name__ == "__main__":
    carry_out(study(Path(sys.argv[1])), num_processes=1, on_done=lambda *_: None)
"""


def study(folder: Path) -> Study:
    return Study(folder, judge_fleet, JOBS)


def found(results: list[Facts]) -> list[Facts]:
    return [{key: value for key, value in item.items() if key != "cpu_s"} for item in results]


def done(folder: Path) -> list[Path]:
    return sorted((folder / "done").glob("*.json")) if (folder / "done").exists() else []


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[Facts]:
    return carry_out(study(tmp_path_factory.mktemp("calm")), num_processes=1, on_done=lambda *_: None)


def test_two_processes_give_the_results_of_one_in_the_same_order(calm: list[Facts], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    both = carry_out(study(tmp_path), num_processes=2, on_done=lambda *said: told.append(said))
    assert found(both) == found(calm)
    assert [item["seed"] for item in both] == list(range(12))
    assert told == [(number, 12) for number in range(1, 13)]


def test_a_killed_study_goes_on_and_ends_in_the_same_results(calm: list[Facts], tmp_path: Path) -> None:
    here = Path(__file__).parent
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(path=[str(here), str(here.parents[1])]))
    folder = tmp_path / "study"
    child = subprocess.Popen([sys.executable, str(program), str(folder)], start_new_session=True)
    deadline = time.monotonic() + 120
    while len(done(folder)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    before = {path.name: path.stat().st_mtime_ns for path in done(folder)}
    assert 2 <= len(before) < 12
    assert found(carry_out(study(folder), num_processes=1, on_done=lambda *_: None)) == found(calm)
    assert {path.name: path.stat().st_mtime_ns for path in done(folder) if path.name in before} == before


def test_two_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with file_lock(tmp_path / "study.lock", "somebody"), pytest.raises(BusyError, match="somebody"):
        carry_out(study(tmp_path), num_processes=1, on_done=lambda *_: None)
