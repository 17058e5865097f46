"""The files that the images are installed from, fetched on this machine: the builds themselves have no network.

pip fetches them as this machine tells it to (pip.conf, ``PIP_*``, ``REQUESTS_CA_BUNDLE``): its index, its
certificates and its credentials are in no Dockerfile, build argument or layer.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.core.errors import ArtifactError
from components.core.files import digest_of, sha256_of
from images.lock import LOCK, TORCH, hashes, pins, reached
from images.roles import IMAGES, TOP, Role

STAGED = TOP / "build" / "images"
"""Below it a folder per role and one of the project, which the Dockerfiles mount."""
SOURCES = ("cli", "components", "feature_repo", "pipelines")
"""The folders that pyproject.toml packages."""
TORCH_PIN = TOP / "requirements" / "torch.txt"


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, check=False).returncode:
        raise ArtifactError(f"the locked packages could not be fetched: {' '.join(command[2:])}. Its message is above")


def _held(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their sha256."""
    return {sha256_of(path): path for path in sorted(folder.iterdir()) if path.is_file()}


def fetch(roles: Sequence[Role], cache: Path) -> Mapping[str, Path]:
    """Return files by sha256 that hold every locked package of the roles; what the cache misses is fetched.

    Raises:
        ArtifactError: If pip cannot fetch one.
    """
    cache.mkdir(parents=True, exist_ok=True)
    held = _held(cache)
    texts = [role.requirements.read_text(encoding="utf-8") for role in roles]
    allowed = {name: those for text in texts for name, those in hashes(text).items()}
    lines = {name: block for text in texts for name, block in pins(text).items()}
    missing = [lines[name] for name, those in sorted(allowed.items()) if those.isdisjoint(held)]
    if missing:
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as wanted:
            wanted.write("\n".join(missing) + "\n")
            wanted.flush()
            _pip("--no-deps", "--require-hashes", "--no-build-isolation", "--dest", str(cache), "-r", wanted.name)
        held = _held(cache)
    return held


def fetch_torch(cache: Path, locked: Path) -> Path:
    """Return a folder with the torch build that pip finds, and what it needs besides the locked packages.

    Another setting of pip, such as another index, may find another build, and so has another folder.
    """
    asked = [sys.executable, "-m", "pip", "config", "list"]
    settings = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    versions = "".join(f"{block.split(' ')[0]}\n" for block in pins(LOCK.read_text(encoding="utf-8")).values())
    folder = cache / f"torch-{digest_of([settings, versions, TORCH_PIN.read_text(encoding='utf-8')])[:12]}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            constraints, fetched = Path(scratch) / "constraints.txt", Path(scratch) / "fetched"
            constraints.write_text(versions, encoding="utf-8")
            found = ("--find-links", str(locked), "--dest", str(fetched))
            _pip("--only-binary", ":all:", "--constraint", str(constraints), *found, "-r", str(TORCH_PIN))
            for path in fetched.iterdir():
                if (locked / path.name).exists():
                    path.unlink()
            fetched.rename(folder)
    return folder


def stage(roles: Sequence[Role], cache: Path) -> None:
    """Lay what each build mounts where its Dockerfile looks for it: that, and nothing else.

    Raises:
        ArtifactError: If pip cannot fetch a locked package.
    """
    shutil.rmtree(STAGED, ignore_errors=True)
    held = fetch(roles, cache / "locked")
    for role in roles:
        allowed = frozenset[str]().union(*hashes(role.requirements.read_text(encoding="utf-8")).values())
        files = [path for digest, path in held.items() if digest in allowed]
        files += [IMAGES / "install.sh", role.requirements]
        if TORCH in reached(role.name):
            files += [TORCH_PIN, *sorted(fetch_torch(cache, cache / "locked").iterdir())]
        folder = STAGED / role.name
        folder.mkdir(parents=True)
        for path in files:
            _link(path, folder / path.name)
    _stage_project(STAGED / "project")


def _stage_project(folder: Path) -> None:
    for name in SOURCES:
        shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (TOP / "pyproject.toml", TOP / "README.md", IMAGES / "finish.sh"):
        shutil.copy2(path, folder / path.name)


def _link(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError:  # another file system
        shutil.copy2(path, place)
