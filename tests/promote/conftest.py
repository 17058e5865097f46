"""Workspaces, with or without a tracking store: to make one takes seconds."""

import shutil
import warnings
from pathlib import Path

import pytest

from components.core.workspace import Workspace
from components.promote import tracking


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tracking store without runs."""
    made = Workspace.at(str(tmp_path_factory.mktemp("store")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # MLflow's own
        tracking.client(made).search_experiments()
    return made.root / "mlflow"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(str(tmp_path / "root"))


@pytest.fixture
def tracked(workspace: Workspace, empty_store: Path) -> Workspace:
    """The workspace with a tracking store."""
    shutil.copytree(empty_store, workspace.root / "mlflow")
    return workspace
