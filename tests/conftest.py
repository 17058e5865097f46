"""What all tests share: the real data, where it exists."""

from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
SHARED_DATA = TOP.parent / "shared" / "data"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Collect tests on real data only where the data lies beside the project."""
    if SHARED_DATA.is_dir():
        return
    kept = [item for item in items if item.get_closest_marker("realdata") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real market data; read only."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def top() -> Path:
    """The checkout."""
    return TOP
