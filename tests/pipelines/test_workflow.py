"""The workflow that users' changes and tags go through: valid, least privileged, and of commands that run."""

import copy
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from kfp_server import Kubeflow, serving

from cli.main import COMMANDS, qf
from components.core.errors import UsageError
from pipelines import COMPILED

WORKFLOW = Path(__file__).parents[2] / ".github" / "workflows" / "pipelines.yaml"
Job = dict[str, Any]


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    return yaml.safe_load(WORKFLOW.read_text())


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def script(workflow: dict[str, Any], name: str) -> str:
    return next(step["run"] for step in steps(workflow) if step.get("name") == name)


def accepted(path: Path) -> bool:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def test_the_schema_of_workflows_accepts_it_and_refuses_a_misspelt_one(tmp_path: Path) -> None:
    assert accepted(WORKFLOW)
    broken = tmp_path / "broken.yaml"
    broken.write_text(WORKFLOW.read_text().replace("runs-on:", "run-on:", 1))
    assert not accepted(broken)


def faults(workflow: dict[str, Any]) -> list[str]:
    """What a workflow must not do, whatever its schema allows."""
    found: list[str] = []
    if workflow.get("permissions") != {"contents": "read"} or any("permissions" in job for job in jobs(workflow)):
        found.append("more permissions than reading")
    found += ["no time limit" for job in jobs(workflow) if "timeout-minutes" not in job]
    for step in steps(workflow):
        if "uses" in step and not re.fullmatch(r"[\w-]+/[\w-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})", step["uses"]):
            found.append(f"{step['uses']}: not pinned")
        if "checkout" in step.get("uses", "") and step["with"].get("persist-credentials") is not False:
            found.append("leaves its token in the checkout")
        if "${{" in step.get("run", ""):
            found.append("an expression in a script: whoever names a branch could write commands")
        for name, value in step.get("env", {}).items():
            if re.search("TOKEN|SECRET|PASSWORD|KEY", name) and not re.fullmatch(r"\$\{\{ secrets\.\w+ \}\}", value):
                found.append(f"{name}: a secret in plain text")
    return found


def jobs(workflow: dict[str, Any]) -> list[Job]:
    return list(workflow["jobs"].values())


def test_it_may_no_more_than_it_must(workflow: dict[str, Any]) -> None:
    assert faults(workflow) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda w: w.update(permissions={"contents": "write"}), "more permissions"),
        (lambda w: jobs(w)[1].update(permissions="write-all"), "more permissions"),
        (lambda w: jobs(w)[0].pop("timeout-minutes"), "no time limit"),
        (lambda w: jobs(w)[0]["steps"][0].update(uses="actions/checkout@main"), "not pinned"),
        (lambda w: jobs(w)[0]["steps"][0]["with"].clear(), "leaves its token"),
        (lambda w: jobs(w)[0]["steps"][2].update(run="echo ${{ github.ref }}"), "an expression"),
        (lambda w: jobs(w)[1]["steps"][-1]["env"].update({"KF_PIPELINES_TOKEN": "abc"}), "a secret in plain text"),
    ],
)
def test_each_thing_that_it_must_not_do_is_seen(workflow: dict[str, Any], change: Any, named: str) -> None:
    other = copy.deepcopy(workflow)
    change(other)
    assert any(named in fault for fault in faults(other))


def test_only_a_tag_is_published_and_only_after_the_checks(workflow: dict[str, Any]) -> None:
    publish = workflow["jobs"]["publish"]
    assert publish["needs"] == "check"
    assert publish["if"] == "startsWith(github.ref, 'refs/tags/v')"
    named = [name for name, job in workflow["jobs"].items() if "secrets." in str(job)]
    assert named == ["publish"]


def test_every_command_in_it_exists(workflow: dict[str, Any], top: Path) -> None:
    text = "\n".join(step.get("run", "") for step in steps(workflow))
    targets = re.findall(r"^\s*make (\w+)", text, re.MULTILINE)
    commands = re.findall(r"\.venv/bin/qf (?!--)([\w-]+)", text)
    assert set(targets) == {"check", "test"}
    assert set(commands) == {"compile", "release-notes", "upload"}
    assert set(commands) <= COMMANDS.keys()
    result = subprocess.run(["make", "-n", *targets], cwd=top, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "qf compile --check" in result.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of two tags; in the first, training of price-action had one core."""
    folder = tmp_path / "checkout"
    compiled = folder / "pipelines" / "compiled"
    compiled.mkdir(parents=True)
    (folder / ".venv").symlink_to(sys.prefix)
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run([*git, "init", "-q"], check=True)
    for tag, old, new in (("v0.0.1", "resourceCpuLimit: '4'", "resourceCpuLimit: '1'"), ("v0.1.0", "", "")):
        for path in COMPILED.glob("*.yaml"):
            (compiled / path.name).write_text(path.read_text().replace(old, new))
        subprocess.run([*git, "add", "pipelines"], check=True)
        subprocess.run([*git, "commit", "-qm", tag], check=True)
        subprocess.run([*git, "tag", tag], check=True)
    return folder


def run(text: str, checkout: Path, tag: str, **environ: str) -> None:
    """Run a step's script as a runner does."""
    commit = subprocess.check_output(["git", "-C", str(checkout), "rev-parse", tag], text=True).strip()
    given = {"GITHUB_SHA": commit, "GITHUB_REF_NAME": tag, "GITHUB_STEP_SUMMARY": str(checkout / "summary.md")}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    result = subprocess.run(
        command,
        cwd=checkout,
        env={**os.environ, **given, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_notes_of_a_tag_are_those_since_the_tag_before(workflow: dict[str, Any], checkout: Path) -> None:
    run(script(workflow, "Release notes"), checkout, "v0.1.0")
    text = (checkout / "release-notes.md").read_text()
    assert "- Step `train`: CPU limit is 4 instead of 1.\n" in text
    assert (checkout / "summary.md").read_text() == text
    run(script(workflow, "Release notes"), checkout, "v0.0.1")
    first = (checkout / "release-notes.md").read_text()
    assert first.count("New pipeline: ") == len(list(COMPILED.glob("*.yaml")))


def test_a_tag_that_names_another_version_is_refused(workflow: dict[str, Any], checkout: Path) -> None:
    check = script(workflow, "Compiled pipelines are up to date, and the tag names their version").splitlines()[-1]
    run(check, checkout, "v0.1.0")
    with pytest.raises(AssertionError):
        run(check, checkout, "v0.0.1")


def test_the_upload_makes_a_version_of_every_pipeline_once(workflow: dict[str, Any], checkout: Path) -> None:
    kubeflow = Kubeflow(bearer="of-nobody")
    with serving(kubeflow) as host:
        given = {"ENDPOINT": host, "NAMESPACE": "", "TOKEN": kubeflow.bearer}
        for _ in range(2):
            run(
                script(workflow, "Upload the versions"),
                checkout,
                "v0.1.0",
                **{f"KF_PIPELINES_{name}": text for name, text in given.items()},
            )
    commit = subprocess.check_output(["git", "-C", str(checkout), "rev-parse", "v0.1.0"], text=True).strip()
    names = {item["name"] for item in kubeflow.versions.values()}
    assert names == {f"0.1.0-g{commit}"}
    assert len(kubeflow.versions) == len(list(COMPILED.glob("*.yaml")))
    assert kubeflow.runs == {}


def test_one_pipeline_can_be_uploaded_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    kubeflow = Kubeflow()
    monkeypatch.delenv("KF_PIPELINES_TOKEN", raising=False)
    with serving(kubeflow) as host:
        command = ["upload", "publish-models", "--host", host, "--commit", "0123abc"]
        result = CliRunner().invoke(qf, command, catch_exceptions=False)
        assert result.output.startswith("publish-models 0.1.0-g0123abc: version ")
        with pytest.raises(UsageError, match="no such pipeline"):
            CliRunner().invoke(qf, ["upload", "nobody", *command[2:]], catch_exceptions=False)
    assert [item["display_name"] for item in kubeflow.pipelines.values()] == ["publish-models"]
