"""Trainings by several processes, as the step starts them, and the processes of each."""

import subprocess
import sys
import time
from pathlib import Path

from components.core.recipe import RecipeConfig

Child = subprocess.Popen[str]
STEP = """
import sys
from components.train.fit import fit
_, examples, family, recipe, out, root = sys.argv
fit(examples, family, recipe, out=out, root=root, run_key="k")
"""


def start_gang(family: str, recipe: RecipeConfig, examples: Path, root: Path) -> Child:
    arguments = [str(examples), family, recipe.canonical(), str(root / "bundle"), str(root)]
    return subprocess.Popen([sys.executable, "-c", STEP, *arguments], stderr=subprocess.PIPE, text=True)


def ended(child: Child) -> int:
    _, said = child.communicate(timeout=300)
    sys.stderr.write(said)  # shown where a test fails
    return child.returncode


def workers(root: Path) -> list[int]:
    """Return the training processes of the run below ``root``, which this test started, by rank."""
    found: dict[str, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")
                facts = dict(item.split(b"=", 1) for item in (folder / "environ").read_bytes().split(b"\0") if item)
            except (OSError, ValueError):
                continue
            if b"components.train.worker" in command and b"RANK" in facts and str(root).encode() in b" ".join(command):
                found[facts[b"RANK"].decode()] = int(folder.name)
    return [found[rank] for rank in sorted(found)]


def wait_for_steps(root: Path, child: Child, num_lines: int) -> None:
    spool = root / "runs" / "k" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not spool.exists() or spool.read_bytes().count(b"\n") < num_lines:
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
