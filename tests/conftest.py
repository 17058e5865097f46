"""What all tests share: the real data, where it exists, and a key of the gate that is nobody's."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from components.core.workspace import SIGNING_KEY, TRACKING_URI, VERIFY_KEY
from images.engine import startable

hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

TOP = Path(__file__).parents[1]
SHARED_DATA = TOP.parent / "shared" / "data"
LONGEST_FIRST = ("e2e", "pipelines", "families", "contract", "cli", "promote")
"""Folders whose files take minutes: of two processes none is to begin one when the other has nothing left."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Collect what wants real data, a GPU, root, an engine for containers or servers only where there is one."""
    absent: set[str] = set()
    if not SHARED_DATA.is_dir():
        absent.add("realdata")
    if shutil.which("redis-server") is None or not any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        absent.add("services")
    if not Path("/proc/driver/nvidia/version").exists():
        absent.add("gpu")
    if os.geteuid() != 0:
        absent.add("root")
    if not startable():
        absent.add("docker")
    left_out = {item for item in items if any(item.get_closest_marker(name) for name in absent)}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = sorted((item for item in items if item not in left_out), key=_place)


def _place(item: pytest.Item) -> int:
    """The images' tests, which build them, come before all; the rest by folder, as they were collected."""
    folder = item.path.parent.name
    rank = LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
    return -1 if item.get_closest_marker("docker") else rank


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep this session's keys and records out of the settings of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
        for name in (SIGNING_KEY, VERIFY_KEY, TRACKING_URI):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real market data; read only."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def top() -> Path:
    """The checkout."""
    return TOP
