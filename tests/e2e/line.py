"""Start ``qf`` as a person would: in a process of its own, on a root of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TINY = (
    "--recipe", "smoke", "--set", "train.epochs=2", "--set", "train.max_windows_per_epoch=256",
    "--set", "model.d_model=16", "--set", "model.feed_forward=32", "--set", "judge.bootstrap_samples=200",
)  # fmt: skip
SMALL = "synthetic://planted?symbols=2&days=1500&seed=3"


@dataclass(frozen=True)
class Line:
    """One artifact root and the command that works on it."""

    root: Path

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments, "--root", str(self.root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )

    def qf(self, *arguments: str, timeout: float = 900) -> "subprocess.CompletedProcess[str]":
        child = self.start(*arguments)
        out, error = child.communicate(timeout=timeout)
        return subprocess.CompletedProcess(child.args, child.returncode, out, error)

    def facts(self, run_key: str, step: str) -> dict[str, Any]:
        return json.loads((self.root / "runs" / run_key / f"{step}.json").read_text())

    def ledger(self, name: str = "") -> list[Path]:
        return sorted((self.root / "ledger" / name).rglob("[0-9]*.json"))

    def wait_for(self, run_key: str, step: str, text: str, *, timeout: float = 300) -> None:
        """Wait until a step of the run said ``text``."""
        path = self.root / "runs" / run_key / "progress.jsonl"
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            lines = path.read_text().splitlines() if path.exists() else []
            if any(f'"{step}"' in line and text in line for line in lines):
                return
            time.sleep(0.05)
        raise TimeoutError(f"{step} never said {text!r}")


def living(pattern: str) -> list[int]:
    """Return the processes whose command line holds ``pattern``."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if pattern in command:
                found.append(int(folder.name))
    return found


def left_running(root: Path) -> list[int]:
    """Return the processes on a root that are still there after half a minute, in which each may notice and leave."""
    deadline = time.monotonic() + 30
    while (found := living(str(root))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def kill(child: "subprocess.Popen[str]") -> None:
    child.send_signal(signal.SIGKILL)
    child.communicate()
