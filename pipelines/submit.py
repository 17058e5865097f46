"""Bring a compiled pipeline to a server as a version that never changes, run it once, and follow the run."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import importlib.metadata
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import kfp_server_api

from components.core.address import refuse_credentials
from components.core.clock import Clock, system_clock
from components.core.errors import ServerUnreachableError, UsageError
from components.core.files import digest_of, sha256_of
from pipelines import RUNNER
from pipelines.remote import Remote
from pipelines.schedules import compiled_file, mismatches, parameters

EXPERIMENT: Final = "quantfoundry"
SUCCEEDED: Final = "SUCCEEDED"
ENDED: Final = {SUCCEEDED, "FAILED", "CANCELED", "SKIPPED"}
"""States that a run does not leave."""
TO_REPEAT: Final = {"FAILED", "CANCELED", "CANCELING", "SKIPPED"}
"""States of a run after which the same request starts another."""


@dataclass(frozen=True)
class Published:
    """One version of a pipeline on a server."""

    pipeline: str
    pipeline_id: str
    version: str
    version_id: str

    def reference(self) -> Any:
        """Return it as a request names it."""
        return kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=self.pipeline_id, pipeline_version_id=self.version_id
        )


def checkout_version(top: Path = Path(__file__).parents[1]) -> str:
    """Return ``<semver>-g<commit>`` of the checkout that the code runs from.

    Raises:
        UsageError: If it is none, or has changes that no commit names.
    """
    try:
        commit = _git(top, "rev-parse", "--short=12", "HEAD")
        changed = _git(top, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        raise UsageError(f"{top}: no checkout to take the commit from. Give it with --commit") from None
    if changed:
        raise UsageError(f"{top}: has changes that are not committed. Commit them, so that the version names its code")
    return version_name(commit)


def _git(top: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(top), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def version_name(commit: str) -> str:
    """Return ``<semver>-g<commit>``.

    Raises:
        UsageError: If it is no commit.
    """
    if not re.fullmatch(r"[0-9a-f]{7,40}", commit):
        raise UsageError(f"{commit!r}: no commit. Give 7 to 40 hexadecimal digits")
    return f"{importlib.metadata.version('quantfoundry')}-g{commit}"


def content_mark(pipeline: str) -> str:
    """Return what the description of a version says of its content: the digest of the compiled file.

    Raises:
        UsageError: If there is no such pipeline.
    """
    return f"sha256:{sha256_of(compiled_file(pipeline))}"


def publish(remote: Remote, pipeline: str, version: str) -> Published:
    """Return the version of this name, uploaded if the server has none yet.

    Raises:
        UsageError: If there is no such pipeline, or a version of this name with another content.
        QuantfoundryError: If the server refuses or does not answer.
    """
    mark, namespace = content_mark(pipeline), remote.address.namespace or None
    services = remote.pipelines

    def known() -> Any:
        return remote.ask(services.pipeline_service_get_pipeline_by_name, pipeline, namespace=namespace)

    body = kfp_server_api.V2beta1Pipeline(name=pipeline, display_name=pipeline, namespace=namespace)
    pipeline_id = str(remote.ensure(known, services.pipeline_service_create_pipeline, body).pipeline_id)

    def same_name() -> Any:
        listed = remote.every(services.pipeline_service_list_pipeline_versions, "pipeline_versions", pipeline_id)
        return next((item for item in listed if item.display_name == version), None)

    found = remote.ensure(
        same_name,
        remote.uploads.upload_pipeline_version,
        str(compiled_file(pipeline)),
        name=version,
        display_name=version,
        description=mark,
        pipelineid=pipeline_id,
    )
    if found.description != mark:
        raise UsageError(
            f"{pipeline}: the server's version {version} has another content than the compiled file here. "
            "Commit and submit again: a version never changes"
        )
    return Published(pipeline, pipeline_id, version, str(found.pipeline_version_id))


def typed(pipeline: str, words: Mapping[str, str]) -> dict[str, Any]:
    """Return a pipeline's arguments from words, each of the type that its parameter has.

    Raises:
        UsageError: If one does not exist, is missing, does not read as its type, or carries credentials.
    """
    if wrong := mismatches(pipeline, words):
        raise UsageError(f"{'; '.join(wrong)}. It has: {', '.join(parameters(pipeline))}")
    kinds = {name: facts["parameterType"] for name, facts in parameters(pipeline).items()}
    return {name: _read(name, kinds[name], text) for name, text in words.items()}


def _read(name: str, kind: str, text: str) -> Any:
    if kind == "STRING":
        if "://" in text:
            refuse_credentials(text)
        return text
    wanted: dict[str, tuple[type, ...]] = {
        "NUMBER_DOUBLE": (int, float),
        "NUMBER_INTEGER": (int,),
        "BOOLEAN": (bool,),
        "LIST": (list,),
        "STRUCT": (dict,),
    }
    value: Any = None
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, wanted[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
        raise UsageError(f"{name}={text}: does not read as {kind}. Write it as JSON")
    return float(value) if kind == "NUMBER_DOUBLE" else value


def start(remote: Remote, published: Published, arguments: Mapping[str, Any]) -> Any:
    """Return the run of this request: one that goes on or succeeded, else a new one.

    Without a ``run_key`` among the arguments the request is its own key: pipeline, content and arguments.

    Raises:
        QuantfoundryError: If the server refuses or does not answer.
    """
    identity = digest_of([content_mark(published.pipeline), dict(arguments)])
    key = str(arguments.get("run_key") or f"{published.pipeline}-{identity[:10]}")
    experiment_id = remote.experiment_id(EXPERIMENT)
    wanted = json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "string_value": key}]})

    def going() -> Any:
        listed = remote.every(remote.runs.run_service_list_runs, "runs", experiment_id=experiment_id, filter=wanted)
        return next((run for run in listed if run.display_name == key and run.state not in TO_REPEAT), None)

    body = kfp_server_api.V2beta1Run(
        display_name=key,
        experiment_id=experiment_id,
        pipeline_version_reference=published.reference(),
        service_account=RUNNER,
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters={**arguments, "run_key": key}),
    )
    return remote.ensure(going, remote.runs.run_service_create_run, body)


def follow(
    remote: Remote,
    run_id: str,
    *,
    on_state: Callable[[datetime, str], None],
    timeout_s: float,
    poll_s: float = 10.0,
    clock: Clock = system_clock,
) -> str:
    """Return the state in which a run ends, and tell of each that it enters.

    Raises:
        ServerUnreachableError: If it has not ended in time, or the server does not answer; the run goes on.
        UsageError: If the server has no such run.
    """
    deadline = clock() + timedelta(seconds=timeout_s)
    before = ""
    while True:
        run = remote.ask(remote.runs.run_service_get_run, run_id)
        if run is None:
            raise UsageError(f"run {run_id}: the server has none of this id")
        state = str(run.state or "RUNTIME_STATE_UNSPECIFIED")
        if state != before:
            on_state(clock(), state)
        if state in ENDED:
            return state
        if clock() >= deadline:
            raise ServerUnreachableError(f"run {run_id}: still {state} after {timeout_s:g} s. It goes on; ask again")
        before = state
        remote.sleep(poll_s)
