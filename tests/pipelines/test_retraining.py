"""``qf retrain`` on a strict local server: one request starts one run, and a champion that holds none."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from kfp_server import Kubeflow, serving

from cli.main import qf
from components.core import family as families
from components.core.errors import UsageError
from components.core.files import write_json
from components.core.workspace import Workspace

COMMIT = ("--commit", "0123abc")


@pytest.mark.promise("S4-105")
def test_a_request_starts_one_run_with_its_recipe_however_often_it_is_asked(tmp_path: Path) -> None:
    workspace, kubeflow, member = Workspace.at(str(tmp_path)), Kubeflow(), families.find("regime")
    request = {"outcome": "retrain", "champion": None, "run_key": "regime-monitoring-2026-01-05", "findings": []}
    write_json(workspace.monitoring("regime", "market"), request)
    with serving(kubeflow) as host:
        words = ["retrain", "regime", "--dataset", "market", *COMMIT, "--root", str(tmp_path), "--host", host]
        words += ["-p", "source=s3://bucket/bars.parquet"]
        first, second = (CliRunner().invoke(qf, words, catch_exceptions=False) for _ in range(2))
        assert (first.exit_code, second.stdout) == (0, first.stdout)
        [run] = kubeflow.runs.values()
        sent = run["runtime_config"]["parameters"]
        assert sent == {
            "source": "s3://bucket/bars.parquet", "dataset": "market",
            "run_key": "regime-monitoring-2026-01-05-retrain",
            "recipe": member.recipe(member.default_recipe).canonical(),
        }  # fmt: skip
        with pytest.raises(UsageError, match="recipe: no value, or given by the request"):
            CliRunner().invoke(qf, [*words, "-p", f"recipe={json.dumps({})}"], catch_exceptions=False)
        write_json(workspace.monitoring("regime", "market"), request | {"outcome": "keep", "run_key": "another"})
        held = CliRunner().invoke(qf, words, catch_exceptions=False)
        assert held.stdout == "regime on market holds: nothing to train\n"
        assert len(kubeflow.runs) == 1
