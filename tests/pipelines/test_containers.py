"""A run in containers, where there is no engine or a container said nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import COMPILED
from pipelines.local import StepFailedError, require_steps


def test_without_an_engine_a_run_in_containers_says_what_to_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "run", "price-action", "--runner", "docker", "--root", str(tmp_path)]
    environment = {**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 65
    assert "no container engine answers" in result.stderr
    assert "python -m images engine" in result.stderr
    assert not list(tmp_path.glob("runs/*/artifacts"))


def test_a_run_that_lacks_a_step_is_no_success(tmp_path: Path) -> None:
    done = [{"step": step, "event": "finished"} for step in ("assemble", "features", "ingest", "promote", "train")]
    (tmp_path / "progress.jsonl").write_text("".join(json.dumps(event) + "\n" for event in done))
    with pytest.raises(StepFailedError, match="of 6 steps only 5 said") as caught:
        require_steps(tmp_path, COMPILED / "price-action.yaml")
    assert caught.value.exit_code == 75
