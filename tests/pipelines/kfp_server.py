"""A local server that speaks v2beta1: strict about every request, true to the backend's rules, with faults to inject.

Beyond the schema it holds what the backend is known to do: names are unique (409), references and parameters must
exist, ``max_concurrency`` is 1 to 10, lists come in small pages, a recurring run cannot be changed, and deleting one
stops its running runs unless the policy is ORPHAN.
"""

import email.parser
import email.policy
import functools
import itertools
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml
from kfp_schema import Operation, operations, violations

PAGE = 2
NOW = "2026-11-20T00:00:00Z"


class Refusal(Exception):  # noqa: N818 - it is the server's answer
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Fault:
    """What goes wrong with the next requests of one operation."""

    operation: str
    kind: str
    """``before``: cut off, nothing done. ``after``: cut off, all done. ``page``: HTML. ``hang``: silence.
    A number: that status."""
    times: int = 1


@dataclass
class Kubeflow:
    """The state of the server; tests read and change it."""

    bearer: str = ""
    ignores_orphan: bool = False
    """As servers before 2.16, which know no policy."""
    faults: list[Fault] = field(default_factory=list[Fault])
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    versions: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    runs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    recurring: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    asked: list[str] = field(default_factory=list[str])
    """Operations that were carried out, in their order."""
    refused: list[str] = field(default_factory=list[str])
    """What broke the schema."""
    states: list[str] = field(default_factory=list[str])
    """What a run's next polls say."""
    released: threading.Event = field(default_factory=threading.Event)
    """Ends the silence of what hangs."""
    _numbers: Any = field(default_factory=itertools.count)

    def writes(self) -> list[str]:
        """Operations that changed something."""
        return [name for name in self.asked if not any(word in name for word in ("_list_", "_get_"))]

    def fire(self, recurring_id: str) -> str:
        """Let a recurring run start a run, and return its id."""
        item = self.recurring[recurring_id]
        return self._add(self.runs, "run_id", {
            "display_name": item["display_name"], "experiment_id": item["experiment_id"],
            "recurring_run_id": recurring_id, "state": "RUNNING",
        })  # fmt: skip

    def _add(self, table: dict[str, dict[str, Any]], key: str, item: dict[str, Any]) -> str:
        name = f"{key.removesuffix('_id')}-{next(self._numbers)}"
        table[name] = {**item, key: name, "created_at": NOW}
        return name

    def answer(self, operation: Operation, ids: tuple[str, ...], query: dict[str, str], body: Any) -> Any:
        self.asked.append(operation.name)
        short = operation.name.rpartition("_service_")[2]
        return getattr(self, f"do_{short}")(*ids, query=query, body=body)

    def _page(self, field_name: str, items: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        if text := query.get("filter"):
            predicates = json.loads(text)
            if wrong := violations(predicates, "V2beta1Filter", "filter"):
                raise Refusal(400, "; ".join(wrong))
            for predicate in predicates["predicates"]:
                assert predicate["operation"] == "EQUALS"
                items = [item for item in items if item[predicate["key"]] == predicate["string_value"]]
        start = int(query.get("page_token") or 0)
        end = start + min(PAGE, int(query.get("page_size", PAGE)))
        more = {"next_page_token": str(end)} if end < len(items) else {}
        return {field_name: items[start:end], "total_size": len(items), **more}

    def do_get_pipeline_by_name(self, name: str, query: dict[str, str], body: Any) -> Any:
        return _one([item for item in self.pipelines.values() if item["name"] == name], name)

    def do_create_pipeline(self, query: dict[str, str], body: Any) -> Any:
        _unique(self.pipelines, body)
        return self.pipelines[self._add(self.pipelines, "pipeline_id", body)]

    def do_list_pipeline_versions(self, pipeline: str, query: dict[str, str], body: Any) -> Any:
        items = [item for item in self.versions.values() if item["pipeline_id"] == pipeline]
        return self._page("pipeline_versions", items, query)

    def do_get_pipeline_version(self, pipeline: str, version: str, query: dict[str, str], body: Any) -> Any:
        items = [item for item in self.versions.values() if item["pipeline_id"] == pipeline]
        return _one([item for item in items if item["pipeline_version_id"] == version], version)

    def do_upload_pipeline_version(self, query: dict[str, str], body: Any) -> Any:
        pipeline = query["pipelineid"]
        _one([item for item in self.pipelines.values() if item["pipeline_id"] == pipeline], pipeline)
        item = {key: value for key, value in query.items() if key != "pipelineid"}
        item |= {"pipeline_id": pipeline, "pipeline_spec": _spec(body)}
        _unique({key: old for key, old in self.versions.items() if old["pipeline_id"] == pipeline}, item)
        return self.versions[self._add(self.versions, "pipeline_version_id", item)]

    def do_list_experiments(self, query: dict[str, str], body: Any) -> Any:
        return self._page("experiments", list(self.experiments.values()), query)

    def do_create_experiment(self, query: dict[str, str], body: Any) -> Any:
        if any(item["display_name"] == body["display_name"] for item in self.experiments.values()):
            raise Refusal(409, "the experiment exists")
        return self.experiments[self._add(self.experiments, "experiment_id", body)]

    def do_list_runs(self, query: dict[str, str], body: Any) -> Any:
        items = [item for item in self.runs.values() if item["experiment_id"] == query["experiment_id"]]
        return self._page("runs", items, query)

    def do_get_run(self, run: str, query: dict[str, str], body: Any) -> Any:
        found = _one([item for item in self.runs.values() if item["run_id"] == run], run)
        if self.states:
            found["state"] = self.states.pop(0)
        return found

    def do_create_run(self, query: dict[str, str], body: Any) -> Any:
        self._check_reference(body)
        return self.runs[self._add(self.runs, "run_id", {**body, "state": "PENDING"})]

    def do_list_recurring_runs(self, query: dict[str, str], body: Any) -> Any:
        items = [item for item in self.recurring.values() if item["experiment_id"] == query["experiment_id"]]
        return self._page("recurringRuns", items, query)

    def do_create_recurring_run(self, query: dict[str, str], body: Any) -> Any:
        self._check_reference(body)
        if not 1 <= int(body["max_concurrency"]) <= 10:
            raise Refusal(400, "max_concurrency is 1 to 10")
        if len(body["trigger"]) != 1:
            raise Refusal(400, "one trigger")
        status = "ENABLED" if body["mode"] == "ENABLE" else "DISABLED"
        return self.recurring[self._add(self.recurring, "recurring_run_id", {**body, "status": status})]

    def do_delete_recurring_run(self, recurring: str, query: dict[str, str], body: Any) -> Any:
        _one([item for item in self.recurring.values() if item["recurring_run_id"] == recurring], recurring)
        del self.recurring[recurring]
        if self.ignores_orphan or query.get("propagation_policy") != "ORPHAN":
            for run in self.runs.values():
                if run.get("recurring_run_id") == recurring and run["state"] == "RUNNING":
                    run["state"] = "CANCELED"
        return {}

    def _check_reference(self, body: Any) -> None:
        reference = body["pipeline_version_reference"]
        version = self.versions.get(reference["pipeline_version_id"])
        if version is None or version["pipeline_id"] != reference["pipeline_id"]:
            raise Refusal(404, "no such version of this pipeline")
        if body["experiment_id"] not in self.experiments:
            raise Refusal(404, "no such experiment")
        declared = version["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
        given = body["runtime_config"]["parameters"]
        if given.keys() - declared.keys():
            raise Refusal(400, f"unknown parameters {given.keys() - declared.keys()}")
        if missing := {name for name, facts in declared.items() if not facts.get("isOptional")} - given.keys():
            raise Refusal(400, f"missing parameters {missing}")


@functools.cache
def _spec(compiled: bytes) -> dict[str, Any]:
    return next(yaml.safe_load_all(compiled))


def _one(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    if not items:
        raise Refusal(404, f"{name}: not found")
    return items[0]


def _unique(table: dict[str, dict[str, Any]], item: dict[str, Any]) -> None:
    if any(old["name"] == item["name"] for old in table.values()):
        raise Refusal(409, f"{item['name']}: already exists")


class _Handler(BaseHTTPRequestHandler):
    kubeflow: Kubeflow
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: nothing waits for a delayed acknowledgement

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the parent class
        pass

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        try:
            operation, ids = self._route()
            fault = self._fault(operation.name)
            if fault and fault.kind == "hang":
                self.kubeflow.released.wait()
                self.close_connection = True
            elif fault and fault.kind == "page":
                self._send(200, b"<html>please log in</html>", "text/html")
            elif fault and fault.kind == "before":
                self.close_connection = True
            else:
                answer = self._carry_out(operation, ids, raw)
                if fault:
                    self.close_connection = True
                else:
                    self._send(200, json.dumps(answer).encode())
        except Refusal as refusal:
            body = {"code": refusal.status, "message": refusal.message, "error": refusal.message}
            self._send(refusal.status, json.dumps(body).encode())

    do_POST = do_DELETE = do_PATCH = do_GET  # noqa: N815

    def _route(self) -> tuple[Operation, tuple[str, ...]]:
        path = urlsplit(self.path).path
        if self.kubeflow.bearer and self.headers.get("Authorization") != f"Bearer {self.kubeflow.bearer}":
            raise Refusal(401, "who are you")
        for operation in OPERATIONS:
            if operation.method == self.command and (match := operation.path.fullmatch(path)):
                return operation, match.groups()
        raise self._broken([f"{self.command} {path}: no such operation"])

    def _fault(self, name: str) -> Fault | None:
        for fault in self.kubeflow.faults:
            if fault.operation in name and fault.times:
                fault.times -= 1
                if fault.kind.isdigit():
                    raise Refusal(int(fault.kind), "injected")
                return fault
        return None

    def _broken(self, lines: list[str]) -> Refusal:
        self.kubeflow.refused += lines
        return Refusal(400, "; ".join(lines))

    def _carry_out(self, operation: Operation, ids: tuple[str, ...], raw: bytes) -> Any:
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        wrong = [f"{name}: no such query parameter" for name in query.keys() - operation.query.keys()]
        for name, text in query.items():
            if operation.query.get(name) == "int" and not text.isdigit():
                wrong.append(f"{name}={text}: no number")
        body: Any = None
        if operation.name.startswith("upload_"):
            body = self._uploaded(raw)
        elif operation.body:
            body = json.loads(raw)
            wrong += violations(body, operation.body)
        elif raw:
            wrong.append("a body where none belongs")
        if wrong:
            raise self._broken(wrong)
        answer = self.kubeflow.answer(operation, ids, query, body)
        assert violations(answer, operation.answer, "answer") == []
        return answer

    def _uploaded(self, raw: bytes) -> bytes:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + raw)
        parts = [
            part
            for part in message.iter_parts()
            if part.get_param("name", header="content-disposition") == "uploadfile"
        ]
        if len(parts) != 1:
            raise self._broken(["not one uploadfile"])
        content: bytes = parts[0].get_payload(decode=True)
        return content

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


OPERATIONS = operations()


@contextmanager
def serving(kubeflow: Kubeflow) -> Generator[str]:
    """Serve on a port of this machine and yield the address; at the end no request may have broken the schema."""
    handler = type("Handler", (_Handler,), {"kubeflow": kubeflow})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            kubeflow.released.set()
            server.shutdown()
            thread.join()
    assert kubeflow.refused == [], "; ".join(kubeflow.refused)
