"""The child process that hosts the local runner: ``python -m pipelines.local_child PACKAGE RUN_FOLDER``."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import os
import sys
import tempfile
from pathlib import Path

from kfp import components as kfp_components
from kfp import local

from components.core.files import read_json
from components.core.run_context import PARENT, Stop, die_with


def main(package: str, folder: str) -> None:
    """Run the compiled pipeline with the arguments of the run's request."""
    die_with(int(os.environ[PARENT]), Stop(), grace_s=0.0)
    request = read_json(Path(folder) / "request.json")
    with tempfile.TemporaryDirectory() as scratch:
        local.init(
            runner=local.SubprocessRunner(use_venv=False),
            pipeline_root=str(Path(folder) / "artifacts"),
            workspace_root=str(Path(scratch) / "workspace"),
            raise_on_error=True,
        )
        kfp_components.load_component_from_file(package)(**request["arguments"])


if __name__ == "__main__":
    main(*sys.argv[1:])
