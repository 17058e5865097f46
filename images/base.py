"""What the images stand on where no registry is reachable: Debian's Python and certificates, by mmdebstrap."""

import re
import subprocess
from pathlib import Path

from components.core.errors import EnvironmentMissingError, UsageError
from components.core.files import sha256_of
from images.engine import Engine
from images.roles import REPOSITORY

SUITE = "bookworm"
"""Debian 12, whose Python is the 3.11 that the lock is resolved for."""
DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
PACKAGES = ("ca-certificates", "python3", "python3-venv")
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
"""Where this machine gets Debian from; without it, from Debian's own mirror."""


def pinned(reference: str) -> str:
    """Return the digest that an image of a registry is named with.

    Raises:
        UsageError: If it is named by a tag, which may be another image tomorrow.
    """
    digest = DIGEST.search(reference)
    if digest is None:
        raise UsageError(f"--base {reference}: name it with its digest, such as python:3.11-slim-bookworm@sha256:...")
    return digest.group(1)


def bootstrap(engine: Engine, cache: Path) -> tuple[str, str]:
    """Return name and digest of a base made from Debian's packages; one that was made before is used again.

    Raises:
        EnvironmentMissingError: If mmdebstrap fails.
    """
    archive = cache / f"{SUITE}.tar"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        draft = archive.with_suffix(".draft.tar")
        mirror = [str(SOURCES)] if SOURCES.exists() else []
        command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(draft), *mirror]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise EnvironmentMissingError(f"mmdebstrap made no base: {made.stderr.strip()[-2000:]}")
        draft.replace(archive)
    digest = sha256_of(archive)
    name = f"{REPOSITORY}/base-python:{SUITE}-{digest[:12]}"
    if not engine.run("images", "--quiet", name).strip():
        engine.run("import", str(archive), name)
    return name, f"sha256:{digest}"
