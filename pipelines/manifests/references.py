"""What objects, and the tasks of compiled pipelines, refer to: each of it must be there, under that key."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pipelines import COMPILED
from pipelines.manifests import SECRETS
from pipelines.manifests.build import Object, title
from pipelines.pods import Spec, pods


class Reference(NamedTuple):
    """One thing that is named, and by whom."""

    where: str
    kind: str
    name: str
    key: str = ""
    """The key inside a Secret or ConfigMap; empty for all of it."""


def broken(references: Sequence[Reference], objects: Sequence[Object]) -> list[str]:
    """Return a sentence for each reference to what neither the objects nor the given Secrets hold."""
    held: dict[tuple[str, str], set[str]] = {("Secret", name): keys for name, keys in SECRETS.items()}
    for item in objects:
        held[item["kind"], item["metadata"]["name"]] = set(item.get("data", {}))
    found: list[str] = []
    for where, kind, name, key in references:
        if (kind, name) not in held:
            found.append(f"{where}: names {kind} {name}, which is not there")
        elif key and key not in held[kind, name]:
            found.append(f"{where}: names key {key} of {kind} {name}, which has {', '.join(sorted(held[kind, name]))}")
    return found


def vaulted(objects: Sequence[Object]) -> list[str]:
    """Return a sentence for each Secret that External Secrets bring and nobody reads, or bring not."""
    brought = {item["spec"]["target"]["name"] for item in objects if item["kind"] == "ExternalSecret"}
    missing = SECRETS.keys() - {"qf-postgres"} - brought if brought else set[str]()
    return [f"ExternalSecret/{name}: nobody reads it" for name in sorted(brought - SECRETS.keys())] + [
        f"Secret {name}: no ExternalSecret brings it" for name in sorted(missing)
    ]


def of_objects(objects: Sequence[Object]) -> list[Reference]:
    """Return what the pods of objects, role bindings and queues refer to."""
    found = [item for each in objects for where, spec in pods(each, title(each)) for item in _pod(spec, where)]
    for item in objects:
        where, spec = title(item), item.get("spec", {})
        if item["kind"] == "RoleBinding":
            found.append(Reference(where, item["roleRef"]["kind"], item["roleRef"]["name"]))
            found += [Reference(where, subject["kind"], subject["name"]) for subject in item["subjects"]]
        if item["kind"] == "LocalQueue":
            found.append(Reference(where, "ClusterQueue", spec["clusterQueue"]))
        for group in spec.get("resourceGroups", []):
            found += [Reference(where, "ResourceFlavor", flavor["name"]) for flavor in group["flavors"]]
    return found


def _pod(spec: Spec, where: str) -> Iterator[Reference]:
    yield Reference(where, "ServiceAccount", spec.get("serviceAccountName", "default"))
    if "priorityClassName" in spec:
        yield Reference(where, "PriorityClass", spec["priorityClassName"])
    for volume in spec.get("volumes", []):
        if claim := volume.get("persistentVolumeClaim"):
            yield Reference(where, "PersistentVolumeClaim", claim["claimName"])
        for field, kind, name in (("secret", "Secret", "secretName"), ("configMap", "ConfigMap", "name")):
            if source := volume.get(field):
                yield Reference(where, kind, source[name])
                yield from (Reference(where, kind, source[name], item["key"]) for item in source.get("items", []))
    for container in spec["containers"]:
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                if field in source:
                    yield Reference(where, kind, source[field]["name"], source[field]["key"])


def of_pipelines(folder: Path = COMPILED) -> list[Reference]:
    """Return what the tasks of the compiled pipelines mount, read and queue in."""
    found: list[Reference] = []
    for path in sorted(folder.glob("*.yaml")):
        documents: list[dict[str, Any]] = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        for name, placed in tasks(documents).items():
            found += _task(placed, f"{path.name}: {name}")
    return found


def tasks(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how each executor of a compiled pipeline is placed."""
    platform = documents[1] if len(documents) > 1 else {}
    return platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})


def _task(placed: dict[str, Any], where: str) -> Iterator[Reference]:
    for item in placed.get("pvcMount", []):
        yield Reference(where, "PersistentVolumeClaim", item["constant"])
    for kind, field, name in (("Secret", "secret", "secretKey"), ("ConfigMap", "configMap", "configMapKey")):
        for item in placed.get(f"{field}AsVolume", []):
            yield Reference(where, kind, item[f"{field}Name"])
        for item in placed.get(f"{field}AsEnv", []):
            yield from (Reference(where, kind, item[f"{field}Name"], pair[name]) for pair in item["keyToEnv"])
    queue = placed.get("podMetadata", {}).get("labels", {}).get("kueue.x-k8s.io/queue-name")
    if queue:
        yield Reference(where, "LocalQueue", queue)
