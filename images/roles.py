"""Which images there are, and where each one's files lie."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[1]
IMAGES = Path(__file__).parent
REPOSITORY = "quantfoundry"
"""What the names of the images start with; a registry of one's own goes before it."""


@dataclass(frozen=True)
class Role:
    """One image: the extra of the same name, locked, on a base that the build is given."""

    name: str

    @property
    def dockerfile(self) -> Path:
        """How it is built."""
        return IMAGES / self.name / "Dockerfile"

    @property
    def requirements(self) -> Path:
        """Its packages with their versions and hashes, made from ``requirements/lock.txt``."""
        return IMAGES / self.name / "requirements.txt"

    @property
    def image(self) -> str:
        """Name and version, as the compiled pipelines ask for it."""
        return f"{REPOSITORY}/{self.name}:{importlib.metadata.version('quantfoundry')}"


def roles() -> list[Role]:
    """Return the roles: the folders with a Dockerfile, by name."""
    return [Role(path.parent.name) for path in sorted(IMAGES.glob("*/Dockerfile"))]
