"""What changed between two versions of the compiled pipelines, in sentences.

Read from the compiled files, which are what a cluster gets: every difference between them is in some sentence.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from components.core.errors import ArtifactError, UsageError
from components.core.files import canonical_json, digest_of

Facts = dict[tuple[str, str], str]
"""What a pipeline says, by subject (a step, a parameter) and aspect (its image, its default)."""
FOLDER: Final = "pipelines/compiled"
CODE: Final = "code"
WORDS: Final = {
    "resources.resourceCpuLimit": "CPU limit",
    "resources.resourceCpuRequest": "CPU request",
    "resources.resourceMemoryLimit": "memory limit",
    "resources.resourceMemoryRequest": "memory request",
    "resources.accelerator.resourceCount": "number of GPUs",
    "resources.accelerator.resourceType": "type of GPU",
    "activeDeadlineSeconds": "timeout in seconds",
    "podMetadata.labels.kueue.x-k8s.io/queue-name": "queue",
    "cachingOptions.enableCache": "caching",
}
_TWICE: Final = ("cpuLimit", "cpuRequest", "memoryLimit", "memoryRequest", "accelerator.type", "accelerator.count")
"""Older names under which the compiler writes an amount once more."""


def versions_at(place: str, top: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the documents of each compiled pipeline, by its name.

    ``place`` is a compiled file, a folder of them, or a git revision of the checkout ``top``.

    Raises:
        UsageError: If it is none of these.
        ArtifactError: If a file is no compiled pipeline.
    """
    path = Path(place)
    if path.exists():
        files = [path] if path.is_file() else sorted(path.glob("*.yaml"))
        texts = {str(file): file.read_text(encoding="utf-8") for file in files}
    else:
        listed = _git(top, place, "ls-tree", "--name-only", place, f"{FOLDER}/").splitlines()
        texts = {name: _git(top, place, "show", f"{place}:{name}") for name in listed if name.endswith(".yaml")}
    found: dict[str, list[dict[str, Any]]] = {}
    for name, text in texts.items():
        try:
            documents: list[dict[str, Any]] = list(yaml.load_all(text, yaml.CSafeLoader))
            found[documents[0]["pipelineInfo"]["name"]] = documents
        except (yaml.YAMLError, LookupError, TypeError):
            raise ArtifactError(f"{name}: no compiled pipeline. Write it with 'qf compile'") from None
    return found


def _git(top: Path, place: str, *arguments: str) -> str:
    try:
        command = ["git", "-C", str(top), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise UsageError(f"{place!r}: neither a file, nor a folder, nor a git revision of {top}") from None


def release_notes(old: Mapping[str, list[dict[str, Any]]], new: Mapping[str, list[dict[str, Any]]]) -> str:
    """Return Markdown that says of each pipeline what is new, gone and different."""
    parts: list[str] = []
    same: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            parts.append(f"## {name}\n\nNew pipeline: {', '.join(_steps(new[name]))}.\n")
        elif name not in new:
            parts.append(f"## {name}\n\nThe pipeline was removed.\n")
        elif lines := list(changes(facts_of(old[name]), facts_of(new[name]))):
            parts.append(f"## {name}\n\n" + "".join(f"- {line}\n" for line in lines))
        else:
            same.append(name)
    if same:
        parts.append(f"Unchanged: {', '.join(same)}.\n")
    return "\n".join(parts)


def changes(old: Facts, new: Facts) -> Iterator[str]:
    """Yield one sentence for each difference."""
    before, after = ({subject for subject, _ in facts} for facts in (old, new))
    for subject in sorted(before | after):
        if subject not in after:
            yield f"{subject} was removed."
        elif subject not in before:
            told = [f"{aspect} {text}" for (of, aspect), text in new.items() if of == subject and aspect != CODE]
            yield f"{subject} was added: {', '.join(told)}." if told else f"{subject} was added."
        else:
            keys = [key for key in {**old, **new} if key[0] == subject]
            yield from (_change(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key))


def _change(key: tuple[str, str], old: str | None, new: str | None) -> str:
    subject, aspect = key
    if aspect == CODE:
        return f"{subject}: its code changed."
    if new is None:
        return f"{subject}: no {aspect} any more, was {old}."
    return f"{subject}: {aspect} is {new}" + (f" instead of {old}." if old is not None else ", was not set.")


def _steps(documents: list[dict[str, Any]]) -> list[str]:
    return [subject for subject in dict.fromkeys(of for of, _ in facts_of(documents)) if subject.startswith("Step ")]


def facts_of(documents: list[dict[str, Any]]) -> Facts:
    """Return everything that a compiled pipeline says."""
    spec = documents[0]
    known = {"components", "deploymentSpec", "root", "pipelineInfo"}
    facts: Facts = {("Pipeline", name): text for name, text in _flat(spec["pipelineInfo"]) if name != "name"}
    facts |= {("Pipeline", name): text for name, text in _flat({k: v for k, v in spec.items() if k not in known})}
    for name, declared in spec["root"].get("inputDefinitions", {}).get("parameters", {}).items():
        facts |= _parameter(name, declared)
    placed: dict[str, Any] = {}
    for platform in documents[1:]:
        placed |= platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    graphs = {"": spec["root"]["dag"]}
    graphs |= {f"{name}/": part["dag"] for name, part in spec["components"].items() if "dag" in part}
    for where, graph in graphs.items():
        for name, task in graph["tasks"].items():
            component = spec["components"][task["componentRef"]["name"]]
            label = component.get("executorLabel", "")
            container = spec["deploymentSpec"]["executors"].get(label, {}).get("container", {})
            step = _step(task, component, container, placed.get(label, {}))
            facts |= {(f"Step `{where}{name}`", aspect): text for aspect, text in step}
        facts |= {("Pipeline", f"{where}{name}"): text for name, text in _flat(graph.get("outputs", {}))}
    return facts


def _parameter(name: str, declared: dict[str, Any]) -> Facts:
    subject = f"Parameter `{name}`"
    facts: Facts = {(subject, aspect): text for aspect, text in _flat(declared) if aspect != "defaultValue"}
    default = declared.get("defaultValue")
    if name == "recipe" and isinstance(default, str):
        return facts | {(f"Recipe setting `{key}`", "value"): text for key, text in _flat(json.loads(default))}
    if "defaultValue" in declared:
        facts[subject, "default"] = _text(default)
    return facts


def _step(
    task: dict[str, Any], component: dict[str, Any], container: dict[str, Any], placed: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    yield "image", str(container.get("image", "none"))
    code = {name: container.get(name) for name in ("command", "args", "env")}
    interface = {name: part for name, part in component.items() if name not in {"dag", "executorLabel"}}
    yield CODE, digest_of([code, interface])
    for name, text in _flat({"resources": container.get("resources", {})}):
        if not name.endswith(_TWICE):
            yield WORDS.get(name, name), text
    for name, part in placed.items():
        yield from _mounted(name, part) if name in _MOUNTED else _worded(name, part)
    for kind in ("parameters", "artifacts"):
        for name, given in task.get("inputs", {}).get(kind, {}).items():
            yield f"input `{name}`", _origin(given)
    for name, part in task.items():
        if name not in {"inputs", "componentRef", "taskInfo"}:
            yield from _worded(name, part)


def _worded(name: str, part: Any) -> Iterator[tuple[str, str]]:
    yield from ((WORDS.get(path, path), text) for path, text in _flat(part, name))


_MOUNTED: Final = {
    "pvcMount": ("claim", "pvcNameParameter"),
    "secretAsVolume": ("secret", "secretNameParameter"),
    "configMapAsVolume": ("config map", "configMapNameParameter"),
    "secretAsEnv": ("secret", "secretNameParameter"),
    "configMapAsEnv": ("config map", "configMapNameParameter"),
    "emptyDirMounts": ("empty folder", "volumeName"),
    "fieldPathAsEnv": ("field", "fieldPath"),
}


def _mounted(kind: str, items: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each mount and each variable that a step is given, and what is behind it."""
    noun, key = _MOUNTED[kind]
    for item in items:
        named = item.get(key, "")
        name = named if isinstance(named, str) else _origin(named)
        more = ", where it is there" if item.get("optional") else ""
        more += "".join(f", {field} {item[field]}" for field in ("medium", "sizeLimit", "subPath") if item.get(field))
        for pair in item.get("keyToEnv", []):
            of = pair.get("secretKey", pair.get("configMapKey"))
            yield f"variable `{pair['envVar']}`", f"key {of} of {noun} {name}{more}"
        if "mountPath" in item:
            yield f"mount `{item['mountPath']}`", f"{noun} {name}{more}"
        if kind == "fieldPathAsEnv":
            yield f"variable `{item['name']}`", f"{noun} {name}"


def _origin(given: dict[str, Any]) -> str:
    """Return in words where a step takes an input from."""
    if "componentInputParameter" in given:
        return f"parameter `{given['componentInputParameter']}`"
    for key in ("taskOutputArtifact", "taskOutputParameter"):
        if key in given:
            output = next(value for name, value in given[key].items() if name.startswith("output"))
            return f"`{output}` of step `{given[key]['producerTask']}`"
    return _text(given["runtimeValue"]["constant"]) if "constant" in given.get("runtimeValue", {}) else _text(given)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else canonical_json(value)


def _flat(value: Any, path: str = "") -> Iterable[tuple[str, str]]:
    """Yield each leaf of nested mappings, and its dotted path; a list is a leaf."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif value != {}:
        yield path, _text(value)
