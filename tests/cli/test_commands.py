"""The small commands, as they are typed."""

import errno
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import promises
from cli.main import COMMANDS, qf


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(qf, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_every_listed_command_exists_and_has_help() -> None:
    for name in COMMANDS:
        result = call(name, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output


@pytest.mark.promise("S3-25")
def test_setup_test_prints_device_gpu_rows_and_success() -> None:
    lines = call("setup-test", "price-action").output.splitlines()
    text = "\n".join(lines)
    assert "device" in text.lower()
    assert "gpu" in text.lower()
    assert "5808" in text.replace(",", "")
    assert "1453" in text.replace(",", "")
    assert lines[-1] == "success"


def test_config_show_writes_every_default_out() -> None:
    shown = json.loads(call("config", "show", "price-action", "--recipe", "published", "-o", "json").output)
    assert shown["train"]["lr"] == 0.001
    assert shown["judge"]["costs"] == {"commission": 0.001, "slippage": 0.0005}


def test_config_recipes_lists_each_with_its_first_line() -> None:
    lines = call("config", "recipes", "price-action").output.splitlines()
    assert [line.split()[1] for line in lines] == ["calibration", "daily", "dense", "published", "smoke", "wide"]
    assert all(len(line.split()) > 5 for line in lines)


def test_doctor_finds_nothing_wrong_here(tmp_path: Path) -> None:
    result = call("doctor", "--root", str(tmp_path / "root"))
    assert result.exit_code == 0, result.output
    assert "BAD" not in result.output
    assert result.output.count("ok  ") == 7


def test_doctor_names_a_root_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(qf, ["doctor", "--root", str(tmp_path / "file" / "root"), "--only", "artifact root"])
    assert "BAD  artifact root" in result.output
    assert "choose another with --root" in result.output


def test_doctor_checks_only_what_it_is_asked_to(tmp_path: Path) -> None:
    assert call("doctor", "--root", str(tmp_path / "root"), "--only", "artifact root").output == "ok   artifact root\n"
    assert list((tmp_path / "root").iterdir()) == []


def test_doctor_refuses_a_root_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)  # as on a share that knows none
    result = CliRunner().invoke(qf, ["doctor", "--root", str(tmp_path / "root"), "--only", "artifact root"])
    assert "cannot write, lock and link below" in result.output


def test_doctor_misses_a_key_of_the_gate_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QF_SIGNING_KEY", str(tmp_path / "absent.pem"))
    result = CliRunner().invoke(qf, ["doctor", "--root", str(tmp_path / "root"), "--only", "keys of the gate"])
    assert "BAD  keys of the gate" in result.output
    assert f"QF_SIGNING_KEY names {tmp_path / 'absent.pem'}, which is not there; mount it" in result.output


def test_promises_counts_and_lists_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    longer = tmp_path / "promises.tsv"
    longer.write_text(promises.LIST.read_text() + "S3-99\twhat no test carries\n")
    monkeypatch.setattr(promises, "LIST", longer)
    lines = call("promises", "--system", "S3").output.splitlines()
    assert lines == ["S3-99  what no test carries", "46 of 47 promises are carried by a test, 1 missing"]


def test_champion_of_an_empty_root_says_how_to_get_one(tmp_path: Path) -> None:
    assert "qf run price-action" in call("champion", "price-action", "--root", str(tmp_path)).output
