"""The key of a run: the same request is the same run, and no secret is written down."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.core.errors import UsageError
from components.core.workspace import Workspace
from pipelines.request import RunRequest, Settings, request

MONDAY = datetime(2024, 1, 1, 9, tzinfo=UTC)
TUESDAY = datetime(2024, 1, 2, 9, tzinfo=UTC)


def asked(folder: Path, source: str, moment: datetime, **options: str) -> RunRequest:
    where = Workspace.at(str(folder))
    settings = Settings(recipe="smoke")
    return request("price-action", where, source=source, settings=settings, clock=lambda: moment, **options)


def scoring(folder: Path, moment: datetime, settings: Settings | None = None) -> RunRequest:
    where, source = Workspace.at(str(folder)), "synthetic://planted"
    chosen = settings or Settings()
    return request("price_action-scoring", where, source=source, settings=chosen, clock=lambda: moment)


def test_what_may_have_changed_behind_an_address_is_another_run_on_another_day(tmp_path: Path) -> None:
    keys = [asked(tmp_path, "s3://bucket/bars.parquet", moment).run_key for moment in (MONDAY, MONDAY, TUESDAY)]
    assert keys[0] == keys[1] != keys[2]
    fixed = [asked(tmp_path, "s3://bucket/bars.parquet", day, asof="2023-12-31").run_key for day in (MONDAY, TUESDAY)]
    assert fixed[0] == fixed[1]


def test_a_synthetic_market_is_the_same_run_on_any_day(tmp_path: Path) -> None:
    keys = {asked(tmp_path, "synthetic://planted", moment).run_key for moment in (MONDAY, TUESDAY)}
    assert len(keys) == 1


@pytest.mark.parametrize("source", ["s3://me:s3cr3t@bucket/a.csv", "https://host.example/{symbol}.csv?token=s3cr3t"])
def test_an_address_with_a_secret_is_refused_before_it_is_written_down(tmp_path: Path, source: str) -> None:
    with pytest.raises(UsageError, match="carries") as caught:
        asked(tmp_path, source, MONDAY)
    assert "s3cr3t" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_scoring_is_another_run_on_another_day_and_with_another_champion(tmp_path: Path) -> None:
    first = scoring(tmp_path, MONDAY)
    assert first.pipeline == "price-action-scoring"
    assert first.run_key.startswith("price-action-scoring-synthetic_planted-")
    assert (first.arguments["every_window"], first.arguments["max_age_days"]) == (False, 45.0)
    assert "recipe" not in first.arguments
    assert scoring(tmp_path, MONDAY).run_key == first.run_key != scoring(tmp_path, TUESDAY).run_key
    entry = {"action": "promote", "version": 1, "bundle": "b", "folder": "v1"}
    Workspace.at(str(tmp_path)).promotions("price_action", "synthetic_planted").append(entry, expect=0)
    assert scoring(tmp_path, MONDAY).run_key != first.run_key


@pytest.mark.parametrize(
    ("pipeline", "settings", "words"),
    [
        ("price-action-scoring", Settings(recipe="smoke"), "Leave --recipe and --set out"),
        ("price-action-scoring", Settings(overrides=("train.lr=1",)), "Leave --recipe and --set out"),
        ("price-action", Settings(every_window=True), "Ask price-action-scoring"),
        ("price-action", Settings(max_age_days=1.0), "Ask price-action-scoring"),
        ("price-axion-scoring", Settings(), "price-axion"),
    ],
)
def test_a_setting_of_the_other_kind_of_pipeline_is_refused(
    tmp_path: Path, pipeline: str, settings: Settings, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        request(pipeline, Workspace.at(str(tmp_path)), source="synthetic://planted", settings=settings)
