"""Release notes of compiled pipelines: each difference is a sentence, and there is none without one."""

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.main import qf
from components.core.errors import ArtifactError, UsageError
from pipelines import COMPILED
from pipelines.release_notes import changes, facts_of, release_notes, versions_at

Documents = list[dict[str, Any]]
OLD: Documents = versions_at(str(COMPILED / "price-action.yaml"), COMPILED)["price-action"]
TWICE = {
    "taskInfo", "componentRef", "executorLabel", "name", "schemaTitle",
    "cpuLimit", "cpuRequest", "memoryLimit", "memoryRequest", "type", "count",
    "secretName", "configMapName",
}  # fmt: skip
"""Names, and what the compiler writes a second time under an older name."""


def container(documents: Documents, name: str) -> dict[str, Any]:
    return documents[0]["deploymentSpec"]["executors"][f"exec-{name}"]["container"]


def placed(documents: Documents, name: str) -> dict[str, Any]:
    return documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{name}"]


def tasks(documents: Documents) -> dict[str, Any]:
    return documents[0]["root"]["dag"]["tasks"]


def parameters(documents: Documents) -> dict[str, Any]:
    return documents[0]["root"]["inputDefinitions"]["parameters"]


def recipe(documents: Documents, **settings: Any) -> None:
    declared = parameters(documents)["recipe"]
    values = json.loads(declared["defaultValue"])
    values["train"] |= settings
    declared["defaultValue"] = json.dumps(values)


CHANGES: dict[str, tuple[Callable[[Documents], Any], str]] = {
    "image": (
        lambda d: container(d, "ingest").update(image="quantfoundry/python-cpu:9.9.9"),
        "Step `ingest`: image is quantfoundry/python-cpu:9.9.9 instead of {image}.",
    ),
    "code": (lambda d: container(d, "train").update(args=["x"]), "Step `train`: its code changed."),
    "CPU": (
        lambda d: container(d, "train")["resources"].update(resourceCpuLimit="8"),
        "Step `train`: CPU limit is 8 instead of 4.",
    ),
    "GPUs": (
        lambda d: container(d, "train")["resources"]["accelerator"].update(resourceCount="2"),
        "Step `train`: number of GPUs is 2 instead of 1.",
    ),
    "timeout": (
        lambda d: placed(d, "train").update(activeDeadlineSeconds="60"),
        "Step `train`: timeout in seconds is 60 instead of 21600.",
    ),
    "queue": (
        lambda d: placed(d, "train").pop("podMetadata"),
        "Step `train`: no queue any more, was quantfoundry.",
    ),
    "secret": (
        lambda d: placed(d, "validate").pop("secretAsVolume"),
        "Step `validate`: no mount `/etc/quantfoundry/signing` any more, was secret qf-signing-key.\n"
        "Step `validate`: no mount `/etc/quantfoundry/verify` any more, was secret qf-verify-key.",
    ),
    "default": (
        lambda d: parameters(d)["max_restated"].update(defaultValue=0.5),
        "Parameter `max_restated`: default is 0.5 instead of 0.001.",
    ),
    "parameter": (
        lambda d: parameters(d).update(mood={"parameterType": "STRING", "defaultValue": ""}),
        'Parameter `mood` was added: parameterType STRING, default "".',
    ),
    "no parameter": (lambda d: parameters(d).pop("options"), "Parameter `options` was removed."),
    "recipe": (lambda d: recipe(d, lr=0.5), "Recipe setting `train.lr`: value is 0.5 instead of {lr}."),
    "edge": (
        lambda d: tasks(d)["validate"]["inputs"]["artifacts"]["bundle"]["taskOutputArtifact"].update(producerTask="x"),
        "Step `validate`: input `bundle` is `bundle` of step `x` instead of `bundle` of step `train`.",
    ),
    "constant": (
        lambda d: tasks(d)["train"]["inputs"]["parameters"]["family"].update(runtimeValue={"constant": "twin"}),
        "Step `train`: input `family` is twin instead of price_action.",
    ),
    "caching": (
        lambda d: tasks(d)["promote"]["cachingOptions"].update(enableCache=True),
        "Step `promote`: caching is true, was not set.",
    ),
    "no step": (lambda d: tasks(d).pop("promote"), "Step `promote` was removed."),
    "compiler": (lambda d: d[0].update(sdkVersion="kfp-9"), "Pipeline: sdkVersion is kfp-9 instead of {sdk}."),
}


@pytest.mark.parametrize("planted", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_one_plain_sentence(planted: tuple[Callable[[Documents], Any], str]) -> None:
    change, sentence = planted
    new = copy.deepcopy(OLD)
    change(new)
    known = {
        "image": container(OLD, "ingest")["image"],
        "lr": json.loads(parameters(OLD)["recipe"]["defaultValue"])["train"]["lr"],
        "sdk": OLD[0]["sdkVersion"],
    }
    assert "\n".join(changes(facts_of(OLD), facts_of(new))) == sentence.format(**known)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if TWICE & {str(part) for part in path} or (path[-3:-2] == ("pvcMount",) and path[-1] == "constant"):
        return
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    elif path[-2:] != ("recipe", "defaultValue"):  # JSON of its own, above
        yield path


@settings(max_examples=60)
@given(st.sampled_from(list(leaves(OLD))))
def test_nothing_changes_without_a_sentence(path: tuple[Any, ...]) -> None:
    new = copy.deepcopy(OLD)
    inner: Any = new
    for part in path[:-1]:
        inner = inner[part]
    old = inner[path[-1]]
    inner[path[-1]] = not old if isinstance(old, bool) else "something else"
    assert list(changes(facts_of(OLD), facts_of(new))) != [], path


def test_pipelines_that_are_new_gone_and_the_same_are_told_apart() -> None:
    other = copy.deepcopy(OLD)
    container(other, "train")["resources"]["resourceCpuLimit"] = "8"
    text = release_notes({"a": OLD, "b": OLD, "c": OLD}, {"b": OLD, "c": other, "d": OLD})
    steps = ", ".join(f"Step `{name}`" for name in tasks(OLD))
    assert text == (
        "## a\n\nThe pipeline was removed.\n\n"
        "## c\n\n- Step `train`: CPU limit is 8 instead of 4.\n\n"
        f"## d\n\nNew pipeline: {steps}.\n\n"
        "Unchanged: b.\n"
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout whose tag v0.1.0 has the shipped pipelines, and whose newest commit gives training 8 cores."""
    folder = tmp_path / "repository"
    compiled = folder / "pipelines" / "compiled"
    compiled.mkdir(parents=True)

    def commit(tag: str) -> None:
        for arguments in (
            ("add", "-A"),
            ("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", tag),
            ("tag", tag),
        ):
            subprocess.run(["git", "-C", str(folder), *arguments], check=True)

    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for path in COMPILED.glob("*.yaml"):
        (compiled / path.name).write_bytes(path.read_bytes())
    commit("v0.1.0")
    new = copy.deepcopy(OLD)
    container(new, "train")["resources"]["resourceCpuLimit"] = "8"
    (compiled / "price-action.yaml").write_text(yaml.safe_dump_all(new))
    commit("v0.2.0")
    return folder


def test_revisions_folders_and_files_are_read_alike(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    line = "- Step `train`: CPU limit is 8 instead of 4.\n"
    for old, new in (("v0.1.0", "pipelines/compiled"), (str(COMPILED), "HEAD")):
        result = CliRunner().invoke(qf, ["release-notes", old, new], catch_exceptions=False)
        assert line in result.output
        assert result.output.startswith("## price-action\n")
    backwards = CliRunner().invoke(qf, ["release-notes", "v0.2.0"], catch_exceptions=False)
    assert "- Step `train`: CPU limit is 4 instead of 8.\n" in backwards.output


def test_what_is_no_version_is_named(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'v9': neither a file, nor a folder, nor a git revision"):
        versions_at("v9", repository)
    (tmp_path / "x.yaml").write_text("a: 1\n")
    with pytest.raises(ArtifactError, match=r"x\.yaml: no compiled pipeline"):
        versions_at(str(tmp_path / "x.yaml"), repository)
