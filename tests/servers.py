"""Servers of a test's own, on loopback, started and ended by it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert child.poll() is None, "the server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on {port}")


@contextlib.contextmanager
def postgres_at(folder: Path) -> Iterator[str]:
    """Yield the URL of a Postgres whose data lie below ``folder``."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    folder = folder / "data"
    folder.mkdir()
    user = "nobody" if os.geteuid() == 0 else None  # the server refuses to run as root
    if user:
        for path in (folder, *(parent for parent in folder.parents if "pytest-of-" in str(parent))):
            path.chmod(0o755)
        shutil.chown(folder, user)
    port = free_port()
    subprocess.run(
        [programs / "initdb", "-D", folder, "-U", "qf", "-A", "trust", "--no-sync"], check=True, user=user,
        stdout=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    options = ["-D", folder, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"]
    child = subprocess.Popen([programs / "postgres", *options], user=user, cwd="/", stderr=subprocess.DEVNULL)
    try:
        wait_for(port, child)
        yield f"postgresql+psycopg://qf@127.0.0.1:{port}/postgres"
    finally:
        child.send_signal(signal.SIGINT)  # fast: does not wait for clients to leave
        child.wait(30)
