"""Where the gate's keys lie: never below the artifacts, and the environment names the place alone."""

from pathlib import Path

import pytest

from components.core.errors import ArtifactError, EnvironmentMissingError, UsageError
from components.core.keys import private_key, public_key
from components.core.workspace import SIGNING_KEY, VERIFY_KEY, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(str(tmp_path / "root"))


def test_unnamed_keys_are_the_users_own(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert workspace.signing_key == tmp_path / "settings" / "quantfoundry" / "verdict.pem"
    assert workspace.verify_key == tmp_path / "settings" / "quantfoundry" / "verdict.pub"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert workspace.signing_key == tmp_path / "home" / ".config" / "quantfoundry" / "verdict.pem"


def test_the_environment_names_either_key(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "secret" / "gate.pem"))
    assert workspace.signing_key == tmp_path / "secret" / "gate.pem"
    assert workspace.verify_key == tmp_path / "secret" / "gate.pub"
    monkeypatch.setenv(VERIFY_KEY, str(tmp_path / "trusted.pub"))
    assert workspace.verify_key == tmp_path / "trusted.pub"


def test_a_key_among_the_artifacts_is_refused_also_through_a_link(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.root / "keys").mkdir(parents=True)
    (tmp_path / "link").symlink_to(workspace.root / "keys")
    for folder in (workspace.root / "keys", tmp_path / "link"):
        monkeypatch.setenv(SIGNING_KEY, str(folder / "verdict.pem"))
        with pytest.raises(UsageError, match=f"below the artifact root.*{SIGNING_KEY}"):
            _ = workspace.signing_key
    monkeypatch.delenv(SIGNING_KEY)
    monkeypatch.setenv(VERIFY_KEY, str(workspace.root / "verdict.pub"))
    with pytest.raises(UsageError, match=VERIFY_KEY):
        _ = workspace.verify_key


def test_a_user_without_a_home_is_told_what_to_name(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(EnvironmentMissingError, match=SIGNING_KEY):
        _ = workspace.signing_key


def test_a_key_that_is_named_must_be_there_and_is_never_made(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "secret.pem"))
    with pytest.raises(ArtifactError, match=r"no such key, though QF_SIGNING_KEY names it\. Mount it"):
        private_key(workspace.signing_key)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ArtifactError, match=f"secret.pub: no such public key.*{VERIFY_KEY}"):
        public_key(workspace.verify_key)


def test_a_mounted_key_signs_where_nothing_can_be_written_beside_it(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = private_key(tmp_path / "own" / "verdict.pem")
    (tmp_path / "own" / "verdict.pub").unlink()
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "own" / "verdict.pem"))
    monkeypatch.setattr("os.access", lambda *_: False)  # root could write anywhere but into a mounted secret
    assert private_key(workspace.signing_key).public_key() == made.public_key()
    assert not (tmp_path / "own" / "verdict.pub").exists()
