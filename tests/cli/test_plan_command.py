"""``qf plan``, as it is typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PRICES = """
currency: EUR
as_of: 2026-11-20
source: '[made up] for this test'
per_cpu_hour: 0.1
per_gib_hour: 0.01
per_gpu_hour: {nvidia.com/gpu: 3}
"""


@pytest.fixture
def prices(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(PRICES)
    return str(path)


def call(top: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "plan", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, cwd=top, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_plan_within_its_budget_is_printed_and_exits_0(top: Path, prices: str) -> None:
    result = call(top, "regime", "--prices", prices, "--schedule", "--budget", "2.14")
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    # 6 x (2 x 0.10 + 4 x 0.01) = 1.44, and 5 x 0.14 = 0.70
    assert rows[4] == ["train", "2", "4", "-", "6", "12", "0", "1.44"]
    assert rows[7] == ["a", "run", "17", "0", "2.14"]
    assert "a month  2.14 EUR at most, runs in 30 days: 1" in result.stdout
    assert result.stdout.endswith("prices   [made up] for this test (2026-11-20)\n")


def test_over_its_budget_it_is_printed_all_the_same_and_exits_2(top: Path, prices: str) -> None:
    result = call(top, "price-action", "--prices", prices, "--budget", "22.05", "-o", "json")
    assert result.returncode == 2
    assert "a run can cost 22.06 EUR, over the budget of 22.05. The dearest step is train" in result.stderr
    facts = json.loads(result.stdout)
    assert facts["most_cost"] == 22.06
    assert facts["steps"][3] == {
        "name": "train", "cores": 4.0, "memory_gib": 16.0, "gpu_type": "nvidia.com/gpu", "num_gpus": 1,
        "most_hours": 6.0, "cpu_hours": 24.0, "gpu_hours": 6.0, "most_cost": 21.36,
    }  # fmt: skip


def test_a_gpu_without_a_price_exits_65(top: Path, tmp_path: Path) -> None:
    path = tmp_path / "cheap.yaml"
    path.write_text(PRICES.replace("{nvidia.com/gpu: 3}", "{}"))
    result = call(top, "price-action", "--prices", str(path))
    assert result.returncode == 65
    assert "price-action.yaml: train: no price for a GPU of type 'nvidia.com/gpu', only for none" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("price-action", "--budget", "nan"), "'nan' is not an amount"),
        (("price-action", "--budget", "-1"), "'-1' is not an amount"),
        (("price-action", "--budget", "ten"), "'ten' is not a number"),
        (("price-action", "--schedule"), "price-action: not scheduled. schedules.yaml holds regime, health"),
        (("price-action", "--prices", "absent.yaml"), "absent.yaml"),
    ],
)
def test_what_cannot_be_meant_exits_64(top: Path, arguments: tuple[str, ...], named: str) -> None:
    result = call(top, *arguments)
    assert result.returncode == 64
    assert named in result.stderr
