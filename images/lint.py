"""The rules that every Dockerfile here keeps; a broken one is a sentence with file and line."""

import io
import re
from collections.abc import Iterator
from typing import Final, TypedDict, cast

from dockerfile_parse import DockerfileParser

from images.base import DIGEST
from images.roles import TOP, roles

LEAST_UID: Final = 10_000
"""Below it, uids may belong to somebody on the node."""
LABELS: Final = ("org.opencontainers.image.title", "org.opencontainers.image.description")
"""What an image says of itself; version, revision and base are known to the build, which adds them."""
_SECRET: Final = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|APIKEY|(?:^|_)KEY", re.IGNORECASE)
_SETTING: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)=")
_UNLOCKED: Final = re.compile(r"\bpip3? +install\b|\bapt(?:-get)? +install\b|\bcurl\b|\bwget\b")


class Line(TypedDict):
    """One instruction, as dockerfile-parse gives it."""

    instruction: str
    value: str
    startline: int
    content: str


def faults() -> list[str]:
    """Return one sentence for each rule that one of the project's Dockerfiles breaks."""
    return [
        f"{role.dockerfile.relative_to(TOP)}:{place} {text}"
        for role in roles()
        for place, text in sorted(broken(role.dockerfile.read_text(encoding="utf-8")))
    ]


def broken(text: str) -> Iterator[tuple[int, str]]:
    """Yield line, from 1, and sentence for each rule that a Dockerfile's text breaks."""
    parser = DockerfileParser(fileobj=io.StringIO(text))
    rules = {"FROM": _base, "ENV": _secret, "ARG": _argument, "LABEL": _secret, "RUN": _fetched}
    lines = [line for line in cast("list[Line]", parser.structure) if line["instruction"] != "COMMENT"]
    stages = {line["value"].split()[-1] for line in lines if " as " in line["value"].lower()}
    for line in lines:
        rule = rules.get(line["instruction"])
        number = line["startline"] + 1
        if line["instruction"] == "FROM" and line["value"] in stages:
            continue
        if rule and (said := rule(line["value"])):
            yield number, said
        if line["instruction"] == "ADD":
            yield number, "ADD fetches and unpacks; stage the file and mount it"
        if line["instruction"] == "COPY" and line["value"].startswith(". "):
            yield number, "copies the whole context; name what goes in"
    yield from _end(lines)


def _base(value: str) -> str:
    name = value.split(maxsplit=1)[0]
    if name == "${BASE_IMAGE}" or DIGEST.search(name):
        return ""
    return f"base {name} has no digest; use ${{BASE_IMAGE}}, which the build checks, or name it with @sha256:"


def _secret(value: str) -> str:
    names = _SETTING.findall(value) or value.split()[:1]
    found = [name for name in names if _SECRET.search(name)]
    return f"{', '.join(found)} stays readable in the image; mount a secret when it runs" if found else ""


def _argument(value: str) -> str:
    name, _, default = value.partition("=")
    return _base(default) if name == "BASE_IMAGE" and default else _secret(value)


def _fetched(value: str) -> str:
    found = _UNLOCKED.search(value)
    return f"'{found.group()}' fetches what no lock names; let install.sh install the locked packages" if found else ""


def _end(lines: list[Line]) -> Iterator[tuple[int, str]]:
    last = lines[-1]["startline"] + 1 if lines else 1
    users = [line["value"] for line in lines if line["instruction"] == "USER"]
    uid, _, gid = (users or [""])[-1].partition(":")
    if not (uid.isdigit() and gid.isdigit() and int(uid) >= LEAST_UID and int(gid) >= LEAST_UID):
        yield last, f"USER is {':'.join(users[-1:]) or 'root'}; end with a numeric uid:gid of at least {LEAST_UID}"
    if not any(line["instruction"] == "HEALTHCHECK" and line["value"] == "NONE" for line in lines):
        yield last, "no 'HEALTHCHECK NONE'; a step ends, the orchestrator sees it"
    labels = " ".join(line["value"] for line in lines if line["instruction"] == "LABEL")
    if missing := [name for name in LABELS if f"{name}=" not in labels]:
        yield last, f"no label {', '.join(missing)}"
