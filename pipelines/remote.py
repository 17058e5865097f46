"""A Kubeflow Pipelines server: where it is, who asks, and how often it is asked before we give up."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import kfp_server_api
import urllib3

from components.core.errors import EnvironmentMissingError, ServerUnreachableError, UsageError

POD_TOKEN: Final = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Where a pod finds the token that its projected volume renews."""
IN_CLUSTER: Final = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0)
TRANSIENT: Final = {408, 409, 429, 500, 502, 503, 504}
"""Answers after which asking again can help; 409 says that someone else made it just now, so look again."""
FORBIDDEN: Final = {401, 403}
MISSING: Final = 404
PAGE: Final = 100


@dataclass(frozen=True)
class Address:
    """Where the server is, and as whom it is asked."""

    host: str
    """URL, with the path behind which a gateway may hide it."""
    namespace: str = ""
    """The user's, on a server that keeps users apart."""
    token: Callable[[], str] | None = None
    """Read anew for each request: a pod's token is renewed while it runs."""
    ca_file: str = ""
    """Certificates to trust instead of the shipped ones."""

    def __post_init__(self) -> None:
        """Refuse an address that is none, or one to which a token would travel in the clear.

        Raises:
            UsageError: If it is.
        """
        parts = urlsplit(self.host)
        name = parts.hostname or ""
        if parts.scheme not in {"http", "https"} or not name or "@" in parts.netloc:
            raise UsageError("the server's address is none. Give https://host[:port][/path], without credentials in it")
        near = name in {"localhost", "127.0.0.1"} or name.endswith((".svc", ".svc.cluster.local"))
        if self.token and parts.scheme == "http" and not near:
            raise UsageError(f"{self.host}: a token would travel in the clear. Give an https:// address")

    @classmethod
    def found(
        cls, host: str, namespace: str, environ: Mapping[str, str] = os.environ, pod_token: Path = POD_TOKEN
    ) -> Self:
        """Return the address that options and environment give; in a pod, the pod's token and its cluster's server.

        Raises:
            UsageError: If no host is given, and this is no pod.
            EnvironmentMissingError: If the file that should hold the token is not there.
        """
        file = Path(environ.get("KF_PIPELINES_SA_TOKEN_PATH", pod_token))
        text = environ.get("KF_PIPELINES_TOKEN", "")
        named = "KF_PIPELINES_SA_TOKEN_PATH" in environ
        if named and not text and not file.is_file():
            raise EnvironmentMissingError(f"{file}: no token there. Correct KF_PIPELINES_SA_TOKEN_PATH")
        in_pod = not text and file.is_file()
        host = host or (IN_CLUSTER if in_pod else "")
        if not host:
            raise UsageError("no server. Give --host, or set KF_PIPELINES_ENDPOINT")
        token = (lambda: text) if text else (lambda: file.read_text(encoding="utf-8").strip()) if in_pod else None
        return cls(host.rstrip("/"), namespace, token, environ.get("KF_PIPELINES_SSL_CA_CERTS", ""))


class Remote:
    """The server's services, asked with timeouts and patience."""

    def __init__(
        self,
        address: Address,
        *,
        timeouts_s: tuple[float, float] = (5.0, 30.0),
        pauses_s: Sequence[float] = PAUSES_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare, without asking anything yet: ``timeouts_s`` to connect and to answer, ``pauses_s`` between tries."""
        settings: Any = kfp_server_api.Configuration(host=address.host)
        settings.retries = False
        if address.ca_file:
            settings.ssl_ca_cert = address.ca_file
        if token := address.token:
            settings.api_key_prefix["authorization"] = "Bearer"
            settings.api_key["authorization"] = token()

            def renew(current: Any) -> None:
                current.api_key["authorization"] = token()

            settings.refresh_api_key_hook = renew
        self.address, self._timeouts_s, self._pauses_s, self.sleep = address, timeouts_s, tuple(pauses_s), sleep
        self._client = kfp_server_api.ApiClient(settings)
        self.pipelines: Any = kfp_server_api.PipelineServiceApi(self._client)
        self.uploads: Any = kfp_server_api.PipelineUploadServiceApi(self._client)
        self.experiments: Any = kfp_server_api.ExperimentServiceApi(self._client)
        self.runs: Any = kfp_server_api.RunServiceApi(self._client)
        self.recurring: Any = kfp_server_api.RecurringRunServiceApi(self._client)

    def once(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return the answer to one request; None if there is no such thing.

        Raises:
            ServerUnreachableError: If there is no answer, or one that says to come back.
            UsageError: If the server refuses.
        """
        try:
            answer = function(*args, _request_timeout=self._timeouts_s, **kwargs)
        except kfp_server_api.ApiException as error:
            if error.status == MISSING:
                return None
            raise self._refusal(error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ServerUnreachableError(
                f"{self.address.host}: no answer ({type(error).__name__}). Check the address, or try again later"
            ) from None
        kind = self._client.last_response.getheader("content-type") or "nothing"
        if not kind.startswith("application/json"):
            raise UsageError(f"{self.address.host}: answers with {kind}, as a login page does. Check address and token")
        return answer

    def _refusal(self, error: Any) -> ServerUnreachableError | UsageError:
        try:
            reason = str(json.loads(error.body)["message"])
        except (TypeError, ValueError, KeyError):
            reason = str(error.reason)
        said = f"{self.address.host}: HTTP {error.status}, {reason:.300}"
        if error.status in TRANSIENT:
            return ServerUnreachableError(f"{said}. Try again later")
        if error.status in FORBIDDEN:
            return UsageError(f"{said}. Set KF_PIPELINES_TOKEN to a token that may, or run in a pod that has one")
        return UsageError(f"{said}. Correct what is asked for")

    def ask(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return the answer to what may be asked more than once, None if there is no such thing.

        Raises:
            QuantfoundryError: As ``once``, after the last try.
        """
        for pause_s in self._pauses_s:
            try:
                return self.once(function, *args, **kwargs)
            except ServerUnreachableError:
                self.sleep(pause_s)
        return self.once(function, *args, **kwargs)

    def ensure(self, find: Callable[[], Any], make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what ``find`` finds, else what ``make`` makes; before each further try, look again.

        An answer can be lost after the server has done its work: a second try would do it twice.

        Raises:
            QuantfoundryError: As ``once``, after the last try.
        """
        for pause_s in self._pauses_s:
            if found := find():
                return found
            try:
                return self.once(make, *args, **kwargs)
            except ServerUnreachableError:
                self.sleep(pause_s)
        return find() or self.once(make, *args, **kwargs)

    def every(self, function: Callable[..., Any], field: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield the items of a list, page after page."""
        token = ""
        while True:
            page = self.ask(function, *args, page_size=PAGE, page_token=token, **kwargs)
            yield from (page and getattr(page, field)) or []
            token = page.next_page_token if page else ""
            if not token:
                return

    def experiment(self, name: str) -> Any | None:
        """Return the experiment of this name, None if there is none yet."""
        wanted = {"predicates": [{"operation": "EQUALS", "key": "display_name", "string_value": name}]}
        listed = self.every(
            self.experiments.experiment_service_list_experiments,
            "experiments",
            filter=json.dumps(wanted),
            namespace=self.address.namespace or None,
        )
        return next((item for item in listed if item.display_name == name), None)

    def experiment_id(self, name: str) -> str:
        """Return the id of the experiment of this name, made if there is none yet."""
        body = kfp_server_api.V2beta1Experiment(display_name=name, namespace=self.address.namespace or None)
        make = self.experiments.experiment_service_create_experiment
        return str(self.ensure(lambda: self.experiment(name), make, body).experiment_id)
