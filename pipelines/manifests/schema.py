"""Every object against a schema: Kubernetes' own, or ours for the custom kinds that we use."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Final

import jsonschema
import kubernetes_validate
import yaml

from pipelines.manifests.build import Object
from pipelines.pods import pods

KUBERNETES: Final = "1.37"
"""The release whose schemas the objects must satisfy."""
NAME: Final = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}


@cache
def custom() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the custom kinds that are allowed, each with the schema of the fields that we use."""
    text = resources.files("pipelines.manifests").joinpath("custom.yaml").read_text(encoding="utf-8")
    kinds = yaml.safe_load(text)
    return {(kind["apiVersion"], kind["kind"]): _closed(_object(kind["spec"])) for kind in kinds}


def _object(spec: dict[str, Any]) -> dict[str, Any]:
    words = {"type": "object", "additionalProperties": {"type": "string"}}
    metadata = {"required": ["name"], "properties": {"name": NAME, "namespace": NAME, "labels": words}}
    parts = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata, "spec": spec}
    return {"required": list(parts), "properties": parts}


def _closed(schema: Any) -> Any:
    """Return a schema in which what lists its properties is an object with no others."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: _closed(part) for name, part in schema.items()}
    if isinstance(parts.get("properties"), dict):
        return {"type": "object", "additionalProperties": False, **parts}
    return parts


def faults(item: Object) -> list[str]:
    """Return what an object has that its schema does not know, or lacks that it wants."""
    return list(_faults(json.dumps(item, sort_keys=True)))


@cache
def _faults(text: str) -> tuple[str, ...]:
    """Overlays share most of their objects."""
    item: Object = json.loads(text)
    schema = custom().get((str(item.get("apiVersion")), str(item.get("kind"))))
    if schema is None:
        return tuple(_builtin(item))
    wrong = [_said(error) for error in jsonschema.Draft202012Validator(schema).iter_errors(item)]
    return (*wrong, *(text for _, spec in pods(item, "") for text in _builtin(_pod(spec))))


def _pod(spec: Object) -> Object:
    """Return a pod inside a custom object as one of its own: the schemas of Kubernetes know it."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "inside"}, "spec": spec}


def _builtin(item: Object) -> Iterator[str]:
    try:
        kubernetes_validate.validate(item, KUBERNETES, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        yield f"unknown kind {item.get('apiVersion')} {item.get('kind')}; a custom one is declared in custom.yaml"
    except kubernetes_validate.ValidationError as error:
        yield _said(error)


def _said(error: Any) -> str:
    return f"{'.'.join(str(part) for part in error.path) or 'object'}: {error.message!s:.200}"
