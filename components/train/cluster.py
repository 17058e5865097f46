"""The TrainJobs of one namespace, asked of the Kubernetes API with timeouts and patience.

A job is changed by nobody but its owner: it is deleted by its uid, never by its name alone.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import urllib3
from kubernetes import client, config, watch

from components.core.errors import EnvironmentMissingError, ServerUnreachableError, UsageError

log = logging.getLogger(__name__)

Job = dict[str, Any]
GROUP: Final = "trainer.kubeflow.org"
VERSION: Final = "v1alpha1"
PLURAL: Final = "trainjobs"
PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 60.0, 60.0)
"""Between tries of one request: an API server that is upgraded is away for minutes."""
MOST_PAUSE_S: Final = 60.0
"""However long the server asks to wait."""
TRANSIENT: Final = {408, 429, 500, 502, 503, 504}
FORBIDDEN: Final = {401, 403}
MISSING: Final = 404
CONFLICT: Final = 409
EXPIRED: Final = 410
"""A watch was asked to go on from a version that the server no longer knows."""


class TrainJobs:
    """The jobs of ``namespace``."""

    def __init__(
        self,
        settings: Any,
        namespace: str,
        *,
        timeouts_s: tuple[float, float] = (5.0, 30.0),
        pauses_s: Sequence[float] = PAUSES_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare, without asking anything yet: ``timeouts_s`` to connect and to answer, ``pauses_s`` between tries.

        ``settings`` are those of the Kubernetes client: address and identity.
        """
        settings.retries = False  # the tries are counted here
        self.namespace, self.sleep = namespace, sleep
        self._timeouts_s, self._pauses_s = timeouts_s, tuple(pauses_s)
        self._host = str(settings.host)
        self._api: Any = client.CustomObjectsApi(client.ApiClient(settings))
        self._where = {"group": GROUP, "version": VERSION, "namespace": namespace, "plural": PLURAL}

    @classmethod
    def found(cls, namespace: str, environ: Mapping[str, str], **patience: Any) -> Self:
        """Return the jobs of the cluster that ``KUBECONFIG`` names; without it, of the one that this pod runs in.

        Raises:
            EnvironmentMissingError: If there is no such file, or this is no pod with a token.
        """
        settings: Any = client.Configuration()
        try:
            if file := environ.get("KUBECONFIG"):
                config.load_kube_config(str(Path(file).expanduser()), client_configuration=settings)
            else:
                config.load_incluster_config(client_configuration=settings)
        except config.ConfigException as error:
            raise EnvironmentMissingError(
                f"no Kubernetes API to start a training job with: {error} Give the pod's service account a token, "
                "or name a file with KUBECONFIG"
            ) from None
        return cls(settings, namespace, **patience)

    def get(self, name: str) -> Job | None:
        """Return a job, None if there is none of this name.

        Raises:
            ServerUnreachableError: If the server does not answer, after the last try.
            UsageError: If it refuses.
        """
        return self._ask(self._api.get_namespaced_custom_object, name=name)

    def listed(self, labels: Mapping[str, str]) -> list[Job]:
        """Return the jobs that carry ``labels``.

        Raises:
            QuantfoundryError: As ``get``.
        """
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        answer = self._ask(self._api.list_namespaced_custom_object, label_selector=selector)
        return answer["items"] if answer else []

    def create(self, job: Job) -> bool:
        """Return whether ``job`` was made now; False if one of its name is there, which may be this very one.

        An answer can be lost after the server has done its work: the next try then finds the name taken.

        Raises:
            QuantfoundryError: As ``get``.
        """
        return self._ask(self._api.create_namespaced_custom_object, body=job, none_for={CONFLICT}) is not None

    def delete(self, job: Job) -> None:
        """Delete exactly this job; it is gone once its pods are. One that is gone, or another by now, is left alone.

        Raises:
            QuantfoundryError: As ``get``.
        """
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": job["metadata"]["uid"]}}
        remove = self._api.delete_namespaced_custom_object
        self._ask(remove, name=job["metadata"]["name"], body=body, none_for={MISSING, CONFLICT})

    def changes(self, name: str, version: str, *, for_s: int) -> Iterator[Job | None]:
        """Yield a job each time that it changes after ``version``, None once it is gone, for at most ``for_s``.

        A stream that breaks off just ends: whoever reads it looks at the job again.
        """
        try:
            events: Any = watch.Watch().stream(
                self._api.list_namespaced_custom_object,
                **self._where,
                field_selector=f"metadata.name={name}",
                resource_version=version,
                timeout_seconds=for_s,
                _request_timeout=(self._timeouts_s[0], for_s + self._timeouts_s[1]),
            )
            for event in events:
                yield None if event["type"] == "DELETED" else event["object"]
        except client.ApiException as error:
            if error.status not in TRANSIENT | {EXPIRED}:
                raise self._refusal(error) from None
            log.info("the watch of %s ended (HTTP %s)", name, error.status)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:  # ValueError: half a line
            log.info("the watch of %s broke off (%s)", name, type(error).__name__)

    def _ask(self, function: Callable[..., Any], *, none_for: Collection[int] = (MISSING,), **given: Any) -> Any:
        """Return the answer; None for one of the statuses ``none_for``."""
        said = ""
        for pause_s in (*self._pauses_s, None):
            asked_s = 0.0
            try:
                return function(**self._where, **given, _request_timeout=self._timeouts_s)
            except client.ApiException as error:
                if error.status in none_for:
                    return None
                if error.status not in TRANSIENT:
                    raise self._refusal(error) from None
                said, after = f"HTTP {error.status}", str((error.headers or {}).get("Retry-After", ""))
                asked_s = min(float(after), MOST_PAUSE_S) if after.isdecimal() else 0.0
            except (urllib3.exceptions.HTTPError, OSError) as error:
                said = type(error).__name__
            if pause_s is not None:
                log.warning("%s: no answer (%s), asking again in %.0f s", self._host, said, max(pause_s, asked_s))
                self.sleep(max(pause_s, asked_s))
        raise ServerUnreachableError(f"{self._host}: no answer ({said}). Run again with the same run key later")

    def _refusal(self, error: Any) -> UsageError:
        try:
            reason = str(json.loads(error.body)["message"])
        except (TypeError, ValueError, KeyError):
            reason = str(error.reason)
        if not error.status:  # the client's way to say that TLS failed
            return UsageError(
                f"{self._host}: {reason:.300}. Trust its certificate in the kubeconfig, if it is the right one"
            )
        said = f"{self._host}: HTTP {error.status}, {reason:.300}"
        if error.status in FORBIDDEN:
            may = f"create, get, list, watch and delete {PLURAL}.{GROUP} in namespace {self.namespace}"
            return UsageError(f"{said}. Let the step's service account {may}")
        return UsageError(f"{said}. Correct what is asked for")
