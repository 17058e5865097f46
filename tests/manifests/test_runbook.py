"""The runbook: what it says runs as it stands, is run; what wants a cluster, says so."""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from judged import lay_down, make_bundle, make_verdict

from components.core import registry
from components.core.workspace import SIGNING_KEY, VERIFY_KEY, Workspace
from components.promote.promotion import derive, enter
from pipelines.manifests import SECRETS

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FAMILY, DATASET = "price_action", "toy"


def blocks(top: Path) -> list[tuple[str, str]]:
    return [(mark.strip(), body) for mark, body in FENCE.findall((top / "docs" / "runbook.md").read_text())]


def test_every_block_says_where_it_runs(top: Path) -> None:
    marks = [mark for mark, _ in blocks(top)]
    assert set(marks) == {"sh local", "sh cluster"}
    assert len(marks) >= 10


def test_every_folder_and_secret_that_it_names_is_there(top: Path) -> None:
    text = (top / "docs" / "runbook.md").read_text()
    folders = re.findall(r"manifests/(?:overlays|jobs|components)/[\w-]+", text)
    assert folders
    assert [folder for folder in folders if not (top / folder / "kustomization.yaml").is_file()] == []
    made = re.findall(r"create secret generic ([\w-]+)((?:\\\n|.)*)", text)
    assert {name for name, _ in made} <= SECRETS.keys()
    for name, rest in made:
        keys = re.findall(r"--from-(?:literal|file)=([\w.-]+)", rest)
        assert set(keys) == SECRETS[name], name


def test_the_readme_lists_each_secret_with_its_keys(top: Path) -> None:
    text = (top / "manifests" / "README.md").read_text()
    rows = dict(re.findall(r"^\| `(qf-[\w-]+)` \| (.*?) \|", text, re.MULTILINE))
    assert {name: set(re.findall(r"`([\w.-]+)`", keys)) for name, keys in rows.items()} == SECRETS


@pytest.fixture
def promoted(tmp_path: Path) -> Path:
    """A root on which two models were promoted, one after the other."""
    workspace = Workspace.at(str(tmp_path / "root"))
    for name, weight in (("a", 1), ("b", 2)):
        bundle = make_bundle(tmp_path / name, weight)
        verdict = make_verdict(bundle, DATASET, registry.history(workspace, FAMILY, DATASET))
        judged = lay_down(tmp_path / f"{name}-verdict", verdict, workspace)
        enter(workspace, bundle, judged, dataset=DATASET, run_key="k", clock=lambda: datetime(2026, 1, 5, tzinfo=UTC))
    derive(workspace, FAMILY, DATASET)
    return workspace.root


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:The ``noload`` loader strategy:DeprecationWarning")  # MLflow's own
def test_every_local_block_runs_in_order(top: Path, tmp_path: Path, promoted: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in (SIGNING_KEY, VERIFY_KEY)}
    environment |= {"WORK": str(work), "ROOT": str(promoted)}
    said: list[str] = []
    for mark, body in blocks(top):
        if mark == "sh local":
            script = ["bash", "-euo", "pipefail", "-c", body]
            result = subprocess.run(
                script, cwd=top, env=environment, capture_output=True, text=True, check=False, timeout=600
            )
            assert result.returncode == 0, f"{body}\n{result.stdout}{result.stderr}"
            said.append(result.stdout)
    champions = re.findall(r"^ +champion +version (\d+)", "\n".join(said), re.MULTILINE)
    assert champions == ["2", "1", "1", "1"]  # before the rollback, after it, asked again, and out of the backup
