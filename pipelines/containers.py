"""Run the steps of a pipeline on this machine in their images: no network, no capability, a root that nobody writes.

A container sees the artifact root, the files that the run reads, and the key pair of the gate; it runs as the
user who called, whose files these are.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import contextlib
import os
from collections.abc import Generator, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.errors import APIError, DockerException, ImageNotFound
from docker.types import Mount
from kfp import local

from components.core.code import CODE_LABEL, code_digest
from components.core.errors import EnvironmentMissingError
from components.core.keys import private_key
from components.core.workspace import SIGNING_KEY, VERIFY_KEY, Workspace

RUN = "quantfoundry.run"
"""Label of a container: the key of the run that it belongs to."""
SHARED_MEMORY = "1g"
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
"""What the engine says of a container that ended by itself, and of one that it is removing."""
READ = ("source", "context", "options")
"""Parameters of a pipeline that may name a file or folder of this machine."""


@contextlib.contextmanager
def _client() -> Generator[docker.DockerClient]:
    try:
        client = docker.from_env()
    except DockerException as error:
        raise EnvironmentMissingError(
            f"no container engine answers: {error}. Start one and name it with DOCKER_HOST, or run 'make images' and "
            "put 'python -m images engine' before this command"
        ) from None
    with contextlib.closing(client):
        yield client


def check(package: Path) -> None:
    """Make sure that the engine has the images of a compiled pipeline, with the code that is here.

    Raises:
        EnvironmentMissingError: If no engine answers, an image is not there, or it holds other code.
    """
    spec = next(yaml.safe_load_all(package.read_text(encoding="utf-8")))
    with _client() as client:
        for name in sorted({item["container"]["image"] for item in spec["deploymentSpec"]["executors"].values()}):
            try:
                image = client.images.get(name)
            except ImageNotFound:
                raise EnvironmentMissingError(f"image {name}: the engine has none. Run 'make images'") from None
            if image.labels.get(CODE_LABEL) != code_digest():
                raise EnvironmentMissingError(f"image {name}: holds other code than is here. Run 'make images'")


def clear(run_key: str) -> None:
    """End what still runs of a run: the shell that Kubeflow starts a step with passes no signal on.

    The step goes on from its newest checkpoint when the same run is asked for again.
    """
    with _client() as client:
        for container in client.containers.list(filters={"label": f"{RUN}={run_key}"}):
            try:
                container.kill()
                container.wait(condition="removed")
            except APIError as error:
                if error.status_code not in GONE:
                    raise


def runner(arguments: dict[str, Any]) -> local.DockerRunner:
    """Return the local runner that starts the steps of one run in containers."""
    workspace = Workspace.at(arguments["root"])
    private_key(workspace.signing_key)  # the judge's container could not keep one that it made
    return local.DockerRunner(
        user=f"{os.getuid()}:{os.getgid()}",
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        tmpfs={"/tmp": "rw,nosuid,nodev,mode=1777"},  # noqa: S108 - in the container, and nobody else's
        shm_size=SHARED_MEMORY,
        mounts=list(_mounts(workspace, arguments)),
        environment={SIGNING_KEY: str(workspace.signing_key), VERIFY_KEY: str(workspace.verify_key)},
        labels={RUN: arguments["run_key"]},
    )


def _mounts(workspace: Workspace, arguments: dict[str, Any]) -> Iterator[Mount]:
    yield Mount(str(workspace.root), str(workspace.root), type="bind")
    places = [arguments.get(name, "") for name in READ]
    files = {place for place in places if place and "://" not in place}
    for path in sorted(files | {str(workspace.signing_key), str(workspace.verify_key)}):
        yield Mount(path, path, type="bind", read_only=True)
