"""A container engine: the one that is reachable, or a private one of this process.

The private one has its own data, socket and process id, no bridge and no firewall rules, and is stopped by its
process id at the end; builds and runs here need no network. Its images are kept in the cache between uses.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import EnvironmentMissingError
from components.core.files import file_lock

HOST = "DOCKER_HOST"
NEEDS_BUILDX = 23
"""The first version of docker whose client leaves BuildKit to a plugin."""
SETTINGS = {"bridge": "none", "iptables": False, "builder": {"gc": {"enabled": True, "defaultKeepStorage": "2GB"}}}
"""Of the private engine: no network, and no more of old builds than that."""
START_S = 60
STOP_S = 60
BUSY_S = 900
"""How long to wait for another process that uses the private engine."""
REMEDY = "Start one, name it with DOCKER_HOST, or, as root, install docker.io and mmdebstrap (apt-get install)"


def cache() -> Path:
    """Return the one folder outside the project where base, packages and images are kept."""
    settings = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (settings if settings.is_absolute() else Path.home() / ".cache") / "quantfoundry" / "images"


@dataclass(frozen=True)
class Engine:
    """A running engine and the client that can ask it for BuildKit builds."""

    client: str
    environment: Mapping[str, str]
    """The environment of whatever shall reach it."""

    def run(self, *arguments: str) -> str:
        """Return what ``docker ARGUMENTS`` printed.

        Raises:
            EnvironmentMissingError: If it failed; its message is in the error.
        """
        command = [self.client, *arguments]
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise EnvironmentMissingError(f"docker {' '.join(arguments[:3])} ...: {result.stderr.strip()[-2000:]}")
        return result.stdout


def _client() -> str:
    """Return the docker client that builds with BuildKit: one with buildx, or one so old that it has it built in."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for path in (shutil.which("docker", path=folder) for folder in folders):
        if path is None:
            continue
        asked = [path, "version", "--format", "{{.Client.Version}}"]
        version = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.partition(".")[0]
        buildx = subprocess.run([path, "buildx", "version"], capture_output=True, check=False).returncode == 0
        if buildx or (version.isdigit() and int(version) < NEEDS_BUILDX):
            return path
    raise EnvironmentMissingError(f"no docker client that builds with BuildKit in PATH. {REMEDY}")


def _answers(client: str, environment: Mapping[str, str]) -> bool:
    return subprocess.run([client, "info"], env=environment, capture_output=True, check=False).returncode == 0


def startable() -> bool:
    """Return whether a private engine, and a base for its images, can be made here."""
    return os.geteuid() == 0 and all(shutil.which(name) for name in ("dockerd", "mmdebstrap", "docker"))


@contextlib.contextmanager
def engine() -> Generator[Engine]:
    """Yield the engine that the environment names, else a private one until the block ends.

    Raises:
        EnvironmentMissingError: If there is none and none can be started; the message names the remedy.
        BusyError: If another process has used the private one for too long.
    """
    client = _client()
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    if _answers(client, environment):
        yield Engine(client, environment)
        return
    if not startable():
        raise EnvironmentMissingError(f"no container engine answers. {REMEDY}")
    with file_lock(cache() / "engine.lock", "uses the engine", wait_s=BUSY_S), _private(client) as host:
        yield Engine(client, {**environment, HOST: host})


@contextlib.contextmanager
def _private(client: str) -> Generator[str]:
    """Yield the address of an engine of our own; it is gone when the block, or this process, ends."""
    with tempfile.TemporaryDirectory(prefix="qf-engine-") as scratch, (cache() / "engine.log").open("wb") as log:
        host = f"unix://{scratch}/docker.sock"  # short: the name of a socket has at most 107 letters
        places = {"data-root": str(cache() / "engine"), "exec-root": f"{scratch}/exec", "pidfile": f"{scratch}/pid"}
        settings = Path(scratch) / "settings.json"
        settings.write_text(json.dumps({**SETTINGS, **places, "hosts": [host]}), encoding="utf-8")
        command = ["setpriv", "--pdeathsig", "TERM", "dockerd", f"--config-file={settings}"]
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _await(daemon, client, {**os.environ, HOST: host}, Path(log.name))
            yield host
        finally:
            daemon.terminate()
            try:
                daemon.wait(STOP_S)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _await(daemon: subprocess.Popen[bytes], client: str, environment: Mapping[str, str], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not _answers(client, environment):
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise EnvironmentMissingError(f"the engine does not start; the end of its log says why: {log}")
        time.sleep(0.2)
