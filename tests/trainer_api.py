"""The Kubernetes API in front of a ``Trainer``: HTTP, strict about every request, and its faults."""

import json
import re
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
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
from trainer_state import NAMESPACE, Fault, Refusal, Trainer
from trainjob_schema import VERSIONS, violations

TOKEN = "s3cret"  # noqa: S105 - of nobody
BASE = f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{NAMESPACE}/trainjobs"


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
