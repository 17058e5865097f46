"""The packages of one image: of ``requirements/lock.txt`` those that the extra of its name reaches.

What a package asks for is read from its metadata where it is installed, which is the environment of that lock.
torch is left out, as there, and so are the CUDA libraries that one of its builds asks for: they come with it.
What an image has in ``BESIDE`` goes in too: packages whose own demands that lock does not meet.
"""

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from components.core.errors import ArtifactError
from components.core.files import atomic_file
from images.roles import TOP, Role, roles

LOCK = TOP / "requirements" / "lock.txt"
BESIDE = {"python-toto": TOP / "requirements" / "toto.txt"}
"""By role: packages with their hashes that stand beside the lock, as they ask for other versions than it holds."""
PROJECT = "quantfoundry"
TORCH = "torch"
BUILD = ("setuptools",)
"""What builds those packages that are published as source only, and the project itself."""
PYTHONS: tuple[dict[str, str], ...] = ({}, {"python_full_version": "3.11.0"})
"""The Python that runs this, and the oldest 3.11: a base may have any of them, Debian 12 has 3.11.2."""
_PINNED = re.compile(r"^[A-Za-z0-9].*?(?=^[A-Za-z0-9]|\Z)", re.MULTILINE | re.DOTALL)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def pins(text: str) -> dict[str, str]:
    """Return the lines of a requirements file, version and hashes, by the name of the package."""
    blocks = [block.rstrip("\n") for block in _PINNED.findall(text)]
    return {canonicalize_name(block.partition("==")[0]): block for block in blocks}


def hashes(text: str) -> dict[str, frozenset[str]]:
    """Return the sha256 that each package's files may have."""
    return {name: frozenset(HASH.findall(block)) for name, block in pins(text).items()}


def _wanted(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    if name == PROJECT:  # as it stands here, whenever it was installed
        yield from _own(extras)
        return
    for text in importlib.metadata.requires(name) or []:
        requirement = Requirement(text)
        places = ({"extra": extra, **python} for extra in ("", *extras) for python in PYTHONS)
        if requirement.marker is None or any(map(requirement.marker.evaluate, places)):
            yield requirement


def _own(extras: frozenset[str]) -> Iterator[Requirement]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for texts in (project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)):
        yield from map(Requirement, texts)


def reached(extra: str) -> set[str]:
    """Return the names of all packages that an extra of the project needs, torch and its own included."""
    waiting = [Requirement(f"{PROJECT}[{extra}]"), *map(Requirement, BUILD)]
    seen: set[tuple[str, frozenset[str]]] = set()
    optional = _torch_alone()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen or name in optional:
            continue
        seen.add((name, extras))
        waiting += _wanted(name, extras)
    return {name for name, _ in seen}


def _torch_alone() -> set[str]:
    """Return what the installed torch asks for and the lock does not know."""
    known = pins(LOCK.read_text(encoding="utf-8"))
    return {name for item in _wanted(TORCH, frozenset()) if (name := canonicalize_name(item.name)) not in known}


def locked(role: Role) -> str:
    """Return the text of a role's requirements file.

    Raises:
        ArtifactError: If the lock misses a package that the role needs.
    """
    known = pins(LOCK.read_text(encoding="utf-8"))
    names = sorted(reached(role.name) - {PROJECT, TORCH})
    if missing := [name for name in names if name not in known]:
        raise ArtifactError(f"{LOCK.name}: has no {', '.join(missing)}, which {role.name} needs. Run 'make lock'")
    return "\n".join(known[name] for name in names) + "\n" + _beside(role)


def _beside(role: Role) -> str:
    """Return the packages beside the lock.

    Raises:
        ArtifactError: If the lock holds one of them too: which is installed would be a matter of chance.
    """
    if role.name not in BESIDE:
        return ""
    text = BESIDE[role.name].read_text(encoding="utf-8")
    if both := sorted(pins(text).keys() & pins(LOCK.read_text(encoding="utf-8")).keys()):
        raise ArtifactError(f"{BESIDE[role.name].name}: {', '.join(both)} is in {LOCK.name} too. Leave it out there")
    return text


def stale() -> list[str]:
    """Return one sentence for each requirements file that is not what the lock and the extras say."""
    return [
        f"{role.requirements.relative_to(TOP)}: is not what pyproject.toml and the lock say. Run 'make lock-images'"
        for role in roles()
        if not role.requirements.is_file() or role.requirements.read_text(encoding="utf-8") != locked(role)
    ]


def write() -> None:
    """Write the requirements file of each role."""
    for role in roles():
        with atomic_file(role.requirements) as file:
            file.write(locked(role).encode())
