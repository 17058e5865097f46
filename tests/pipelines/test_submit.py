"""Submission on a strict local server: versions and runs that are made once, followed to any end."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest
from click.testing import CliRunner
from kfp_schema import operations, violations
from kfp_server import Fault, Kubeflow, serving

from cli.main import qf
from components.core.errors import EnvironmentMissingError, ServerUnreachableError, UsageError
from pipelines.local import StepFailedError
from pipelines.remote import IN_CLUSTER, Address, Remote
from pipelines.submit import checkout_version, follow, publish, start, typed, version_name

VERSION = "0.1.0-g0123abc"
ARGUMENTS = {"dataset": "market"}


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "ENDPOINT", "NAMESPACE", "SA_TOKEN_PATH", "SSL_CA_CERTS"):
        monkeypatch.delenv(f"KF_PIPELINES_{name}", raising=False)


@pytest.fixture
def kubeflow() -> Kubeflow:
    return Kubeflow()


@pytest.fixture
def remote(kubeflow: Kubeflow) -> Iterator[Remote]:
    with serving(kubeflow) as host:
        yield Remote(Address(host), sleep=lambda _: None)


def test_a_version_is_uploaded_once_byte_for_byte(kubeflow: Kubeflow, remote: Remote, top: Path) -> None:
    for number in range(5):
        publish(remote, "publish-models", f"0.0.{number}-g0123abc")
    first = publish(remote, "publish-models", VERSION)
    before = kubeflow.writes()
    assert publish(remote, "publish-models", VERSION) == first
    assert kubeflow.writes() == before
    assert len(kubeflow.versions) == 6
    sent = kubeflow.versions[first.version_id]
    assert (sent["name"], sent["display_name"], sent["pipeline_id"]) == (VERSION, VERSION, first.pipeline_id)
    digest = subprocess.check_output(["sha256sum", top / "pipelines/compiled/publish-models.yaml"], text=True).split()[
        0
    ]
    assert sent["description"] == f"sha256:{digest}"


def test_a_version_with_another_content_is_refused(kubeflow: Kubeflow, remote: Remote) -> None:
    published = publish(remote, "publish-models", VERSION)
    kubeflow.versions[published.version_id]["description"] = "by hand"
    with pytest.raises(UsageError, match="a version never changes"):
        publish(remote, "publish-models", VERSION)
    with pytest.raises(UsageError, match="no such pipeline"):
        publish(remote, "nobody", VERSION)


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "PAUSED", "SUCCEEDED"])
def test_the_same_request_finds_its_run(kubeflow: Kubeflow, remote: Remote, state: str) -> None:
    published = publish(remote, "publish-models", VERSION)
    first = start(remote, published, ARGUMENTS)
    kubeflow.runs[first.run_id]["state"] = state
    assert start(remote, published, ARGUMENTS).run_id == first.run_id
    assert start(remote, published, {"dataset": "other"}).run_id != first.run_id


@pytest.mark.parametrize("state", ["FAILED", "CANCELED", "CANCELING"])
def test_what_failed_or_was_canceled_starts_anew_under_its_key(kubeflow: Kubeflow, remote: Remote, state: str) -> None:
    published = publish(remote, "publish-models", VERSION)
    first = start(remote, published, ARGUMENTS)
    kubeflow.runs[first.run_id]["state"] = state
    second = start(remote, published, ARGUMENTS)
    assert second.run_id != first.run_id
    keys = {run["runtime_config"]["parameters"]["run_key"] for run in kubeflow.runs.values()}
    assert {run["service_account"] for run in kubeflow.runs.values()} == {"qf-runner"}
    assert keys == {first.display_name}


@pytest.mark.parametrize("kind", ["before", "after", "500", "503"])
@pytest.mark.parametrize(
    "operation", ["create_run", "create_experiment", "upload_pipeline_version", "get_pipeline_by_name"]
)
def test_a_lost_request_or_answer_starts_one_run(kubeflow: Kubeflow, remote: Remote, operation: str, kind: str) -> None:
    kubeflow.faults.append(Fault(operation, kind, times=3))
    start(remote, publish(remote, "publish-models", VERSION), ARGUMENTS)
    counts = [len(table) for table in (kubeflow.pipelines, kubeflow.versions, kubeflow.experiments, kubeflow.runs)]
    assert counts == [1, 1, 1, 1]
    assert kubeflow.faults[0].times < 3


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"])
def test_a_run_is_followed_to_any_end_across_faults(kubeflow: Kubeflow, remote: Remote, end: str) -> None:
    run = start(remote, publish(remote, "publish-models", VERSION), ARGUMENTS)
    kubeflow.states = ["PENDING", "RUNNING", "RUNNING", "CANCELING", end]
    kubeflow.faults = [Fault("get_run", "before", times=2), Fault("get_run", "503", times=2)]
    told: list[str] = []
    ticks = (datetime(2026, 11, 20, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(60))
    state = follow(
        remote, run.run_id, on_state=lambda _, state: told.append(state), timeout_s=1800, clock=ticks.__next__
    )
    assert state == end
    assert told == ["PENDING", "RUNNING", "CANCELING", end]


def test_following_ends_in_time_and_the_run_goes_on(kubeflow: Kubeflow) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)

    def wait(seconds: float) -> None:
        nonlocal now
        now += timedelta(seconds=seconds)

    with serving(kubeflow) as host:
        remote = Remote(Address(host), sleep=wait)
        run = start(remote, publish(remote, "publish-models", VERSION), ARGUMENTS)
        with pytest.raises(ServerUnreachableError, match="still PENDING after 60 s") as caught:
            follow(remote, run.run_id, on_state=lambda *_: None, timeout_s=60, clock=lambda: now)
    assert caught.value.exit_code == 75
    assert (now - datetime(2026, 11, 20, tzinfo=UTC)).total_seconds() == 60
    assert kubeflow.runs[run.run_id]["state"] == "PENDING"


@pytest.mark.promise("S0-54")
def test_patience_has_an_end_and_pauses_grow() -> None:
    pauses: list[float] = []
    remote = Remote(Address("http://127.0.0.1:9"), sleep=pauses.append)
    with pytest.raises(ServerUnreachableError, match="no answer"):
        publish(remote, "publish-models", VERSION)
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_server_that_hangs_is_given_up_on(kubeflow: Kubeflow) -> None:
    with serving(kubeflow) as host:
        kubeflow.faults.append(Fault("get_pipeline_by_name", "hang"))
        remote = Remote(Address(host), timeouts_s=(5.0, 0.05), pauses_s=(), sleep=lambda _: None)
        with pytest.raises(ServerUnreachableError, match="ReadTimeoutError"):
            remote.once(remote.pipelines.pipeline_service_get_pipeline_by_name, "publish-models")


@pytest.mark.parametrize(
    ("kind", "reason"), [("page", "login page"), ("302", "HTTP 302"), ("403", "KF_PIPELINES_TOKEN")]
)
def test_what_asking_again_cannot_help_is_said_at_once(
    kubeflow: Kubeflow, remote: Remote, kind: str, reason: str
) -> None:
    kubeflow.faults.append(Fault("get_pipeline_by_name", kind, times=9))
    with pytest.raises(UsageError, match=reason):
        publish(remote, "publish-models", VERSION)
    assert kubeflow.faults[0].times == 8


def test_the_token_of_a_pod_is_read_anew_for_each_request(kubeflow: Kubeflow, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    kubeflow.bearer = "first"
    with serving(kubeflow) as host:
        remote = Remote(Address.found(host, "", {}, file), pauses_s=())
        publish(remote, "publish-models", VERSION)
        kubeflow.bearer = "second"
        with pytest.raises(UsageError, match="HTTP 401, who are you"):
            publish(remote, "publish-models", VERSION)
        file.write_text("second\n")
        publish(remote, "publish-models", VERSION)
        outside = Address.found(host, "", {"KF_PIPELINES_TOKEN": "second"}, tmp_path / "none")
        publish(Remote(outside, pauses_s=()), "publish-models", VERSION)


def test_where_the_server_is(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(UsageError, match="no server"):
        Address.found("", "", {}, file)
    with pytest.raises(EnvironmentMissingError, match="Correct KF_PIPELINES_SA_TOKEN_PATH"):
        Address.found("https://host", "", {"KF_PIPELINES_SA_TOKEN_PATH": str(file)}, file)
    file.write_text("token")
    assert Address.found("", "", {}, file).host == IN_CLUSTER
    assert Address.found("https://host/pipeline/", "me", {}, file).host == "https://host/pipeline"


@pytest.mark.parametrize("host", ["host", "ftp://host", "https://", "https://me:secret@host"])
def test_an_address_that_is_none_is_refused_without_its_secret(host: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address(host)
    assert "secret" not in str(caught.value)


def test_a_token_does_not_travel_in_the_clear() -> None:
    with pytest.raises(UsageError, match="in the clear"):
        Address("http://pipelines.example.org", token=lambda: "secret")
    assert Address("http://ml-pipeline.kubeflow.svc:8888", token=lambda: "secret").token is not None


def test_words_become_what_the_parameters_are() -> None:
    words = {"every_window": "true", "max_age_days": "30", "symbols": "1"}
    assert typed("health-scoring", words) == {"every_window": True, "max_age_days": 30.0, "symbols": "1"}
    for wrong in ({"every_window": "yes"}, {"max_age_days": "true"}, {"max_age_days": "x"}, {"sauce": "x"}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            typed("health-scoring", wrong)
    with pytest.raises(UsageError, match="credentials"):
        typed("health", {"source": "https://me:secret@host/bars.csv"})
    with pytest.raises(UsageError, match="wants a 'dataset'"):
        typed("publish-models", {})


def test_a_version_is_named_after_a_commit_that_holds_everything(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.check_output(["git", "-C", tmp_path, *identity, *words], text=True).strip()

    with pytest.raises(UsageError, match="no checkout"):
        checkout_version(tmp_path)
    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "one")
    assert checkout_version(tmp_path) == f"0.1.0-g{git('rev-parse', 'HEAD')[:12]}"
    (tmp_path / "file").write_text("2")
    with pytest.raises(UsageError, match="not committed"):
        checkout_version(tmp_path)
    with pytest.raises(UsageError, match="no commit"):
        version_name("main")


def test_the_command_submits_follows_and_exits_by_the_end(kubeflow: Kubeflow) -> None:
    with serving(kubeflow) as host:
        words = ["submit", "publish-models", "-p", "dataset=market", "--commit", "0123abc", "--host", host]
        kubeflow.states = ["CANCELED"]
        canceled = CliRunner().invoke(qf, words)
        assert isinstance(canceled.exception, StepFailedError)
        assert "ended as CANCELED" in str(canceled.exception)
        kubeflow.states = ["SUCCEEDED"]
        done = CliRunner().invoke(qf, words)
        assert done.exit_code == 0, done.output
        assert "publish-models 0.1.0-g0123abc" in done.output
        assert done.output.rstrip().endswith("SUCCEEDED")
        before = kubeflow.writes()
        assert CliRunner().invoke(qf, [*words, "--no-follow"]).exit_code == 0
        assert kubeflow.writes() == before
        bad = CliRunner().invoke(qf, [*words, "-p", "bucket"])
        assert "bucket: no value" in str(bad.exception)
    assert len(kubeflow.runs) == 2


def test_the_stand_in_refuses_what_the_schema_does_not_know() -> None:
    kubeflow = Kubeflow()

    def post(host: str, path: str, body: object) -> int:
        request = urllib.request.Request(f"{host}/apis/v2beta1/{path}", json.dumps(body).encode(), method="POST")  # noqa: S310 - this machine
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310 - this machine
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code

    with pytest.raises(AssertionError, match="colour: no such field"), serving(kubeflow) as host:
        assert post(host, "experiments", {"display_name": "x"}) == 200
        assert post(host, "experiments", {"display_name": "y", "colour": "red"}) == 400
        assert post(host, "experiments", {"display_name": 1}) == 400
        assert post(host, "experiments?page_size=x", {"display_name": "z"}) == 400
        assert post(host, "jobs", {}) == 400
    assert len(kubeflow.refused) == 4
    assert len(kubeflow.experiments) == 1


def test_the_schema_is_whole_and_its_types_are_strict() -> None:
    assert {(item.method, bool(item.body)) for item in operations()} >= {
        ("GET", False),
        ("POST", True),
        ("DELETE", False),
    }
    assert len(operations()) == 34
    assert violations({"max_concurrency": "1", "no_catchup": True}, "V2beta1RecurringRun") == []
    assert violations({"max_concurrency": 1}, "V2beta1RecurringRun") == ["body.max_concurrency: 1 is no str"]
    assert violations({"mode": "ON"}, "V2beta1RecurringRun") == ["body.mode: 'ON' is no RecurringRunMode"]
    assert violations({"created_at": "today"}, "V2beta1Run") == ["body.created_at: 'today' is no instant"]
    wrong = {"trigger": {"cron_schedule": {"crown": "x"}}}
    assert violations(wrong, "V2beta1RecurringRun") == [
        "body.trigger.cron_schedule.crown: no such field of V2beta1CronSchedule"
    ]
