"""A local Kubernetes API that knows one kind, ``TrainJob``: strict about every request, with faults to inject.

A job is checked against the schema of every Trainer version. It can stand still, for tests to end it in any way, or
run: then its command is started on each of its nodes as a local process, with the ``PET_*`` variables that Trainer's
controller sets, and its conditions follow the exit codes. A deleted or suspended job's processes get SIGTERM, and the
job is gone, or suspended, once they are.
"""

import itertools
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from trainjob_schema import VERSIONS, violations

NAMESPACE = "team-a"
TOKEN = "s3cret"  # noqa: S105 - of nobody
BASE = f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{NAMESPACE}/trainjobs"
Job = dict[str, Any]
PYTHON = Path(sys.executable)
"""What ``python`` is in the image that a job names."""


@dataclass
class Fault:
    """What goes wrong with the next requests of one verb: ``create``, ``get``, ``list``, ``watch`` or ``delete``."""

    verb: str
    kind: str
    """``before``: cut off, nothing done. ``after``: done, then cut off. ``hang``: silence. A number: that status.
    Of a watch: ``drop``: cut off in the middle of an event."""
    times: int = 1


class Refusal(Exception):  # noqa: N818 - it is the server's answer
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Trainer:
    """The state of the server; tests read and change it."""

    runs: bool = False
    """Whether jobs run their command."""
    faults: list[Fault] = field(default_factory=list[Fault])
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    made: list[str] = field(default_factory=list[str])
    """Names of the jobs that were created, one for each time."""
    asked: list[str] = field(default_factory=list[str])
    """Verbs of the requests that were carried out."""
    refused: list[str] = field(default_factory=list[str])
    """What a real server would have refused."""
    events: list[tuple[int, str, Job]] = field(default_factory=list[tuple[int, str, Job]])
    released: threading.Event = field(default_factory=threading.Event)
    """Ends the silence of what hangs."""
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _processes: dict[str, list["subprocess.Popen[bytes]"]] = field(default_factory=dict[str, Any])
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def create(self, job: Job) -> Job:
        with self.changed:
            name = job["metadata"]["name"]
            if name in self.jobs:
                raise Refusal(409, f'trainjobs "{name}" already exists')
            number = next(self._numbers)
            job["metadata"] |= {"uid": f"uid-{number}", "creationTimestamp": "2026-11-20T00:00:00Z"}
            self.jobs[name] = job
            self.made.append(name)
            self._tell("ADDED", job)
            if self.runs:
                self._start(job)
            return job

    def get(self, name: str) -> Job:
        with self.changed:
            if name not in self.jobs:
                raise Refusal(404, f'trainjobs "{name}" not found')
            return self.jobs[name]

    def delete(self, name: str, options: dict[str, Any]) -> Job:
        with self.changed:
            job = self.get(name)
            uid = options.get("preconditions", {}).get("uid", job["metadata"]["uid"])
            if uid != job["metadata"]["uid"]:
                raise Refusal(409, "the UID in the precondition does not match")
            if "deletionTimestamp" not in job["metadata"]:
                job["metadata"]["deletionTimestamp"] = "2026-11-20T00:01:00Z"
                self._tell("MODIFIED", job)
                self._end(job, lambda: self._remove(job))
            return job

    def condition(self, name: str, kind: str, *, status: str = "True", message: str = "said so") -> None:
        """Set one condition of a job, as its controller does."""
        with self.changed:
            job = self.jobs[name]
            kept = [item for item in job.get("status", {}).get("conditions", []) if item["type"] != kind]
            now = {"type": kind, "status": status, "reason": f"Test{kind}", "message": message}
            job["status"] = {"conditions": [*kept, now]}
            self._tell("MODIFIED", job)

    def suspend(self, name: str) -> None:
        """Take a job's hosts away, as Kueue does for another job's sake."""
        job = self.get(name)
        job["spec"]["suspend"] = True
        self._end(job, lambda: self.condition(name, "Suspended"))

    def resume(self, name: str) -> None:
        """Give a suspended job hosts again."""
        job = self.get(name)
        job["spec"]["suspend"] = False
        self.condition(name, "Suspended", status="False")
        if self.runs:
            self._start(job)

    def remove(self, name: str) -> None:
        """Let somebody else delete a job."""
        self.delete(name, {})

    def pids(self, name: str) -> list[int]:
        """Return the launchers of a job, one per node."""
        with self.changed:
            return [process.pid for process in self._processes.get(name, [])]

    def after(self, version: int, name: str, wait_s: float) -> list[tuple[int, str, Job]]:
        """Return what happened to a job after a version, waiting for it."""

        def newer() -> list[tuple[int, str, Job]]:
            return [event for event in self.events if event[0] > version and event[2]["metadata"]["name"] == name]

        with self.changed:
            self.changed.wait_for(newer, wait_s)
            return newer()

    def close(self) -> None:
        """End every process that was started here."""
        self.released.set()
        for name in list(self._processes):
            self._kill(name)
        for thread in self._threads:
            thread.join()

    def _tell(self, kind: str, job: Job) -> None:
        version = next(self._numbers)
        job["metadata"]["resourceVersion"] = str(version)
        self.events.append((version, kind, json.loads(json.dumps(job))))
        self.changed.notify_all()

    def _remove(self, job: Job) -> None:
        with self.changed:
            del self.jobs[job["metadata"]["name"]]
            self._tell("DELETED", job)

    def _start(self, job: Job) -> None:
        trainer, name = job["spec"]["trainer"], job["metadata"]["name"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        given = {item["name"]: item["value"] for item in trainer["env"]}
        kept = {key: os.environ[key] for key in ("HOME", "LANG", "TMPDIR") if key in os.environ}
        found = {
            "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        group = {"PET_NNODES": str(trainer["numNodes"]), "PET_NPROC_PER_NODE": "7"}
        group |= {"PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": str(port)}
        self._processes[name] = [
            subprocess.Popen(
                [*trainer["command"], *trainer["args"]],
                env=kept | found | given | group | {"PET_NODE_RANK": str(rank)},
                start_new_session=True,
            )
            for rank in range(trainer["numNodes"])
        ]
        thread = threading.Thread(target=self._follow, args=(job, self._processes[name]))
        self._threads.append(thread)
        thread.start()

    def _follow(self, job: Job, processes: list["subprocess.Popen[bytes]"]) -> None:
        codes = [process.wait() for process in processes]
        name = job["metadata"]["name"]
        with self.changed:
            going = self.jobs.get(name) is job and self._processes.get(name) is processes
            if going and not job["spec"].get("suspend") and "deletionTimestamp" not in job["metadata"]:
                self.condition(name, "Failed" if any(codes) else "Complete", message=f"exit codes {codes}")

    def _end(self, job: Job, then: Any) -> None:
        """Ask a job's processes to leave; go on once they have."""
        processes = self._processes.pop(job["metadata"]["name"], [])
        if not processes:
            then()
            return
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

        def wait() -> None:
            for process in processes:
                process.wait()
            then()

        thread = threading.Thread(target=wait)
        self._threads.append(thread)
        thread.start()

    def _kill(self, name: str) -> None:
        for process in self._processes.pop(name, []):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class _Handler(BaseHTTPRequestHandler):
    trainer: Trainer
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the parent class
        pass

    def do_GET(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        try:
            verb, name = self._verb(parts.path, query)
            fault = self._fault(verb)
            if fault and fault.kind == "hang":
                self.trainer.released.wait()
                self.close_connection = True
            elif fault and fault.kind == "before":
                self.close_connection = True
            elif verb == "watch":
                self._watch(query, drop=bool(fault))
            else:
                answer = self._carry_out(verb, name, query, raw)
                if fault:
                    self.close_connection = True
                else:
                    self._send(201 if verb == "create" else 200, answer)
        except Refusal as refusal:
            status = {"kind": "Status", "status": "Failure", "code": refusal.status, "message": refusal.message}
            self._send(refusal.status, status)

    do_POST = do_DELETE = do_PATCH = do_PUT = do_GET  # noqa: N815

    def _verb(self, path: str, query: dict[str, str]) -> tuple[str, str]:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if (scheme.lower(), token) != ("bearer", TOKEN):
            raise Refusal(401, "Unauthorized")
        match = re.fullmatch(rf"{re.escape(BASE)}(?:/([a-z0-9-]+))?", path)
        verbs = {("POST", False): "create", ("GET", True): "get", ("GET", False): "list", ("DELETE", True): "delete"}
        verb = verbs.get((self.command, bool(match[1]))) if match else None
        if match is None or verb is None:
            self.trainer.refused.append(f"{self.command} {path}")
            raise Refusal(405, f"{self.command} {path}: no such operation")
        return "watch" if verb == "list" and query.get("watch") else verb, match[1] or ""

    def _fault(self, verb: str) -> Fault | None:
        for fault in self.trainer.faults:
            if fault.verb == verb and fault.times:
                fault.times -= 1
                if fault.kind.isdigit():
                    raise Refusal(int(fault.kind), "injected")
                return fault
        return None

    def _carry_out(self, verb: str, name: str, query: dict[str, str], raw: bytes) -> Any:
        self.trainer.asked.append(verb)
        if verb == "get":
            return self.trainer.get(name)
        if verb == "list":
            wanted = dict(item.split("=", 1) for item in query["labelSelector"].split(","))
            jobs = [job for job in self.trainer.jobs.values() if wanted.items() <= job["metadata"]["labels"].items()]
            return {"apiVersion": "v1", "kind": "TrainJobList", "metadata": {}, "items": jobs}
        body = json.loads(raw)
        if verb == "delete":
            if unknown := body.keys() - {"propagationPolicy", "preconditions", "gracePeriodSeconds"}:
                raise self._broken([f"DeleteOptions: {sorted(unknown)}"])
            return self.trainer.delete(name, body)
        if wrong := [line for version in VERSIONS for line in violations(body, version)]:
            raise self._broken(wrong)
        if body["metadata"]["namespace"] != NAMESPACE:
            raise self._broken(["the namespace of the object is another than that of the path"])
        return self.trainer.create(body)

    def _broken(self, lines: list[str]) -> Refusal:
        self.trainer.refused += lines
        return Refusal(422, "; ".join(lines))

    def _watch(self, query: dict[str, str], *, drop: bool) -> None:
        with self.trainer.changed:
            self.trainer.asked.append("watch")
            self.trainer.changed.notify_all()
        field_name, _, name = query["fieldSelector"].partition("=")
        assert field_name == "metadata.name"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        with suppress(BrokenPipeError, ConnectionResetError):
            for _, kind, job in self.trainer.after(int(query["resourceVersion"]), name, float(query["timeoutSeconds"])):
                line = json.dumps({"type": kind, "object": job}).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line[: len(line) // 2 if drop else None])
                if drop:
                    self.close_connection = True
                    return
                self.wfile.write(b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, answer: Any) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 429:
            self.send_header("Retry-After", "3")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def write_kubeconfig(path: Path, host: str, token: str = TOKEN) -> Path:
    """Write the file with which a client finds the server."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": host}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return the files of a certificate of this machine, valid for a day, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "ca.crt", folder / "tls.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain, form = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return files


@contextmanager
def serving(trainer: Trainer, certificate: tuple[Path, Path] | None = None) -> Generator[str]:
    """Serve on a port of this machine and yield the address; at the end nothing may have been refused."""
    handler = type("Handler", (_Handler,), {"trainer": trainer})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
        finally:
            trainer.close()
            server.shutdown()
            thread.join()
    assert trainer.refused == [], "; ".join(trainer.refused)
