"""A web server on loopback that fails as it is told: one word of its script per request, then it behaves."""

import http.client
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Answer(NamedTuple):
    """What a well-behaved server says."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


@dataclass
class Faulty:
    """The server's memory: what it shall do, and what it was asked."""

    answer: Callable[[str, str, Mapping[str, str]], Answer]
    """Method, path with query, and headers -> the answer."""
    script: list[str | Answer] = field(default_factory=list)
    """An ``Answer``, ``hang``, ``drip``, ``short``, ``reset`` or ``ok``; one per scripted request."""
    scripted: Callable[[str, str], bool] = lambda method, _: method == "GET"
    """Which requests the script is about."""
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faulty: Faulty

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        return

    def _answer(self, method: str) -> None:
        faulty = self.faulty
        word = faulty.script.pop(0) if faulty.scripted(method, self.path) and faulty.script else "ok"
        faulty.asked.append((self.path, dict(self.headers)))
        if word == "hang":
            faulty.over.wait(30)
            self.close_connection = True
            return
        if word == "reset":
            self.connection.close()
            self.close_connection = True
            return
        answer = word if isinstance(word, Answer) else faulty.answer(method, self.path, dict(self.headers))
        self.send_response(answer.status)
        headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
        length = str(len(answer.body)) if method == "GET" else answer.headers.get("Content-Length", "0")
        for name, value in (headers | {"Content-Length": length}).items():
            self.send_header(name, value)
        self.end_headers()
        if method == "HEAD":
            return
        if word in ("short", "drip"):
            self.close_connection = True
            half = answer.body[: len(answer.body) // 2]
            for start in range(0, len(half), len(half) if word == "short" else 1):
                self.wfile.write(half[start : start + (len(half) if word == "short" else 1)])
                if word == "drip" and faulty.over.wait(0.05):
                    return
            return
        self.wfile.write(answer.body)


@contextmanager
def serving(faulty: Faulty) -> Generator[Faulty]:
    """Serve on a free port of loopback until the block ends."""
    handler = type("Handler", (_Handler,), {"faulty": faulty})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    faulty.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield faulty
    finally:
        faulty.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def forward_to(port: int) -> Callable[[str, str, Mapping[str, str]], Answer]:
    """Return answers of the server on another port of loopback."""

    def ask(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, headers=dict(headers))
        response = connection.getresponse()
        dropped = {"connection", "transfer-encoding", "date", "server"}
        kept = {name: value for name, value in response.getheaders() if name.lower() not in dropped}
        answer = Answer(response.status, response.read(), kept)
        connection.close()
        return answer

    return ask
