"""The MLflow server of the manifests, started by the very words of its Deployment, and promotions into it."""

import base64
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from judged import lay_down, make_bundle, make_verdict

from components.core import registry
from components.core.workspace import TRACKING_URI, Workspace
from components.promote import tracking
from components.promote.promotion import derive, enter, roll_back
from pipelines.manifests import FOLDER
from pipelines.manifests.build import build, jobs

pytestmark = [
    pytest.mark.slow,
]
FAMILY, DATASET, PASSWORD = "price_action", "toy", "correct-horse-battery"
EXPERIMENTS = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"


def container(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    item = next(each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)
    return item["spec"]["template"]["spec"]["containers"][0]


@dataclass(frozen=True)
class Server:
    port: int
    folder: Path

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def ask(self, path: str, *, password: str = "", host: str = "") -> int:
        request = urllib.request.Request(self.address + path)  # noqa: S310 - it is our own
        if password:
            request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


def environment(variables: list[dict[str, Any]], given: dict[str, str]) -> dict[str, str]:
    """Return what the container's environment is where its references are to ``given``."""
    values = {item["name"]: item.get("value") or given.get(item["name"]) for item in variables}
    return {name: value for name, value in values.items() if value is not None}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "basic_auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\nadmin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    given = {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "store"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "any",
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
    }
    deployed = container(build(FOLDER / "overlays" / "production"), "Deployment", "qf-mlflow")
    upgrade = container(jobs(), "Job", "qf-mlflow-upgrade")
    settings = {**os.environ, **environment(deployed["env"], given), "HOME": str(folder)}
    settings["MLFLOW_AUTH_CONFIG_PATH"] = str(folder / "basic_auth.ini")
    places = {"--host=0.0.0.0": "--host=127.0.0.1", "--workers=2": "--workers=1"}
    command = [places.get(word, word.replace("5000", str(port))) for word in deployed["command"]]
    program = str(Path(sys.executable).with_name("mlflow"))
    migrate = [
        word.replace("$(MLFLOW_BACKEND_STORE_URI)", given["MLFLOW_BACKEND_STORE_URI"]) for word in upgrade["command"]
    ]
    subprocess.run([program, *migrate[1:]], env=settings, check=True, capture_output=True, timeout=300)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *command[1:]], env=settings, stdout=log, stderr=log, cwd=folder)
    started = Server(port, folder)
    try:
        _wait(started, process)
        yield started
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, (server.folder / "log").read_text()[-3000:]
        try:
            if server.ask("/health") == 200:
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError((server.folder / "log").read_text()[-3000:])


def test_only_health_is_answered_without_a_password(server: Server) -> None:
    assert server.ask("/health") == 200
    assert server.ask(EXPERIMENTS) == 401
    assert server.ask(EXPERIMENTS, password="wrong") == 401  # noqa: S106
    assert server.ask(EXPERIMENTS, password=PASSWORD) == 200


def test_the_service_s_name_is_let_in_and_another_host_is_not(server: Server) -> None:
    assert server.ask(EXPERIMENTS, password=PASSWORD, host=f"qf-mlflow:{server.port}") == 200
    assert server.ask(EXPERIMENTS, password=PASSWORD, host=f"elsewhere:{server.port}") == 403
    assert server.ask("/health", host=f"10.1.2.3:{server.port}") == 200  # a probe comes by address


@pytest.fixture
def workspace(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv(TRACKING_URI, server.address)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    return Workspace.at(str(tmp_path / "root"))


def test_a_promotion_and_a_rollback_reach_the_server_and_leave_no_store_below_the_root(
    server: Server, workspace: Workspace, tmp_path: Path
) -> None:
    now = datetime(2026, 1, 5, 12, tzinfo=UTC)
    bundles = [make_bundle(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 2))]
    runs: list[str] = []
    for bundle in bundles:
        verdict = make_verdict(bundle, DATASET, registry.history(workspace, FAMILY, DATASET))
        judged = lay_down(tmp_path / f"{bundle.folder.name}-verdict", verdict, workspace)
        if bundle is bundles[1]:  # the first was recorded on another server
            runs.append(tracking.record(workspace, bundle, verdict, judged, dataset=DATASET, run_key="k"))
        enter(workspace, bundle, judged, dataset=DATASET, run_key="k", clock=lambda: now)
        derive(workspace, FAMILY, DATASET)
    client, name = tracking.client(workspace), tracking.model_name(FAMILY, DATASET)
    champion = client.get_model_version_by_alias(name, "champion")
    assert champion.tags[tracking.BUNDLE] == bundles[1].digest
    assert champion.source == f"runs:/{runs[0]}/bundle"
    assert [file.path for file in client.list_artifacts(runs[0], "bundle")] == ["bundle/manifest.json"]
    assert list((server.folder / "store").rglob("verdict.json")) != []
    roll_back(workspace, FAMILY, DATASET, clock=lambda: now)
    assert client.get_model_version_by_alias(name, "champion").tags[tracking.BUNDLE] == bundles[0].digest
    assert len(client.search_model_versions(f"name = '{name}'")) == 2
    assert not (workspace.root / "mlflow").exists()
