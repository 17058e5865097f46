"""What the published v2beta1 schema allows, read from the client that is generated from it.

Every operation (method, path, query parameters, body and answer) and every definition is taken from the installed
``kfp_server_api``; nothing about them is written down here a second time.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import kfp_server_api

PLAIN: dict[str, type | tuple[type, ...]] = {
    "str": str, "bool": bool, "int": int, "float": (int, float), "object": object,
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One request that the schema knows."""

    name: str
    method: str
    path: re.Pattern[str]
    query: Mapping[str, str]
    """Parameter -> type."""
    body: str
    answer: str


def operations() -> list[Operation]:
    """Every operation of the services that pipelines, versions, experiments and runs belong to."""
    found: list[Operation] = []
    for service in ("Pipeline", "PipelineUpload", "Experiment", "Run", "RecurringRun"):
        for name, method in vars(getattr(kfp_server_api, f"{service}ServiceApi")).items():
            if name.endswith("_with_http_info"):
                found.append(_operation(name.removesuffix("_with_http_info"), inspect.getsource(method)))
    return found


def _operation(name: str, source: str) -> Operation:
    call = re.search(r"call_api\(\s*'([^']+)', '([A-Z]+)'", source)
    assert call is not None
    types = dict(re.findall(r":type (\w+): (\S+)", source))
    body = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
    answer = re.search(r"response_type='([^']+)'", source)
    query = re.findall(r"query_params\.append\(\('(\w+)'", source)
    return Operation(
        name,
        call[2],
        re.compile(re.sub(r"\\{([\w\\.]+?)\\}", r"([^/:]+)", re.escape(call[1]))),
        {key: types[key] for key in query},
        types[body[1]] if body else "",
        answer[1] if answer else "object",
    )


def violations(value: Any, kind: str, where: str = "body") -> list[str]:
    """What of a JSON value its definition does not allow: unknown fields, wrong types, unknown members of an enum."""
    if value is None:
        return [f"{where}: null"] if kind != "object" else []
    if kind in PLAIN:
        right = isinstance(value, PLAIN[kind]) and not (isinstance(value, bool) and kind in {"int", "float"})
        return [] if right else [f"{where}: {value!r} is no {kind}"]
    if kind == "datetime":
        return _instant(value, where)
    if inner := re.fullmatch(r"list\[(.+)\]|dict\(str, (.+)\)", kind):
        if not isinstance(value, list if inner[1] else dict):
            return [f"{where}: no {kind}"]
        items = enumerate(value) if inner[1] else value.items()
        return [line for key, item in items for line in violations(item, inner[1] or inner[2], f"{where}.{key}")]
    return _defined(value, kind, where)


def _defined(value: Any, kind: str, where: str) -> list[str]:
    definition = getattr(kfp_server_api, kind)
    if hasattr(definition, "allowable_values"):
        return [] if value in definition.allowable_values else [f"{where}: {value!r} is no {kind}"]
    if not isinstance(value, dict):
        return [f"{where}: no {kind}"]
    fields = {definition.attribute_map[name]: type_ for name, type_ in definition.openapi_types.items()}
    unknown = [f"{where}.{name}: no such field of {kind}" for name in value.keys() - fields.keys()]
    return unknown + [
        line for name in value.keys() & fields for line in violations(value[name], fields[name], f"{where}.{name}")
    ]


def _instant(value: Any, where: str) -> list[str]:
    try:
        aware = datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        aware = False
    return [] if aware else [f"{where}: {value!r} is no instant"]
