"""Schedules: checked against the pipelines that they start."""

from pathlib import Path

import pytest

from components.core.errors import RecipeError
from pipelines.schedules import faults, schedules


@pytest.mark.promise("S1-49")
def test_the_models_of_the_market_are_trained_each_month_and_then_published() -> None:
    found = schedules()
    assert faults() == []
    assert {name: found[f"{name}-monitoring"].arguments for name in ("regime", "health")} == {
        name: found[name].arguments
        for name in ("regime", "health")  # watched on what they are trained on
    }
    assert {name: found[name].cron for name in ("regime", "health", "publish-models")} == {
        "regime": "0 0 2 1 * *",
        "health": "0 0 2 1 * *",
        "publish-models": "0 0 6 1 * *",
    }


def test_a_schedule_of_what_does_not_exist_is_named(tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_text("regime: {cron: '0 0 2 1 * *', arguments: {sauce: x}}\nnobody: {cron: '0 0 2 1 * *'}\n")
    unknown, nobody = faults(path)
    assert unknown == "schedules.yaml: regime: no parameter 'sauce'"
    assert nobody.startswith(
        "schedules.yaml: nobody: no such pipeline among the compiled ones. There is agents-monitoring, "
    )
    path.write_text("publish-models: {cron: '0 0 2 1 * *'}\n")
    assert faults(path) == ["schedules.yaml: publish-models: wants a 'dataset'"]


@pytest.mark.parametrize("cron", ["0 2 * * 0", "every month", "0 0 2 1 * * *", ""])
def test_cron_has_six_fields(tmp_path: Path, cron: str) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_text(f"regime: {{cron: '{cron}'}}\n")
    with pytest.raises(RecipeError, match="cron"):
        schedules(path)
