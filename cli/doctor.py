"""``qf doctor``."""

import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from cli.options import root_option
from components.core.errors import EnvironmentMissingError, QuantfoundryError
from components.core.files import file_lock
from components.core.keys import private_key, public_key
from components.core.workspace import SIGNING_KEY, Workspace

PACKAGES = {
    "numpy": "data", "pandas": "data", "pyarrow": "data", "feast": "features", "polars": "features",
    "duckdb": "features", "torch": "train", "safetensors": "train", "torchx-nightly": "distributed",
    "onnx": "train", "onnxruntime": "serve", "onnxscript": "train",
    "scipy": "judge", "cryptography": "judge", "mlflow": "tracking", "kfp": "pipelines",
    "kfp-kubernetes": "pipelines", "kubernetes": "pipelines",
}  # fmt: skip
"""Distribution -> the extra that brings it."""

FLOORS = {"mlflow": (3, 17, 2), "torch": (2, 10), "feast": (0, 63), "pyarrow": (14, 0, 1), "urllib3": (2, 7)}
"""Oldest versions without a known hole that concerns us."""

MIN_FREE_GIB = 2.0


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.partition("+")[0].split(".") if part.isdigit())


def _packages() -> list[str]:
    problems: list[str] = []
    for name, extra in PACKAGES.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"package {name} is missing; install it with: pip install 'quantfoundry[{extra}]'")
            continue
        if _version(version) < FLOORS.get(name, ()):
            floor = ".".join(map(str, FLOORS[name]))
            problems.append(f"package {name} {version} is older than {floor}; install the locked set: make test")
    return problems


def _python() -> list[str]:
    if sys.version_info[:2] == (3, 11):
        return []
    return [f"Python is {sys.version.split()[0]}; the lock is for 3.11. Create the environment with python3.11"]


def _device() -> list[str]:
    import torch

    name = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none, training runs on the CPU"
    click.echo(f"     GPU: {name}; {os.cpu_count()} cores, torch {torch.__version__}")
    return []


def _families() -> list[str]:
    from components.core import family as families

    problems: list[str] = []
    for family in families.every():
        for recipe in family.recipes():
            family.recipe(recipe)
        if family.default_recipe not in family.recipes():
            problems.append(f"family {family.name} has no recipe {family.default_recipe!r}; add it to its recipes/")
    return problems


def _pipelines() -> list[str]:
    from pipelines import COMPILED
    from pipelines.compile import differences
    from pipelines.lint import hazards

    stale = ["compiled pipelines are out of date; run: qf compile"] if any(differences()) else []
    return stale + [hazard for path in sorted(COMPILED.glob("*.yaml")) for hazard in hazards(path)]


def _root(workspace: Workspace) -> list[str]:
    folder = workspace.root
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as own, file_lock(Path(own) / "lock", "doctor"):
            (Path(own) / "link").hardlink_to(Path(own) / "lock")  # as a ledger's entries are made
    except OSError as error:
        return [f"cannot write, lock and link below {folder} ({error.strerror}); choose another with --root or QF_HOME"]
    free = shutil.disk_usage(folder).free / 2**30
    return [] if free > MIN_FREE_GIB else [f"only {free:.1f} GiB free below {folder}; a run wants {MIN_FREE_GIB:g}"]


def _keys(workspace: Workspace) -> list[str]:
    key = workspace.signing_key
    problems: list[str] = []
    if key.exists():
        private_key(key)
        public_key(workspace.verify_key)
        if key.stat().st_mode & 0o077:
            problems.append(f"{key} can be read by others; take that away: chmod 600 {key}")
    elif SIGNING_KEY in os.environ:
        problems.append(f"{SIGNING_KEY} names {key}, which is not there; mount it where models are judged")
    click.echo(f"     private key: {key}{'' if key.exists() else ', made when the first model is judged'}")
    return problems


CHECKS: dict[str, Callable[[Workspace], list[str]]] = {
    "Python 3.11": lambda _: _python(),
    "packages": lambda _: _packages(),
    "artifact root": _root,
    "keys of the gate": _keys,
    "device": lambda _: _device(),
    "families and recipes": lambda _: _families(),
    "compiled pipelines": lambda _: _pipelines(),
}


def _training(root: Workspace, *, run_key: str) -> list[str]:
    from components.learning.diagnosis import diagnose

    return diagnose(root.run(run_key))


@click.command()
@root_option
@click.option("--only", multiple=True, type=click.Choice(CHECKS), help="Check this alone; may be given again.")
@click.option("--run", "run_key", default="", help="Look at the training of this run only.")
def doctor(root: Workspace, only: tuple[str, ...], run_key: str) -> None:
    """Check the installation, or the training of a run; each problem comes with its remedy. Exit 65 if there is one."""
    checks = {title: CHECKS[title] for title in only or CHECKS}
    if run_key:
        checks = {f"training of {run_key}": partial(_training, run_key=run_key)}
    problems: list[str] = []
    for title, check in checks.items():
        try:
            found = check(root)
        except ModuleNotFoundError as error:
            found = [f"cannot import {error.name}; install the locked set: make test"]
        except QuantfoundryError as error:
            found = [str(error)]
        click.echo(f"{'ok  ' if not found else 'BAD '} {title}")
        for problem in found:
            click.echo(f"     {problem}")
        problems += found
    if problems:
        raise EnvironmentMissingError(f"{len(problems)} problem(s) found, remedies above")
