"""Build every image: fetch what is locked, take or make the base, build without a network, list what is inside."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat

from components.core.code import CODE_LABEL, code_digest
from components.core.files import atomic_file
from images.base import bootstrap, pinned
from images.engine import Engine, cache
from images.roles import TOP, Role
from images.sbom import bill_of_materials
from images.wheels import stage

BILLS = TOP / "build" / "sbom"
OCI = "org.opencontainers.image"
MIB = 2**20


@dataclass(frozen=True)
class Built:
    """One image that was built."""

    role: Role
    image_id: str
    size_mib: int
    num_components: int
    """Packages of Python and Debian in its bill of materials."""


def revision() -> str:
    """Return the commit that is checked out, with ``-dirty`` if there is more; empty outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False).stdout.strip()


def build(engine: Engine, wanted: Sequence[Role], base: str, report: Callable[[str], None]) -> list[Built]:
    """Build images on ``base``, or, if that is empty, on one made from Debian's packages.

    Raises:
        UsageError: If the base is named without its digest.
        QuantfoundryError: If packages cannot be fetched or a build fails.
    """
    with ThreadPoolExecutor() as pool:  # one waits for Debian, the other for the index of Python
        stands_on = pool.submit(lambda: (base, pinned(base)) if base else bootstrap(engine, cache()))
        stage(wanted, cache() / "wheels")
        name, digest = stands_on.result()
    report(f"base {name}")
    labels = {f"{OCI}.base.digest": digest, f"{OCI}.revision": revision(), CODE_LABEL: code_digest()}
    with ThreadPoolExecutor() as pool:
        built = list(pool.map(_build, repeat(engine), wanted, repeat(name), repeat(labels)))
    for one in built:
        report(f"{one.role.image}  {one.size_mib:,} MiB  {one.num_components} packages  {one.image_id}")
    engine.run("image", "prune", "--force", "--filter", f"label={CODE_LABEL}")  # those that these replaced
    return built


def _build(engine: Engine, role: Role, base: str, labels: Mapping[str, str]) -> Built:
    known = {**labels, f"{OCI}.version": role.image.rpartition(":")[2]}
    options = [part for name, value in known.items() for part in ("--label", f"{name}={value}")]
    place = ("--build-arg", f"BASE_IMAGE={base}", "--file", str(role.dockerfile), "--tag", role.image)
    engine.run("build", "--quiet", "--network=none", *options, *place, str(TOP))
    image_id, size = engine.run("inspect", "--format", "{{.Id}} {{.Size}}", role.image).split()
    bill = bill_of_materials(engine, role, image_id)
    with atomic_file(BILLS / f"{role.name}.cdx.json") as file:
        file.write(bill.encode())
    return Built(role, image_id, int(size) // MIB, bill.count('"purl"'))
