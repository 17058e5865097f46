"""Metrics are spooled once and reach MLflow exactly once, whoever is killed when."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import ArtifactError, BusyError
from components.core.files import file_lock, read_json
from components.learning.spool import SPOOL, Spool, replay


def fill(path: Path, steps: range, *, training: str = "t", position: int = 0) -> None:
    with Spool(path, training=training, position=position) as spool:
        for step in steps:
            spool.append(step, {"train/loss": 1 / (1 + step), "norm": float(step)}, time_ms=1_000 + step)


def test_a_resumed_training_writes_no_line_twice(tmp_path: Path) -> None:
    path, whole = tmp_path / "a" / SPOOL, tmp_path / "b" / SPOOL
    fill(path, range(6))
    fill(path, range(4, 9), position=4)  # the checkpoint was older than the spool
    fill(whole, range(9))
    assert path.read_bytes() == whole.read_bytes()
    assert len(path.read_text().splitlines()) == 1 + 9


@pytest.mark.parametrize("half", ['{"number":3,"st', "{"])
def test_half_a_line_of_a_killed_writer_is_cut_off(tmp_path: Path, half: str) -> None:
    path, whole = tmp_path / "a" / SPOOL, tmp_path / "b" / SPOOL
    fill(path, range(3))
    with path.open("a") as file:
        file.write(half)
    fill(path, range(2, 5), position=2)
    fill(whole, range(5))
    assert path.read_bytes() == whole.read_bytes()


def test_another_training_in_the_same_place_starts_anew(tmp_path: Path) -> None:
    fill(tmp_path / SPOOL, range(5), training="one")
    fill(tmp_path / SPOOL, range(2), training="two")
    assert len((tmp_path / SPOOL).read_text().splitlines()) == 1 + 2


def test_only_finite_numbers_are_recorded(tmp_path: Path) -> None:
    with (
        Spool(tmp_path / SPOOL, training="t", position=0) as spool,
        pytest.raises(ValueError, match="'loss' of step 3 is nan"),
    ):
        spool.append(3, {"loss": float("nan")}, time_ms=0)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def client(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow  # noqa: PLC0415 - its settings must be in the environment first

    mlflow.set_tracking_uri(database)
    return mlflow.MlflowClient(database)


@pytest.fixture
def run_id(client: Any) -> str:
    return str(client.create_run("0").info.run_id)


def held(client: Any, run_id: str, name: str) -> list[tuple[int, float, int]]:
    return [(item.step, item.value, item.timestamp) for item in client.get_metric_history(run_id, name)]


def test_everything_arrives_once_with_its_step_and_time(tmp_path: Path, client: Any, run_id: str) -> None:
    spool = tmp_path / SPOOL
    fill(spool, range(700))
    assert replay(spool, client, run_id) == 1400
    assert held(client, run_id, "train/loss") == [(step, 1 / (1 + step), 1_000 + step) for step in range(700)]
    assert replay(spool, client, run_id) == 0
    fill(spool, range(700, 710), position=700)
    assert replay(spool, client, run_id) == 20
    assert held(client, run_id, "norm") == [(step, float(step), 1_000 + step) for step in range(710)]


def test_a_lost_note_doubles_nothing(tmp_path: Path, client: Any, run_id: str) -> None:
    spool = tmp_path / SPOOL
    fill(spool, range(5))
    replay(spool, client, run_id)
    spool.with_suffix(".sent.json").unlink()
    fill(spool, range(5, 7), position=5)
    assert replay(spool, client, run_id) == 4
    assert [step for step, _, _ in held(client, run_id, "norm")] == list(range(7))


def test_another_run_gets_everything_again(tmp_path: Path, client: Any, run_id: str) -> None:
    spool = tmp_path / SPOOL
    fill(spool, range(3))
    replay(spool, client, run_id)
    assert replay(spool, client, client.create_run("0").info.run_id) == 6


def test_without_a_spool_nothing_is_sent(tmp_path: Path, client: Any, run_id: str) -> None:
    assert replay(tmp_path / SPOOL, client, run_id) == 0


def test_a_damaged_line_is_named_and_nothing_is_sent(tmp_path: Path, client: Any, run_id: str) -> None:
    spool = tmp_path / SPOOL
    fill(spool, range(3))
    spool.write_text(spool.read_text().replace('"step":1', '"step":'))
    with pytest.raises(ArtifactError, match=r"metrics\.jsonl: a line is damaged"):
        replay(spool, client, run_id)
    assert held(client, run_id, "norm") == []


def test_one_sender_at_a_time(tmp_path: Path, client: Any, run_id: str) -> None:
    spool = tmp_path / SPOOL
    fill(spool, range(3))
    with file_lock(spool.with_suffix(".lock")), pytest.raises(BusyError):
        replay(spool, client, run_id)


KILLED = """
import os, signal, sys
from pathlib import Path
import mlflow
from components.learning.spool import replay

spool, database, run_id, when = sys.argv[1:]

class Killed(mlflow.MlflowClient):
    calls = 0
    def log_batch(self, *arguments, **values):
        self.calls += 1
        if (self.calls, when) == (2, "before sending"):
            os.kill(os.getpid(), signal.SIGKILL)
        super().log_batch(*arguments, **values)
        if (self.calls, when) == (2, "before acknowledging"):
            os.kill(os.getpid(), signal.SIGKILL)

mlflow.set_tracking_uri(database)
replay(Path(spool), Killed(database), run_id)
"""


@pytest.mark.parametrize(("when", "num_left"), [("before sending", 800), ("before acknowledging", 0)])
def test_a_sender_killed_between_sending_and_acknowledging_doubles_nothing(
    tmp_path: Path, client: Any, run_id: str, database: str, when: str, num_left: int
) -> None:
    spool = tmp_path / SPOOL
    fill(spool, range(900))  # 1800 values: two batches
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(spool), database, run_id, when], check=False, env=os.environ
    )
    assert child.returncode == -signal.SIGKILL
    assert read_json(spool.with_suffix(".sent.json"))["position"] == 500
    assert replay(spool, client, run_id) == num_left
    for name in ("train/loss", "norm"):
        assert [step for step, _, _ in held(client, run_id, name)] == list(range(900))
