"""A release: champions alone, in folders of their own, and a pointer that is written last."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest
from judged import lay_down, make_bundle, make_verdict

from components.core import bundle as bundles
from components.core import registry
from components.core.bundle import Bundle
from components.core.errors import ArtifactError, DataError, EnvironmentMissingError, PromotionRefusedError, UsageError
from components.core.verdict import VERDICT, Measurement
from components.core.workspace import Workspace
from components.promote.promotion import enter
from components.publish.publication import LATEST, release, wanted
from components.publish.storage import require_credentials, upload

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
METRICS = {
    "regime": {"test_accuracy": 0.61, "test_f1_macro": 0.44},
    "health": {"test_recon_mse": 0.2, "test_health_correlation": 0.3},
}
KINDS = {"regime": "gru", "health": "vae"}
FAMILIES = ("regime", "health")


def promoted(workspace: Workspace, family: str, folder: Path, weight: int = 1) -> Bundle:
    """Make a champion the way the promote step does."""
    bundle = make_bundle(folder, weight, family=family, config={"model": {"type": KINDS[family]}})
    metrics = {name: Measurement(zone="test", value=value) for name, value in METRICS[family].items()}
    verdict = make_verdict(bundle, "real", registry.history(workspace, family, "real"), metrics=metrics)
    judged = lay_down(folder.with_name(f"{folder.name}-verdict"), verdict, workspace)
    enter(workspace, bundle, judged, dataset="real", run_key="k", clock=lambda: NOW)
    return bundle


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(str(tmp_path / "root"))


@pytest.mark.promise("S1-37")
@pytest.mark.promise("S1-38")
@pytest.mark.promise("S1-39")
@pytest.mark.promise("S1-40")
@pytest.mark.promise("S1-41")
def test_the_pointer_names_both_models_with_their_metrics(workspace: Workspace, tmp_path: Path) -> None:
    made = {family: promoted(workspace, family, tmp_path / family) for family in FAMILIES}
    names = release(workspace, FAMILIES, "real", tmp_path / "models", at=NOW)
    assert names == [f"{family}_v20260105.{made[family].digest[:12]}" for family in FAMILIES]
    pointer = json.loads((tmp_path / "models" / LATEST).read_text())
    assert pointer["version"].startswith("20260105-")
    assert pointer == {
        "version": pointer["version"],
        "timestamp": "2026-01-05T12:00:00+00:00",
        "regime_model": names[0],
        "health_model": names[1],
        "regime_metrics": {"test_accuracy": 0.61, "test_f1_macro": 0.44, "model_type": "gru"},
        "health_metrics": {"test_recon_mse": 0.2, "test_health_correlation": 0.3, "model_type": "vae"},
    }
    for family, name in zip(FAMILIES, names, strict=True):
        assert bundles.load(tmp_path / "models" / name).digest == made[family].digest


@pytest.mark.promise("S0-13")
def test_a_foundation_is_published_under_its_version_and_loads_from_there(workspace: Workspace, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", 1, family="foundation", config={"model": {"hidden": 32}})
    values = {"quantile_loss": 0.27, "hit_rate": 0.53}
    metrics = {name: Measurement(zone="test", value=value) for name, value in values.items()}
    verdict = make_verdict(bundle, "real", registry.history(workspace, "foundation", "real"), metrics=metrics)
    enter(
        workspace,
        bundle,
        lay_down(tmp_path / "verdict", verdict, workspace),
        dataset="real",
        run_key="k",
        clock=lambda: NOW,
    )
    [name] = release(workspace, ("foundation",), "real", tmp_path / "models", at=NOW)
    assert name == f"foundation/foundation_v1.0.{bundle.digest[:12]}"
    assert bundles.load(tmp_path / "models" / name).digest == bundle.digest
    pointer = json.loads((tmp_path / "models" / LATEST).read_text())
    assert (pointer["foundation_model"], pointer["foundation_metrics"]) == (name, values)


def test_a_family_without_a_champion_is_null_and_none_is_no_pointer(workspace: Workspace, tmp_path: Path) -> None:
    assert release(workspace, FAMILIES, "real", tmp_path, at=NOW) == []
    assert not (tmp_path / LATEST).exists()
    promoted(workspace, "health", tmp_path / "bundle")
    assert len(release(workspace, FAMILIES, "real", tmp_path, at=NOW)) == 1
    pointer = json.loads((tmp_path / LATEST).read_text())
    assert (pointer["regime_model"], pointer["regime_metrics"]) == (None, None)


def test_a_second_release_keeps_the_folders_of_the_first(workspace: Workspace, tmp_path: Path) -> None:
    promoted(workspace, "regime", tmp_path / "a")
    first = release(workspace, FAMILIES, "real", tmp_path / "models", at=NOW)
    promoted(workspace, "regime", tmp_path / "b", weight=2)
    second = release(workspace, FAMILIES, "real", tmp_path / "models", at=NOW)
    assert first != second
    for [name] in (first, second):
        bundles.load(tmp_path / "models" / name)
    assert json.loads((tmp_path / "models" / LATEST).read_text())["regime_model"] == second[0]


def test_an_altered_champion_leaves_the_pointer_as_it_was(workspace: Workspace, tmp_path: Path) -> None:
    promoted(workspace, "regime", tmp_path / "a")
    release(workspace, FAMILIES, "real", tmp_path / "models", at=NOW)
    before = (tmp_path / "models" / LATEST).read_bytes()
    promoted(workspace, "health", tmp_path / "b")
    champion = registry.history(workspace, "health", "real").champion
    assert champion is not None
    (champion.folder / "weights.safetensors").write_bytes(b"\0" * 64)
    with pytest.raises(ArtifactError, match="sha256 differs"):
        release(workspace, FAMILIES, "real", tmp_path / "models", at=NOW)
    assert (tmp_path / "models" / LATEST).read_bytes() == before


def test_an_altered_copy_is_noticed_before_the_pointer_names_it_again(workspace: Workspace, tmp_path: Path) -> None:
    promoted(workspace, "regime", tmp_path / "a")
    [name] = release(workspace, FAMILIES, "real", tmp_path / "models", at=NOW)
    (tmp_path / "models" / name / "weights.safetensors").write_bytes(b"\0" * 64)
    with pytest.raises(ArtifactError, match="sha256 differs"):
        release(workspace, FAMILIES, "real", tmp_path / "models", at=NOW)


def test_a_signed_verdict_of_another_bundle_publishes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    promoted(workspace, "regime", tmp_path / "a")
    first = registry.history(workspace, "regime", "real").champion
    promoted(workspace, "regime", tmp_path / "b", weight=2)
    second = registry.history(workspace, "regime", "real").champion
    assert first is not None
    assert second is not None
    (second.evidence / VERDICT).write_bytes((first.evidence / VERDICT).read_bytes())
    with pytest.raises(PromotionRefusedError, match=f"is for bundle {first.bundle[:12]}"):
        release(workspace, FAMILIES, "real", tmp_path / "models", at=NOW)
    assert not (tmp_path / "models" / LATEST).exists()


def test_only_families_that_consumers_know_are_published() -> None:
    assert wanted(" regime, health ") == FAMILIES
    for text in ("", "price_action", "regime,nobody"):
        with pytest.raises(UsageError, match="want some of regime, health"):
            wanted(text)


@pytest.fixture(scope="module")
def s3_port() -> Iterator[int]:
    """An S3 server in a process of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert child.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port
    finally:
        child.terminate()
        child.wait(timeout=30)


@pytest.fixture
def credentials(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")


@pytest.mark.promise("S1-03")
def test_a_release_goes_to_the_bucket_pointer_last(workspace: Workspace, tmp_path: Path, credentials: None) -> None:
    require_credentials("shop")
    storage = fsspec.filesystem("s3", skip_instance_cache=True)
    storage.mkdir("shop")
    promoted(workspace, "regime", tmp_path / "bundle")
    names = release(workspace, FAMILIES, "real", tmp_path / "models", at=NOW)
    assert upload(tmp_path / "models", [*names, LATEST], bucket="shop", region="us-east-1") == "s3://shop/models"
    for path in (tmp_path / "models").rglob("*"):
        if path.is_file():
            assert storage.cat_file(f"shop/models/{path.relative_to(tmp_path / 'models')}") == path.read_bytes()
    with pytest.raises(DataError, match="no such bucket"):
        upload(tmp_path / "models", [LATEST], bucket="nowhere", region="us-east-1")


def test_without_credentials_nothing_is_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(EnvironmentMissingError, match=r"no credentials were found\..*--skip-upload"):
        require_credentials("shop")
