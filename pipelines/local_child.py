"""The child process that hosts the local runner: ``python -m pipelines.local_child PACKAGE RUN_FOLDER RUNNER``."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from kfp import components as kfp_components
from kfp import local

from components.core.files import read_json
from components.core.run_context import PARENT, Stop, die_with


def _runner(name: str, arguments: dict[str, Any]) -> local.SubprocessRunner | local.DockerRunner:
    if name == "docker":
        from pipelines import containers  # noqa: PLC0415 - needs the client of an engine, which most runs do not

        return containers.runner(arguments)
    return local.SubprocessRunner(use_venv=False)


def main(package: str, folder: str, runner: str) -> None:
    """Run the compiled pipeline with the arguments of the run's request."""
    die_with(int(os.environ[PARENT]), Stop(), grace_s=0.0)
    request = read_json(Path(folder) / "request.json")
    with tempfile.TemporaryDirectory() as scratch:
        local.init(
            runner=_runner(runner, request["arguments"]),
            pipeline_root=str(Path(folder) / "artifacts"),
            workspace_root=str(Path(scratch) / "workspace"),
            raise_on_error=True,
        )
        kfp_components.load_component_from_file(package)(**request["arguments"])


if __name__ == "__main__":
    main(*sys.argv[1:])
