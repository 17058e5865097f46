"""Datadog's own package, as it is loaded and asked: on a tiny random checkpoint, in the environment that holds it."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from forecast_market import ASOF, SOURCE, run_in, write_bars
from toto_weights import SIZES, write_weights

from components.core.errors import ArtifactError, EnvironmentMissingError, ForecasterDeviceError
from components.core.files import digest_of, sha256_of
from components.core.recipe import ForecastedDataConfig
from components.features.forecasting import forecaster, made_of
from components.features.forecasts import read_forecasts, write_forecasts
from components.features.materialize import features_of
from components.features.toto import SEED, Toto, load
from components.market.columns import FORECASTS
from components.market.readers import read_bars
from components.market.views import FORECASTS_VIEW

pytestmark = [pytest.mark.toto, pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ImportWarning")]
NAME = "Datadog/Tiny"
HORIZON, NUM_SAMPLES = 7, 64


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("forecasters") / "tiny")


@pytest.fixture(scope="module")
def model(weights: Path) -> Iterator[Toto]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load(weights, name=NAME, device="cpu", horizon=HORIZON, num_samples=NUM_SAMPLES, allow_cpu=True)
    torch.set_num_threads(before)


def window(num_bars: int, seed: int = 1) -> np.ndarray:
    closes = np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, num_bars)))
    return (closes / closes[-1]).astype(np.float32)


def test_the_moments_are_those_of_the_paths_that_the_package_samples(model: Toto) -> None:
    seen, dataset = window(96), importlib.import_module("toto.data.util.dataset")
    series = torch.from_numpy(seen)[None]
    inputs = dataset.MaskedTimeseries(
        series=series, padding_mask=torch.full_like(series, True, dtype=torch.bool), id_mask=torch.zeros_like(series),
        timestamp_seconds=torch.zeros_like(series), time_interval_seconds=torch.full((1,), 86_400),
    )  # fmt: skip
    torch.manual_seed(SEED)
    paths = model.model.forecast(inputs, HORIZON, num_samples=NUM_SAMPLES, samples_per_batch=NUM_SAMPLES).samples
    assert paths.shape == (1, 1, HORIZON, NUM_SAMPLES)
    returns = paths[0, 0].double().numpy() - 1
    np.testing.assert_array_equal(model.moments(seen), [*returns.mean(axis=1), *returns.std(axis=1)])
    assert (model.moments(seen)[HORIZON:] > 0).all()


def test_what_is_said_of_a_window_depends_on_it_alone(model: Toto) -> None:
    first = model.moments(window(200))
    torch.rand(100)
    model.moments(window(64, seed=5))
    np.testing.assert_array_equal(model.moments(window(200)), first)
    assert not np.array_equal(model.moments(window(200, seed=2)), first)


def test_the_source_names_the_model_and_every_byte_of_it(model: Toto, weights: Path, tmp_path: Path) -> None:
    files = {name: sha256_of(weights / name) for name in ("model.safetensors", "config.json")}
    assert model.source == f"{NAME}@{digest_of(files)}"
    other = load(
        write_weights(tmp_path / "other", seed=1), name=NAME, device="cpu", horizon=5, num_samples=2, allow_cpu=True
    )
    assert other.source != model.source


def test_weights_that_do_not_fit_or_are_not_there_are_named(weights: Path, tmp_path: Path) -> None:
    ask = {"name": NAME, "device": "cpu", "horizon": 5, "num_samples": 2, "allow_cpu": True}
    with pytest.raises(EnvironmentMissingError, match=r"has no model\.safetensors and no config\.json"):
        load(tmp_path, **ask)
    (tmp_path / "model.safetensors").write_bytes((weights / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(SIZES | {"embed_dim": 32}))
    with pytest.raises(ArtifactError, match=r"the weights do not fit config\.json"):
        load(tmp_path, **ask)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ArtifactError, match=r"the weights do not fit config\.json"):
        load(tmp_path, **ask)


@pytest.mark.promise("S2-25")
def test_a_cpu_is_refused_whatever_is_installed(weights: Path) -> None:
    with pytest.raises(ForecasterDeviceError, match="refuses 'cpu': it forecasts on a GPU alone"):
        load(weights, name=NAME, device="cpu", horizon=5, num_samples=2)


def test_without_its_gpu_it_is_missing_though_its_package_is_here(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    write_weights(run.workspace.forecaster("Datadog/Toto-Open-Base-1.0"))
    with pytest.raises(EnvironmentMissingError, match=r"torch sees \d+ GPUs, Toto wants cuda:99"):
        forecaster(ForecastedDataConfig(toto_device="cuda:99"), run)


def test_its_forecasts_become_the_view_and_see_nothing_ahead(model: Toto, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    facts = write_bars(snapshot)
    made = made_of(snapshot, model, run_in(tmp_path))
    [kept] = (tmp_path / "forecasts").iterdir()
    assert kept.name == model.identity
    write_forecasts(tmp_path / "made", made, snapshot_digest=facts["digest"])
    assert made.lookahead is not None
    assert made.lookahead["findings"] == []
    manifest, _ = features_of(snapshot, tmp_path / "features", forecasts=tmp_path / "made")
    assert manifest["forecast_source"] == model.source
    [(view, rows)] = read_forecasts(tmp_path / "made", snapshot_digest=facts["digest"]).rows()
    assert view == FORECASTS_VIEW
    values = np.column_stack([rows[name].to_numpy() for name in FORECASTS])
    known = np.isfinite(values).all(axis=1)
    assert known.sum() == rows.num_rows - 63 * len(set(rows["symbol"].to_pylist()))
    close = read_bars(SOURCE, asof=ASOF).table["adj_close"].to_numpy()[:70]
    expected = model.moments((close / close[-1]).astype(np.float32))
    np.testing.assert_allclose(values[69], [*expected[:5], *expected[HORIZON : HORIZON + 5]], rtol=1e-3)
