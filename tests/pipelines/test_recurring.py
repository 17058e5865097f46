"""Schedules made, changed and removed on a strict local server, with faults on the way."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kfp_server import Fault, Kubeflow, serving

from cli.main import qf
from components.core.errors import BusyError, ServerUnreachableError, UsageError
from pipelines.recurring import apply, plan
from pipelines.remote import Address, Remote
from pipelines.schedules import Schedule, schedules

VERSION = "0.1.0-g0123abc"
CREATE, DELETE = "recurring_run_service_create_recurring_run", "recurring_run_service_delete_recurring_run"


@pytest.fixture
def kubeflow() -> Kubeflow:
    return Kubeflow()


@pytest.fixture
def remote(kubeflow: Kubeflow) -> Iterator[Remote]:
    with serving(kubeflow) as host:
        yield Remote(Address(host), sleep=lambda _: None)


def settle(remote: Remote, wanted: dict[str, Schedule]) -> list[str]:
    """Apply, and return the pipelines that wait."""
    return [change.pipeline for change in apply(remote, plan(remote, wanted), VERSION)]


def monthly(hour: int = 2, **arguments: str) -> dict[str, Schedule]:
    return {"health": Schedule(cron=f"0 0 {hour} 1 * *", arguments={"dataset": "market", **arguments})}


def test_the_file_becomes_recurring_runs_and_a_second_apply_changes_nothing(kubeflow: Kubeflow, remote: Remote) -> None:
    wanted = dict(schedules())
    assert [(change.pipeline, change.make, change.delete) for change in plan(remote, wanted)] == [
        (name, True, ())
        for name in (
            "health", "health-monitoring", "publish-models", "regime", "regime-monitoring", "weekly-twin-retraining",
        )
    ]  # fmt: skip
    assert kubeflow.writes() == []
    assert settle(remote, wanted) == []
    made = {item["display_name"]: item for item in kubeflow.recurring.values()}
    assert made.keys() == wanted.keys()
    regime = made["regime"]
    assert regime["trigger"] == {"cron_schedule": {"cron": "0 0 2 1 * *"}}
    assert (regime["max_concurrency"], regime["no_catchup"], regime["status"]) == ("1", True, "ENABLED")
    assert regime["service_account"] == "qf-runner"
    sent = regime["runtime_config"]["parameters"]
    assert sent == {**wanted["regime"].arguments, "run_key": "regime-[[ScheduledTime]]"}
    before = len(kubeflow.writes())
    assert plan(remote, wanted) == []
    assert settle(remote, wanted) == []
    assert len(kubeflow.writes()) == before


def test_another_commit_with_the_same_pipeline_changes_nothing(kubeflow: Kubeflow, remote: Remote) -> None:
    settle(remote, monthly())
    before = kubeflow.writes()
    assert apply(remote, plan(remote, monthly()), "0.1.0-gfedcba9") == []
    assert kubeflow.writes() == before


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("trigger", {"cron_schedule": {"cron": "0 0 3 1 * *"}}, "cron"),
        (
            "trigger",
            {"cron_schedule": {"cron": "0 0 2 1 * *", "end_time": "2027-01-01T00:00:00Z"}},
            "first and last day",
        ),
        ("trigger", {"periodic_schedule": {"interval_second": "60"}}, "cron"),
        ("runtime_config", {"parameters": {"dataset": "other"}}, "arguments"),
        ("max_concurrency", "2", "runs at once"),
        ("no_catchup", False, "no catch-up"),
        ("status", "DISABLED", "status"),
        ("service_account", "default-editor", "service account"),
        ("pipeline_version_reference", {"pipeline_id": "pipeline-0", "pipeline_version_id": "gone"}, "pipeline"),
        ("pipeline_version_reference", {"pipeline_id": "pipeline-0"}, "pipeline"),
    ],
)
def test_what_somebody_changed_on_the_server_is_drift_and_is_made_good(
    kubeflow: Kubeflow, remote: Remote, field: str, value: object, reason: str
) -> None:
    settle(remote, monthly())
    (old,) = kubeflow.recurring
    kubeflow.recurring[old][field] = value
    (change,) = plan(remote, monthly())
    assert change.delete == (old,)
    assert any(line.startswith(f"{reason}: is ") for line in change.reasons)
    settle(remote, monthly())
    assert plan(remote, monthly()) == []
    assert old not in kubeflow.recurring
    assert len(kubeflow.recurring) == 1


def test_a_pipeline_that_was_compiled_anew_is_uploaded_and_scheduled(kubeflow: Kubeflow, remote: Remote) -> None:
    settle(remote, monthly())
    (version,) = kubeflow.versions.values()
    version["description"] = "sha256:" + 64 * "0"
    assert [line.split(":")[0] for line in plan(remote, monthly())[0].reasons] == ["pipeline"]
    with pytest.raises(UsageError, match=r"version 0\.1\.0-g0123abc has another content"):
        settle(remote, monthly())
    assert len(kubeflow.recurring) == 1
    apply(remote, plan(remote, monthly()), "0.1.0-gfedcba9")
    assert plan(remote, monthly()) == []


def test_what_is_not_in_the_file_or_there_twice_is_deleted(kubeflow: Kubeflow, remote: Remote) -> None:
    settle(remote, {**monthly(), "regime": Schedule(cron="0 0 2 1 * *")})
    health = next(item for item in kubeflow.recurring.values() if item["display_name"] == "health")
    kubeflow.recurring["twin"] = {**health, "recurring_run_id": "twin"}
    assert [(change.pipeline, change.make, len(change.delete)) for change in plan(remote, monthly())] == [
        ("health", False, 1), ("regime", False, 1),
    ]  # fmt: skip
    settle(remote, monthly())
    assert list(kubeflow.recurring.values()) == [health]


def test_recurring_runs_of_other_experiments_are_not_ours(kubeflow: Kubeflow, remote: Remote) -> None:
    kubeflow.recurring["theirs"] = {"recurring_run_id": "theirs", "display_name": "health", "experiment_id": "other"}
    settle(remote, monthly())
    settle(remote, {})
    assert list(kubeflow.recurring) == ["theirs"]


def test_a_recurring_run_that_the_server_cannot_read_stops_the_plan(kubeflow: Kubeflow, remote: Remote) -> None:
    settle(remote, monthly())
    (held,) = kubeflow.recurring.values()
    kubeflow.recurring["broken"] = {
        "recurring_run_id": "broken", "experiment_id": held["experiment_id"],
        "error": {"code": 13, "message": "unread"},
    }  # fmt: skip
    with pytest.raises(UsageError, match="recurring run broken: unread"):
        plan(remote, monthly())


@pytest.mark.parametrize("wanted", [monthly(hour=3), {}], ids=["changed", "removed"])
@pytest.mark.parametrize("ignores_orphan", [False, True], ids=["new server", "old server"])
def test_a_schedule_with_a_run_that_goes_on_is_left_alone_until_it_ends(
    kubeflow: Kubeflow, remote: Remote, wanted: dict[str, Schedule], ignores_orphan: bool
) -> None:
    kubeflow.ignores_orphan = ignores_orphan
    settle(remote, monthly())
    (old,) = kubeflow.recurring
    run = kubeflow.fire(old)
    before = kubeflow.writes()
    assert settle(remote, wanted) == ["health"]
    assert kubeflow.writes() == before
    assert kubeflow.runs[run]["state"] == "RUNNING"
    kubeflow.runs[run]["state"] = "SUCCEEDED"
    assert settle(remote, wanted) == []
    assert old not in kubeflow.recurring
    assert plan(remote, wanted) == []


def test_a_run_that_starts_while_its_schedule_is_replaced_is_orphaned_not_stopped(
    kubeflow: Kubeflow, remote: Remote
) -> None:
    settle(remote, monthly())
    (old,) = kubeflow.recurring
    changes = plan(remote, monthly(hour=3))
    run = kubeflow.fire(old)
    apply(remote, changes, VERSION)
    assert kubeflow.runs[run]["state"] == "RUNNING"


@pytest.mark.parametrize("kind", ["before", "after", "503", "429"])
@pytest.mark.parametrize(
    "operation",
    [
        "create_pipeline",
        "upload_pipeline_version",
        "create_experiment",
        CREATE,
        DELETE,
        "list_recurring_runs",
        "list_runs",
    ],
)
def test_a_lost_request_or_answer_makes_nothing_twice(
    kubeflow: Kubeflow, remote: Remote, operation: str, kind: str
) -> None:
    kubeflow.faults.append(Fault(operation, kind, times=2))
    settle(remote, monthly())
    settle(remote, monthly(hour=3))
    assert plan(remote, monthly(hour=3)) == []
    counts = [len(table) for table in (kubeflow.pipelines, kubeflow.versions, kubeflow.experiments, kubeflow.recurring)]
    assert counts == [1, 1, 1, 1]
    assert kubeflow.faults[0].times < 2


def test_an_apply_that_broke_off_is_gone_on_with_and_the_old_schedule_stayed(
    kubeflow: Kubeflow, remote: Remote
) -> None:
    settle(remote, monthly())
    (old,) = kubeflow.recurring
    kubeflow.faults.append(Fault(CREATE, "503", times=5))
    with pytest.raises(ServerUnreachableError, match="HTTP 503, injected"):
        settle(remote, monthly(hour=3))
    assert list(kubeflow.recurring) == [old]
    kubeflow.faults.append(Fault(DELETE, "before", times=5))
    with pytest.raises(ServerUnreachableError, match="no answer"):
        settle(remote, monthly(hour=3))
    assert len(kubeflow.recurring) == 2
    assert settle(remote, monthly(hour=3)) == []
    assert plan(remote, monthly(hour=3)) == []
    assert len(kubeflow.recurring) == 1


def call(host: str, *arguments: str) -> Result:
    return CliRunner().invoke(qf, ["schedules", *arguments, "--host", host])


def test_the_commands_plan_apply_and_see_drift(
    kubeflow: Kubeflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("KF_PIPELINES_")]:
        monkeypatch.delenv(name)
    kubeflow.bearer = "right"
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "right")
    file = tmp_path / "schedules.yaml"
    file.write_text("health: {cron: '0 0 2 1 1 *', arguments: {dataset: market}}\n")
    with serving(kubeflow) as host:
        planned = call(host, "plan", "--file", str(file))
        assert planned.exit_code == 0, planned.output
        year = datetime.now(UTC).year
        assert [f"{year + ahead}-01-01 02:00:00Z" in planned.output for ahead in (1, 2, 3)] == [True] * 3
        assert "create  health\n        in the file, but not on the server\n1 to change" in planned.output
        assert call(host, "drift", "--file", str(file)).exit_code == 1
        assert call(host, "apply", "--file", str(file), "--commit", "0123abc").output.endswith("1 changed\n")
        assert call(host, "apply", "--file", str(file)).output == "nothing to change\n"
        assert call(host, "drift", "--file", str(file)).output == "no drift\n"
        kubeflow.fire(next(iter(kubeflow.recurring)))
        file.write_text("health: {cron: '0 0 3 1 1 *', arguments: {dataset: market}}\n")
        busy = call(host, "apply", "--file", str(file), "--commit", "0123abc")
        assert isinstance(busy.exception, BusyError)
        assert busy.exception.exit_code == 75
        assert "nothing that runs is stopped" in busy.output
    assert [item["display_name"] for item in kubeflow.versions.values()] == ["0.1.0-g0123abc"]
