"""``python -m pipelines.manifests``: build every overlay, check it, exit 1 if anything is wrong."""

import sys

from components.core.errors import QuantfoundryError
from pipelines.manifests import FOLDER, OVERLAYS
from pipelines.manifests.build import build, jobs
from pipelines.manifests.check import overlay_faults
from pipelines.manifests.references import of_pipelines


def main() -> int:
    """Return the exit code, and print what is wrong."""
    try:
        beside = jobs()
        built = {overlay: build(FOLDER / "overlays" / overlay) for overlay in OVERLAYS}
    except QuantfoundryError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    tasks = of_pipelines()
    wrong = [
        f"{overlay}: {text}" for overlay, objects in built.items() for text in overlay_faults(objects, beside, tasks)
    ]
    sys.stderr.writelines(f"{text}\n" for text in wrong)
    if wrong:
        return 1
    num_objects = sum(map(len, built.values()))
    sys.stdout.write(f"{len(built)} overlays of {num_objects} objects, and {len(beside)} jobs, keep every rule\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
