"""Who forecasts, and why: the settings, the fallback, and what becomes of a model's forecasts."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from forecast_market import Momentum, run_in, write_bars

from components.core import family as families
from components.core.bundle import seal
from components.core.errors import (
    ArtifactError,
    EnvironmentMissingError,
    ForecasterDeviceError,
    ForecasterTooSlowError,
    RecipeError,
)
from components.core.files import read_json, write_json
from components.core.recipe import ForecastedDataConfig
from components.core.registry import PROMOTE
from components.features import FORECAST_TIMEOUT_S
from components.features.forecast_memory import ForecastMemory
from components.features.forecasting import (
    CONTEXT_BARS,
    LEAST_BARS,
    Remembered,
    build_forecasts,
    forecaster,
    made_of,
    panel_forecasts,
    wanted,
    weights,
)
from components.features.forecasts import Forecasts, read_forecasts, write_forecasts
from components.features.materialize import features_of
from components.features.toto import Toto, load
from components.learning.faults import OutOfMemoryError
from components.market.columns import FORECASTS
from components.market.views import FORECASTS_VIEW

PROFIT = families.find("profit")


def recipe(*overrides: str) -> str:
    return PROFIT.recipe("daily", overrides).canonical()


def forecast(root: Path, recipe: str) -> dict[str, Any]:
    """Run the step on the snapshot below ``root``; return its facts."""
    names = {"family": "profit", "dataset": "toy", "recipe": recipe, "root": str(root), "run_key": "k"}
    return build_forecasts(str(root / "snapshot"), out=str(root / "forecasts"), **names)


@pytest.mark.promise("S2-20")
@pytest.mark.promise("S2-22")
@pytest.mark.promise("S2-23")
def test_the_settings_under_data_are_the_promised_ones_and_reach_the_forecaster() -> None:
    data = PROFIT.recipe("daily").data
    assert isinstance(data, ForecastedDataConfig)
    assert data.use_toto_forecasts
    assert (data.toto_model_id, data.toto_device) == ("Datadog/Toto-Open-Base-1.0", "cuda")
    assert (data.toto_horizon, data.toto_num_samples) == (5, 2048)
    changed = recipe("data.toto_model_id=s3://weights/toto", "data.toto_device=cuda:1", "data.toto_horizon=20")
    asked, reason = wanted(run_in(Path()), family="profit", dataset="toy", recipe=changed)
    assert reason == ""
    assert asked is not None
    assert (asked.toto_model_id, asked.toto_device, asked.toto_horizon) == ("s3://weights/toto", "cuda:1", 20)


@pytest.mark.parametrize(
    "text",
    ["data.toto_model_id=../etc", "data.toto_model_id=http://x/y", "data.toto_horizon=4", "data.toto_num_samples=1"],
)
def test_a_setting_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=text.partition("=")[0]):
        recipe(text)


@pytest.mark.promise("S2-25")
def test_a_cpu_is_refused_by_the_recipe_and_by_the_forecaster_itself(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"Toto forecasts on a GPU alone, was 'cpu'.*use_toto_forecasts=false"):
        recipe("data.toto_device=cpu")
    with pytest.raises(ForecasterDeviceError, match=r"refuses 'cpu': it forecasts on a GPU alone.*toto_device=cuda"):
        load(tmp_path, name="any", device="cpu", horizon=5, num_samples=2)


@pytest.mark.promise("S2-24")
def test_without_the_forecaster_the_approximation_is_taken_with_the_reason_and_the_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_bars(tmp_path / "snapshot")
    facts = forecast(tmp_path, recipe())
    why = "the package toto is not installed here; the image python-toto has it"
    assert (facts["source"], facts["reason"], facts["rows"]) == ("statistical", why, 0)
    assert f"no Toto: {why}. The statistical approximation forecasts in its place" in caplog.text
    assert read_json(tmp_path / "runs" / "k" / "forecast.json")["reason"] == why
    after, _ = features_of(tmp_path / "snapshot", tmp_path / "after", forecasts=tmp_path / "forecasts")
    alone, _ = features_of(tmp_path / "snapshot", tmp_path / "alone")
    assert (after["forecast_source"], after["forecast_reason"]) == ("statistical", why)
    assert (alone["forecast_source"], alone["forecast_reason"]) == ("statistical", "")
    assert after["files"] == alone["files"]
    assert FORECASTS_VIEW in after["lookahead"]["views"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (recipe("data.use_toto_forecasts=false"), "data.use_toto_forecasts is false"),
        ("", "there is no champion that reads others"),
    ],
)
def test_whoever_wants_no_toto_is_given_none(tmp_path: Path, asked: str, why: str) -> None:
    assert wanted(run_in(tmp_path), family="profit", dataset="toy", recipe=asked) == (None, why)


@pytest.mark.parametrize(
    ("source", "why"), [("statistical", "the champion was trained on it"), ("Datadog/Toto-Open-Base-1.0@0f0f", "")]
)
def test_who_scores_asks_for_the_forecaster_of_the_champion(tmp_path: Path, source: str, why: str) -> None:
    run, config = run_in(tmp_path), PROFIT.recipe("daily", ("data.toto_num_samples=64",)).model_dump(mode="json")
    folder = run.workspace.model("profit", "toy") / "v1"
    folder.mkdir(parents=True)
    data = {"forecast_source": source}
    bundle = seal(folder, family="profit", config=config, schema={}, data=data, notes={})
    run.workspace.promotions("profit", "toy").append(
        {"action": PROMOTE, "version": 1, "bundle": bundle.digest, "folder": "v1"}, expect=0
    )
    asked, reason = wanted(run, family="profit", dataset="toy", recipe="")
    assert reason == why
    assert (asked.toto_num_samples if asked else None) == (None if why else 64)


def test_intraday_bars_have_no_forecasts_of_days(tmp_path: Path) -> None:
    (tmp_path / "snapshot").mkdir()
    write_json(tmp_path / "snapshot" / "manifest.json", {"digest": "0" * 64, "interval": "intraday"})
    assert forecast(tmp_path, recipe())["reason"] == "the bars are not daily"


def test_weights_that_nobody_put_there_are_missing_and_never_fetched_from_elsewhere(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    assert run.workspace.forecaster("Datadog/Toto-Open-Base-1.0") == tmp_path / "forecasters/Datadog/Toto-Open-Base-1.0"
    with pytest.raises(EnvironmentMissingError, match="not installed here"):
        forecaster(ForecastedDataConfig(), run)


def test_weights_of_an_object_store_are_fetched_whole_and_those_that_it_lacks_are_missing(tmp_path: Path) -> None:
    store, run = fsspec.filesystem("memory"), run_in(tmp_path)
    store.pipe({"/toto/tiny/model.safetensors": b"weights", "/toto/tiny/config.json": b"{}"})
    with weights("memory://toto/tiny", run) as folder:
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {"model.safetensors": b"weights", "config.json": b"{}"}
    assert not folder.exists()
    with (
        pytest.raises(EnvironmentMissingError, match=r"memory://toto/other/model\.safetensors: no such object"),
        weights("memory://toto/other", run),
    ):
        pass


def test_a_forecast_is_made_of_the_closes_up_to_its_bar_as_a_share_of_its_own() -> None:
    num_bars = CONTEXT_BARS + 40
    close = np.vstack([1.0 + np.arange(num_bars), np.full(num_bars, 5.0)])
    close[1, 100] = np.nan  # what comes within reach of it has no forecast
    found = panel_forecasts(close, Momentum(horizon=2).moments, horizon=2)
    assert found.shape == (2, num_bars, 4)
    assert np.isnan(found[0, : LEAST_BARS - 1]).all()
    bar = CONTEXT_BARS + 10  # its window starts 255 bars before, at 12
    share = (close[0, bar - 1] / close[0, bar], 12 / close[0, bar])
    np.testing.assert_allclose(
        found[0, bar], [1 / share[0] - 1, 2 * (1 / share[0] - 1), share[1], 2 * share[1]], rtol=1e-3
    )
    np.testing.assert_allclose(found[0, LEAST_BARS - 1, 2], 1 / LEAST_BARS, rtol=1e-6)
    assert np.isfinite(found[1, LEAST_BARS - 1 : 100]).all()
    assert np.isnan(found[1, 100:]).all()


def test_the_past_of_a_model_s_forecasts_does_not_move_with_what_comes_later() -> None:
    close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (2, 90)), axis=1))
    other = close.copy()
    other[:, 80:] *= 2
    before, after = (panel_forecasts(values, Momentum().moments, horizon=7) for values in (close, other))
    np.testing.assert_array_equal(before[:, :80], after[:, :80])
    assert (before[:, 81:] != after[:, 81:]).any()


def test_a_model_s_forecasts_become_the_view_known_with_their_bars(tmp_path: Path) -> None:
    facts, model = write_bars(tmp_path / "snapshot"), Momentum()
    made = made_of(tmp_path / "snapshot", model, run_in(tmp_path))  # pyright: ignore[reportArgumentType] - asked alike
    write_forecasts(tmp_path / "forecasts", made, snapshot_digest=facts["digest"])
    manifest, _ = features_of(tmp_path / "snapshot", tmp_path / "features", forecasts=tmp_path / "forecasts")
    assert (manifest["forecast_source"], manifest["forecast_reason"]) == ("momentum@1", "")
    given = read_forecasts(tmp_path / "forecasts", snapshot_digest=facts["digest"])
    assert given.table is not None
    assert "forecast_mean_7d" in given.table.column_names
    [(view, rows)] = given.rows()
    assert view == FORECASTS_VIEW
    assert rows.column_names == ["symbol", "timestamp", "event_timestamp", "created", *FORECASTS]
    frame = rows.to_pandas()
    assert (frame["created"] == frame["event_timestamp"]).all()
    known = frame.groupby("symbol").cumcount() >= LEAST_BARS - 1
    assert np.isfinite(frame.loc[known, list(FORECASTS)].to_numpy()).all()
    assert frame.loc[~known, list(FORECASTS)].isna().to_numpy().all()
    np.testing.assert_allclose(frame.loc[known, "forecast_mean_5d"], 5 * frame.loc[known, "forecast_mean_1d"])
    seen = manifest["lookahead"]
    assert seen["views"].count(FORECASTS_VIEW) == 1
    assert [item for item in seen["findings"] if item["view"] == FORECASTS_VIEW] == []
    assert "14 columns" in seen["checked"]


def test_a_window_is_asked_about_once(tmp_path: Path) -> None:
    write_bars(tmp_path / "snapshot")
    model = Momentum()
    made_of(tmp_path / "snapshot", model, run_in(tmp_path))  # pyright: ignore[reportArgumentType] - asked alike
    rows = 2 * (90 - LEAST_BARS + 1)
    assert rows <= model.asked < 3 * rows, "the probe asks about what it changed alone"


def test_forecasts_of_other_bars_or_altered_ones_are_refused(tmp_path: Path) -> None:
    facts = write_bars(tmp_path / "snapshot")
    made = made_of(tmp_path / "snapshot", Momentum(), run_in(tmp_path))  # pyright: ignore[reportArgumentType]
    write_forecasts(tmp_path / "forecasts", made, snapshot_digest="0" * 64)
    with pytest.raises(ArtifactError, match="forecasts of snapshot 000000000000"):
        features_of(tmp_path / "snapshot", tmp_path / "features", forecasts=tmp_path / "forecasts")
    write_forecasts(tmp_path / "altered", made, snapshot_digest=facts["digest"])
    rows = tmp_path / "altered" / "forecasts.parquet"
    rows.write_bytes(rows.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match="its files are not those of the manifest"):
        features_of(tmp_path / "snapshot", tmp_path / "features", forecasts=tmp_path / "altered")
    write_forecasts(tmp_path / "unsaid", Forecasts("momentum@1"), snapshot_digest=facts["digest"])
    with pytest.raises(ArtifactError, match="its files are not those of the manifest"):
        features_of(tmp_path / "snapshot", tmp_path / "features", forecasts=tmp_path / "unsaid")


class Starved:
    """A package whose paths do not fit."""

    def forecast(self, _inputs: Any, **_settings: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.promise("S2-26")
def test_memory_that_runs_out_and_time_that_is_too_short_name_the_samples(tmp_path: Path) -> None:
    window = np.ones(LEAST_BARS, dtype=np.float32)
    starved = Toto("any@1", Starved(), dict, torch.device("cpu"), horizon=5, num_samples=2048)
    with pytest.raises(OutOfMemoryError, match=r"Lower data\.toto_num_samples, such as to 1024"):
        starved.moments(window)
    now = [datetime(2026, 1, 5, tzinfo=UTC)]

    def slow(window: Any) -> Any:
        now[0] += timedelta(seconds=1)
        return window

    ask = Remembered(
        slow, ForecastMemory(tmp_path, logging.getLogger("forecast")), num_windows=FORECAST_TIMEOUT_S + 1,
        num_samples=2048, clock=lambda: now[0], limit_s=FORECAST_TIMEOUT_S, started=now[0],
    )  # fmt: skip
    windows = [window * (1 + number) for number in range(50)]
    for seen in windows[:49]:
        ask(seen)
        ask(seen)  # what it knows takes no time
    with pytest.raises(ForecasterTooSlowError, match=r"2048 paths would take 6\.0 hours.*Lower data\.toto_num_samples"):
        ask(windows[49])
