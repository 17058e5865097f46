"""The images' files: every rule of a Dockerfile is broken once, every locked file is what the lock says."""

from pathlib import Path

import pytest
import yaml

from components.core.errors import ArtifactError, UsageError
from components.wiring import CPU, GPU, JUDGE, TOTO, USER
from images import lock
from images.base import pinned
from images.lint import broken, faults
from images.roles import Role, roles
from pipelines import COMPILED

GOOD = (Path(__file__).parents[2] / "images" / "python-gpu" / "Dockerfile").read_text()
SERVERS = {"python-mlflow"}
DIGEST = "sha256:" + "0f" * 32


def said(text: str) -> list[str]:
    return [sentence for _, sentence in broken(text)]


def test_the_projects_own_dockerfiles_break_no_rule() -> None:
    assert faults() == []
    assert said(GOOD) == []


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("FROM ${BASE_IMAGE}", "FROM python:latest", "base python:latest has no digest"),
        ("FROM ${BASE_IMAGE}", "FROM python", "base python has no digest"),
        ("FROM ${BASE_IMAGE}", "FROM python:3.11-slim", "base python:3.11-slim has no digest"),
        ("ARG BASE_IMAGE", "ARG BASE_IMAGE=python:latest", "base python:latest has no digest"),
        ("USER 10001:10001", "USER root", "USER is root"),
        ("USER 10001:10001", "USER 0:0", "USER is 0:0"),
        ("USER 10001:10001", "USER 10001", "USER is 10001;"),
        ("USER 10001:10001", "USER 1000:1000", "USER is 1000:1000"),
        ("USER 10001:10001", "", "USER is root"),
        ("USER 10001:10001", "USER 10001:10001\nUSER root", "USER is root"),
        ("HEALTHCHECK NONE", "", "no 'HEALTHCHECK NONE'"),
        ("HEALTHCHECK NONE", "HEALTHCHECK CMD true", "no 'HEALTHCHECK NONE'"),
        ("HEALTHCHECK NONE", "ENV AWS_SECRET_ACCESS_KEY=abc\nHEALTHCHECK NONE", "AWS_SECRET_ACCESS_KEY stays readable"),
        ("HEALTHCHECK NONE", "ENV A=1 \\\n    db_password=abc\nHEALTHCHECK NONE", "db_password stays readable"),
        ("HEALTHCHECK NONE", "ENV API_TOKEN abc\nHEALTHCHECK NONE", "API_TOKEN stays readable"),
        ("HEALTHCHECK NONE", "ARG PIP_TOKEN\nHEALTHCHECK NONE", "PIP_TOKEN stays readable"),
        ("HEALTHCHECK NONE", "LABEL signing_key=abc\nHEALTHCHECK NONE", "signing_key stays readable"),
        ("HEALTHCHECK NONE", "RUN pip install numpy\nHEALTHCHECK NONE", "'pip install' fetches what no lock names"),
        (
            "HEALTHCHECK NONE",
            "RUN apt-get install -y curl\nHEALTHCHECK NONE",
            "'apt-get install' fetches",
        ),
        ("HEALTHCHECK NONE", "RUN curl https://example.com/setup.sh | sh\nHEALTHCHECK NONE", "'curl' fetches"),
        ("HEALTHCHECK NONE", "ADD https://example.com/a.tar /\nHEALTHCHECK NONE", "ADD fetches"),
        ("HEALTHCHECK NONE", "COPY . /src\nHEALTHCHECK NONE", "copies the whole context"),
        ("org.opencontainers.image.title", "title", "no label org.opencontainers.image.title"),
    ],
)
def test_each_rule_is_caught_when_it_is_broken(before: str, after: str, sentence: str) -> None:
    assert before in GOOD
    [found] = said(GOOD.replace(before, after, 1))
    assert found.startswith(sentence)


def test_a_fault_is_named_by_its_line() -> None:
    [(line, _)] = broken(GOOD.replace("USER", "# why\nENV TOKEN=abc\nUSER", 1))
    assert GOOD.replace("USER", "# why\nENV TOKEN=abc\nUSER", 1).splitlines()[line - 1] == "ENV TOKEN=abc"


def test_a_base_by_digest_and_a_later_stage_of_the_same_file_are_allowed() -> None:
    assert said(GOOD.replace("ARG BASE_IMAGE", f"ARG BASE_IMAGE=python:3.11@{DIGEST}", 1)) == []
    assert said(GOOD.replace("FROM ${BASE_IMAGE}", f"FROM python:3.11@{DIGEST} AS made\nFROM made", 1)) == []


@pytest.mark.parametrize("name", ["python", "python:latest", "python:3.11", "python@sha256:0f"])
def test_a_base_without_its_digest_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name it with its digest"):
        pinned(name)


def test_a_base_is_known_by_its_digest() -> None:
    assert pinned(f"registry.example/python:3.11@{DIGEST}") == DIGEST


def test_there_is_one_role_for_every_image_that_a_pipeline_asks_for() -> None:
    asked = {
        executor["container"]["image"]
        for path in COMPILED.glob("*.yaml")
        for executor in next(yaml.safe_load_all(path.read_text()))["deploymentSpec"]["executors"].values()
    }
    assert asked == {CPU, JUDGE, GPU, TOTO} == {role.image for role in roles() if role.name not in SERVERS}
    assert all("python" in image for image in asked)  # the local runner warns of others


def test_the_user_of_the_images_is_the_one_that_tasks_run_as() -> None:
    assert all(f"USER {USER}:{USER}\n" in role.dockerfile.read_text() for role in roles())


def test_the_locked_files_are_fresh() -> None:
    assert lock.stale() == []


def test_a_stale_locked_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "lock.txt"
    old.write_text(lock.LOCK.read_text().replace("numpy==2.", "numpy==1.", 1))
    monkeypatch.setattr(lock, "LOCK", old)
    assert [text.split(":")[0] for text in lock.stale()] == [f"images/{role.name}/requirements.txt" for role in roles()]


def test_a_package_that_the_lock_misses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "lock.txt"
    old.write_text(lock.LOCK.read_text().replace("\nnumpy==", "\nnumpi==", 1))
    monkeypatch.setattr(lock, "LOCK", old)
    with pytest.raises(ArtifactError, match="has no numpy, which python-cpu needs"):
        lock.locked(Role("python-cpu"))


def test_every_locked_package_has_its_hashes_and_the_image_of_data_has_no_torch() -> None:
    whole = lock.LOCK.read_text()
    assert "\n".join(lock.pins(whole).values()) + "\n" == whole
    for role in roles():
        text = role.requirements.read_text()
        assert all(lock.hashes(text).values())
        beside = lock.BESIDE[role.name].read_text() if role.name in lock.BESIDE else ""
        assert lock.pins(text).items() <= lock.pins(whole).items() | lock.pins(beside).items()
        assert lock.pins(beside).items() <= lock.pins(text).items()
    assert lock.TORCH not in lock.reached("python-cpu") | lock.reached("python-mlflow")
    assert lock.TORCH in lock.reached("python-gpu") & lock.reached("python-judge") & lock.reached("python-toto")


def test_a_package_that_is_locked_twice_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "toto.txt"
    beside.write_text("numpy==1.26.4 \\\n    --hash=sha256:" + "0f" * 32 + "\n")
    monkeypatch.setattr(lock, "BESIDE", {"python-toto": beside})
    with pytest.raises(ArtifactError, match=r"toto\.txt: numpy is in lock\.txt too"):
        lock.locked(Role("python-toto"))


def test_what_an_older_python_needs_is_locked_too() -> None:
    """Debian's 3.11.2 wants async-timeout of redis; this interpreter may not."""
    assert "async-timeout" in lock.pins(Role("python-cpu").requirements.read_text())
