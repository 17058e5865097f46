"""A backup holds the same bits, and one that was altered, cut or signed by another gives nothing."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from judged import make_bundle

from cli.main import qf
from components.core.backup import LIST, UNFINISHED, back_up, restore
from components.core.errors import ArtifactError, UsageError
from components.core.keys import private_key
from components.core.registry import PROMOTE, history
from components.core.workspace import Workspace


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A champion with its ledger, a twin's checkpoint, and what is nobody's: a lock, half a file, a log."""
    made = Workspace.at(str(tmp_path / "root"))
    bundle = make_bundle(made.model("twin", "made-up.aaa") / "v1", 7, family="twin")
    entry = {"action": PROMOTE, "version": 1, "bundle": bundle.digest, "folder": "v1", "verdict": "", "run_key": "k"}
    made.promotions("twin", "made-up.aaa").append(entry, expect=0)
    twin = made.root / "twins" / "made-up" / "AAA"
    twin.mkdir(parents=True)
    (twin / "checkpoint-00000000.safetensors").write_bytes(bytes(100))
    (made.model("twin", "made-up.aaa") / "promotion.lock").write_text("pid 1")
    (made.model("twin", "made-up.aaa") / ".latest.json.1.tmp").write_text("{")
    (made.root / "logs").mkdir()
    (made.root / "logs" / "a.log").write_text("said")
    return made


@pytest.mark.promise("S0-58")
def test_what_is_restored_has_the_same_bits_and_serves(workspace: Workspace, tmp_path: Path) -> None:
    files = back_up(workspace, tmp_path / "a.tar")
    other = Workspace.at(str(tmp_path / "other"))
    assert restore(other, tmp_path / "a.tar") == files
    kept = {name: data for name, data in content(workspace.root).items() if name in files}
    assert content(other.root) == kept
    assert {name.split("/")[0] for name in files} == {"ledger", "models", "twins"}
    assert not [name for name in files if name.endswith((".lock", ".tmp", ".log"))]
    champion = history(other, "twin", "made-up.aaa").champion
    assert champion is not None
    assert champion.load().digest == champion.bundle
    assert back_up(other, tmp_path / "b.tar") == files
    assert (tmp_path / "b.tar").read_bytes() == (tmp_path / "a.tar").read_bytes()


@pytest.mark.promise("S0-58")
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_an_altered_or_cut_archive_restores_nothing(workspace: Workspace, tmp_path: Path, place: float) -> None:
    """Every byte of a member is asked for: those between members are padding, which says nothing."""
    back_up(workspace, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        entries = [entry for entry in tar if entry.size]
    entry = entries[int(place * len(entries))]
    data = bytearray((tmp_path / "a.tar").read_bytes())
    data[entry.offset_data + entry.size // 2] ^= 1
    (tmp_path / "bad.tar").write_bytes(data)
    cut = bytes(data[: entry.offset_data + entry.size // 2])
    (tmp_path / "cut.tar").write_bytes(cut)
    other = Workspace.at(str(tmp_path / "other"))
    for name in ("bad.tar", "cut.tar"):
        with pytest.raises(ArtifactError):
            restore(other, tmp_path / name)
        assert content(other.root) == {}


def test_members_that_are_not_listed_or_leave_the_root_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    back_up(workspace, tmp_path / "a.tar")
    other = Workspace.at(str(tmp_path / "other"))
    for name in ("models/extra", "../outside", "/etc/outside"):
        shutil.copyfile(tmp_path / "a.tar", tmp_path / "more.tar")
        with tarfile.open(tmp_path / "more.tar", mode="a") as tar:
            entry = tarfile.TarInfo(name)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"bad"))
        with pytest.raises(ArtifactError, match="which its list does not"):
            restore(other, tmp_path / "more.tar")
    assert content(tmp_path / "other") == {}
    assert not (tmp_path / "outside").exists()


def test_another_gates_archive_is_refused(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(workspace, tmp_path / "a.tar")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    private_key(workspace.signing_key)
    with pytest.raises(ArtifactError, match="signed with another key"):
        restore(Workspace.at(str(tmp_path / "other")), tmp_path / "a.tar")


def test_a_root_with_models_is_left_alone_and_half_a_restore_is_completed(workspace: Workspace, tmp_path: Path) -> None:
    back_up(workspace, tmp_path / "a.tar")
    with pytest.raises(UsageError, match="has ledger, models, twins already"):
        restore(workspace, tmp_path / "a.tar")
    other = Workspace.at(str(tmp_path / "other"))
    files = restore(other, tmp_path / "a.tar")
    shutil.rmtree(other.root / "ledger")  # as if killed before the last folder was in its place
    (other.root / UNFINISHED).write_text("{}")
    assert restore(other, tmp_path / "a.tar") == files
    assert set(content(other.root)) == set(files)


def test_nothing_to_keep_and_an_archive_in_its_own_way_are_said(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no model and no ledger"):
        back_up(Workspace.at(str(tmp_path / "empty")), tmp_path / "a.tar")
    with pytest.raises(UsageError, match="lies in what is backed up"):
        back_up(workspace, workspace.root / "models" / "a.tar")
    with pytest.raises(ArtifactError, match="no such archive"):
        restore(Workspace.at(str(tmp_path / "other")), tmp_path / "none.tar")


def test_the_commands_say_how_much(workspace: Workspace, tmp_path: Path) -> None:
    run = CliRunner()
    made = run.invoke(qf, ["backup", str(tmp_path / "a.tar"), "--root", str(workspace.root)])
    assert made.exit_code == 0
    assert f"files of {workspace.root} are in" in made.output
    back = run.invoke(qf, ["restore", str(tmp_path / "a.tar"), "--root", str(tmp_path / "other")])
    assert "files are below" in back.output
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames()[0] == LIST
