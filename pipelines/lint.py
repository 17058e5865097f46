"""What a compiled pipeline must not hold, because it would not mean the same everywhere.

The portable subset: a straight graph of lightweight components over installed images. Measured:
conditions, loops, retries and exit handlers are evaluated differently by the local runner and a
cluster; a GPU limit without its type is ignored by the backend; caching is on unless switched off.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from components.core.family import GPU_TYPE
from components.wiring import CLAIM, POOL_LABEL, SHARED_MEMORY, WORKSPACE
from pipelines.pods import LOWEST_USER, literal_secrets, unfixed

PURE: frozenset[str] = frozenset()
"""Steps without side effects, which alone may be cached. None is: each one writes its run's record."""

_NUMBERED = re.compile(r"-\d+$")
"""What the compiler adds to the name of a step that is there more than once."""
PLACED: Final = {
    "activeDeadlineSeconds", "configMapAsEnv", "emptyDirMounts", "fieldPathAsEnv", "nodeSelector", "podMetadata",
    "pvcMount", "secretAsEnv", "secretAsVolume", "securityContext", "tolerations",
}  # fmt: skip
"""What may stand in the platform part of a task. The backend itself drops capabilities and sets seccomp (2.16.1 on)."""

JUDGES: Final = {"validate", "validate-each", "validate-twins"}
REGISTRARS: Final = {"promote", "promote-each", "promote-twins"}
READERS: Final = {
    "qf-signing-key": JUDGES,
    "qf-verify-key": {*JUDGES, *REGISTRARS, "observe", "publish"},
    "qf-mlflow-client": REGISTRARS,
    "qf-feast": {"features", "features-with-forecasts", "score"},
    "qf-object-store": {"forecast", "ingest", "publish"},
    "qf-vendor": {"ingest"},
    "qf-tune": {"tune"},
}
"""Each Secret, and the steps that alone may see it: what trains or fetches must not be able to sign a verdict."""


def hazards(path: Path) -> list[str]:
    """Return one sentence for each thing in the compiled file that is not portable or not placed."""
    documents: list[dict[str, Any]] = list(yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader))
    spec = documents[0]
    platform: dict[str, Any] = documents[1] if len(documents) > 1 else {}
    placed = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    found = [*_graph(spec)]
    for name, executor in spec["deploymentSpec"]["executors"].items():
        found += _executor(name, executor, placed.get(name, {}))
    return [f"{path.name}: {text}" for text in found]


def _graph(spec: dict[str, Any]) -> Iterator[str]:
    graphs = [("root", spec["root"]["dag"])]
    graphs += [(name, part["dag"]) for name, part in spec["components"].items() if "dag" in part]
    for where, graph in graphs:
        for name, task in graph["tasks"].items():
            trigger = task.get("triggerPolicy", {})
            if "condition" in trigger:
                yield f"{where}/{name}: condition; let the step itself decide"
            if "strategy" in trigger:
                yield f"{where}/{name}: exit handler or ignored failure; record the outcome in the step"
            if {"parameterIterator", "artifactIterator"} & task.keys():
                yield f"{where}/{name}: loop; unroll it with a Python 'for' at compile time"
            if "retryPolicy" in task:
                yield f"{where}/{name}: retry; resume by run key instead"
            if task.get("cachingOptions", {}).get("enableCache") and name not in PURE:
                yield f"{where}/{name}: cached, though it has side effects; place it with cached=False"


def _executor(name: str, executor: dict[str, Any], placed: dict[str, Any]) -> Iterator[str]:
    container = executor.get("container", {})
    command = " ".join([*container.get("command", []), *container.get("args", [])])
    if "kfp.dsl.executor_main" not in command:
        yield f"{name}: container component; write a lightweight one"
    if "pip install" in command:
        yield f"{name}: installs packages at run time; put them in the image"
    image = container.get("image", "")
    if unfixed(image):
        yield f"{name}: image {image!r} has no fixed version"
    for text in literal_secrets(container):
        yield f"{name}: {text}"
    resources = container.get("resources", {})
    for field in ("resourceCpuLimit", "resourceMemoryLimit"):
        if field not in resources:
            yield f"{name}: no {field}; place it"
    yield from _platform(name, placed)
    yield from _access(name, placed)
    yield from _gpu(name, resources.get("accelerator"), placed)


def _platform(name: str, placed: dict[str, Any]) -> Iterator[str]:
    user = placed.get("securityContext", {})
    if not user.get("runAsNonRoot") or int(user.get("runAsUser", 0)) < LOWEST_USER:
        yield f"{name}: may run as root; place it"
    if unknown := sorted(placed.keys() - PLACED):
        yield f"{name}: {', '.join(unknown)}; not one of the things that a task of ours may have"
    for volume in placed.get("emptyDirMounts", []):
        if "sizeLimit" not in volume:
            yield f"{name}: volume {volume['volumeName']} has no sizeLimit; it could fill the node"
    if "activeDeadlineSeconds" not in placed:
        yield f"{name}: no timeout; place it"


def _access(name: str, placed: dict[str, Any]) -> Iterator[str]:
    """Yield what a task cannot do without, and what it must not see."""
    mounts = [(item["constant"], item["mountPath"]) for item in placed.get("pvcMount", [])]
    if mounts != [(CLAIM, WORKSPACE)]:
        yield f"{name}: mounts {mounts or 'no claim'}; every step works in {CLAIM} at {WORKSPACE}, and nowhere else"
    step = _NUMBERED.sub("", name.removeprefix("exec-"))
    given = {item["secretName"] for kind in ("secretAsEnv", "secretAsVolume") for item in placed.get(kind, [])}
    for secret in sorted(given):
        if step not in READERS.get(secret, ()):
            yield f"{name}: is given the Secret {secret}, which is not for {step}"
    if step in READERS["qf-signing-key"] and "qf-signing-key" not in given:
        yield f"{name}: judges but has no key to sign with"


def _gpu(name: str, accelerator: dict[str, Any] | None, placed: dict[str, Any]) -> Iterator[str]:
    selected = POOL_LABEL in placed.get("nodeSelector", {}).get("labels", {})
    tolerated = any(item.get("key") == GPU_TYPE for item in placed.get("tolerations", []))
    if accelerator is None:
        if selected or tolerated:
            yield f"{name}: goes to the GPU pool but asks for no GPU"
        return
    if accelerator.get("resourceType") != GPU_TYPE:
        yield f"{name}: GPU limit without its type {GPU_TYPE}; the backend ignores it"
    if not selected:
        yield f"{name}: asks for a GPU but selects no pool ({POOL_LABEL})"
    if not any(item.get("mountPath") == SHARED_MEMORY for item in placed.get("emptyDirMounts", [])):
        yield f"{name}: asks for a GPU but has no memory at {SHARED_MEMORY}; place it"
    if not tolerated:
        yield f"{name}: asks for a GPU but does not tolerate the pool's taint ({GPU_TYPE})"
