"""Health: the published settings and outputs, what the network knows untrained, and what it can learn."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from components.core.errors import RecipeError
from components.core.run_context import RunContext
from components.families.health import FAMILY
from components.families.health.baseline import predict as baseline
from components.families.health.config import HealthConfig, ModelConfig, TrainConfig
from components.families.health.evaluate import Said, metrics
from components.families.health.loss import health_loss
from components.families.health.model import OUTPUTS, Answer, HealthNetwork, fitted_line, log_odds
from components.families.health.predict import predict
from components.families.health.train import train
from components.market.columns import RETURNS
from components.market.health import behaviors, health_scores, vol_buckets

Run = Callable[[str], RunContext]
DAILY = FAMILY.recipe("daily")


@pytest.mark.promise("S1-14")
@pytest.mark.promise("S1-25")
def test_the_default_network_is_an_autoencoder() -> None:
    assert DAILY.model.type == HealthConfig().model.type == "autoencoder"


@pytest.mark.promise("S1-26")
def test_a_hundred_epochs_are_the_most() -> None:
    assert DAILY.train.epochs == HealthConfig().train.epochs == 100


@pytest.mark.promise("S1-27")
def test_the_default_batch_is_64() -> None:
    assert DAILY.train.batch == HealthConfig().train.batch == 64


@pytest.mark.promise("S1-29")
def test_the_service_has_the_ten_columns_of_the_returns() -> None:
    assert FAMILY.columns == {"returns_v1": RETURNS}
    assert (FAMILY.feature_service, FAMILY.unit, FAMILY.labels) == ("health_v1", "symbol", "health")


def test_what_cannot_work_is_refused() -> None:
    for override, words in (("model.type=gan", "model.type"), ("train.beta=-1", "train.beta")):
        with pytest.raises(RecipeError, match=words):
            FAMILY.recipe("daily", (override,))


def windows_like(seed: int, num: int = 64, window: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 0.1, (num, window, len(RETURNS)))
    rows[..., 4:6], rows[..., 6:8] = np.abs(rows[..., 4:6]) + 0.1, -np.abs(rows[..., 6:8])
    return rows.astype(np.float32)


def network(kind: str) -> HealthNetwork:
    torch.manual_seed(0)
    model = HealthNetwork(ModelConfig.parse({"type": kind, "hidden": 16}, name="test"), num_features=10, window=6)
    model.prepare(np.zeros(10), np.full(10, 0.1), (0.5, 0.25))
    return model.eval()


@pytest.mark.promise("S1-33")
@pytest.mark.promise("S1-34")
@pytest.mark.promise("S1-35")
@pytest.mark.promise("S1-36")
@pytest.mark.parametrize("kind", ["autoencoder", "vae"])
def test_score_bucket_behavior_and_16_latent_numbers_come_out(kind: str) -> None:
    model, rows = network(kind), windows_like(1)
    torch.nn.init.normal_(model.correction.weight)
    score, bucket, behavior, latent, error = (item.detach().numpy() for item in model(torch.from_numpy(rows)))
    assert OUTPUTS == ("health_score", "vol_bucket", "behavior", "health_latent", "reconstruction_error")
    assert (score.shape, latent.shape, error.shape) == ((64,), (64, 16), (64,))
    assert np.all((score >= 0) & (score <= 1))
    assert np.std(score) > 0
    assert np.all(error > 0)
    np.testing.assert_array_equal(bucket, vol_buckets(rows[:, -1]))
    np.testing.assert_array_equal(behavior, behaviors(rows[:, -1]))
    assert (set(bucket), set(behavior)) == ({0, 1, 2}, {0, 1, 2})


@pytest.mark.parametrize("kind", ["autoencoder", "vae"])
def test_untrained_it_says_what_the_line_says(kind: str) -> None:
    rows = windows_like(2)
    now = health_scores(rows[:, -1].astype(np.float64))
    expected = 1 / (1 + np.exp(-(0.5 * np.log(now / (1 - now)) + 0.25)))
    np.testing.assert_allclose(network(kind)(torch.from_numpy(rows))[0].detach().numpy(), expected, atol=1e-6)


def test_the_line_is_that_of_least_squares() -> None:
    now = 1 / (1 + np.exp(-np.array([-1.0, 0.0, 1.0, 2.0])))
    later = 1 / (1 + np.exp(-np.array([-0.4, 0.1, 0.6, 1.1])))
    assert fitted_line(now, later) == (pytest.approx(0.5), pytest.approx(0.1))
    assert fitted_line(np.full(4, 0.5), later) == (0.0, pytest.approx(0.35))
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()


def test_a_vae_draws_in_training_alone() -> None:
    model, rows = network("vae"), torch.from_numpy(windows_like(3))
    assert torch.equal(model.answer(rows).error, model.answer(rows).error)
    model.train()
    assert not torch.equal(model.answer(rows).error, model.answer(rows).error)
    assert torch.equal(model.answer(rows).mean, model.answer(rows).mean)


def test_the_loss_by_hand() -> None:
    answer = Answer(torch.tensor([0.5]), torch.tensor([2.0]), torch.full((1, 16), 1.0), torch.zeros(1, 16))
    config = TrainConfig.parse({"score_weight": 4.0, "beta": 0.5}, name="test")
    label = torch.tensor([0.75])
    plain = health_loss(answer, label, config, variational=False, num_inputs=10)
    assert plain.item() == pytest.approx(2.0 + 4.0 * 0.0625)
    drawn = health_loss(answer, label, config, variational=True, num_inputs=10)
    assert drawn.item() == pytest.approx(2.25 + 0.5 * 2 * (0.5 * 16) / 10)  # KL of N(1, 1) is 1/2 per number


def test_metrics_by_hand() -> None:
    said = Said(score=np.array([0.1, 0.2, 0.3]), error=np.array([1.0, 2.0, 3.0]))
    found = metrics(said, np.array([0.1, 0.3, 0.2]), score_weight=10.0)
    assert found["recon_mse"] == 2.0
    assert found["score_mse"] == pytest.approx(0.02 / 3)
    assert found["loss"] == pytest.approx(2.0 + 0.2 / 3)
    assert found["correlation"] == pytest.approx(0.5)
    assert metrics(said, np.full(3, 0.4), score_weight=1.0)["correlation"] == 0.0


def leading(num: int, *, seed: int, horizon: int) -> np.ndarray:
    """Return four symbols [4, num, 10] whose return of one day, which no rule looks at, leads their strength."""
    rng = np.random.default_rng(seed)
    coming = rng.normal(0, 1, (4, num))
    rows = np.zeros((4, num, len(RETURNS)))
    rows[..., 0] = 0.01 * coming
    rows[..., 4:6] = 0.25
    rows[..., 9] = 0.1 * np.roll(coming, horizon, axis=1)
    return rows


@pytest.mark.parametrize("kind", ["autoencoder", "vae"])
def test_a_planted_signal_is_found_out_of_sample_and_nothing_changes_is_not(
    kind: str, tmp_path: Path, write_labelled: Callable[..., Path], make_run: Run
) -> None:
    examples = write_labelled(tmp_path / "examples", "health", leading(400, seed=0, horizon=3), horizon=3)
    overrides = ("data.window=4", "data.horizon=3", "train.epochs=10", "train.lr=0.01", "train.device=cpu")
    config = FAMILY.recipe("smoke", (*overrides, f"model.type={kind}", "train.score_weight=100", "train.beta=0.01"))
    bundle = train(config, examples, tmp_path / "bundle", make_run("planted"))
    found = predict(bundle, examples, zone="test", threads=1)
    assert np.corrcoef(found.score, found.label)[0, 1] > 0.8
    assert abs(np.corrcoef(found.now, found.label)[0, 1]) < 0.2
    assert np.mean((found.score - found.label) ** 2) < 0.5 * np.var(found.label)
    assert np.all(found.error >= 0)
    assert found.horizon == 3


@pytest.mark.promise("S1-44")
def test_the_baseline_tells_the_health_of_now() -> None:
    rows = windows_like(5)
    rows[0, -1, RETURNS.index("vol_21d")] = np.nan
    found = baseline(rows)
    assert tuple(found) == OUTPUTS
    np.testing.assert_allclose(found["health_score"][1:], health_scores(rows[1:, -1]), rtol=1e-6)
    assert (found["health_score"][0], found["vol_bucket"][0], found["behavior"][0]) == (0.5, -1, -1)
    assert found["health_latent"].shape == (64, 16)
    assert np.isnan(found["reconstruction_error"]).all()


@pytest.mark.parametrize("name", ["regime", "health"])
def test_a_baseline_loads_no_torch(name: str, top: Path) -> None:
    program = f"import sys, components.families.{name}.baseline\nprint('torch' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=top, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.promise("S1-05")
def test_training_dependencies_are_an_extra_of_their_own(top: Path) -> None:
    project = tomllib.loads((top / "pyproject.toml").read_text())["project"]
    wanted = [text for text in project["dependencies"] if text.startswith("torch")]
    with_torch = [
        name for name, texts in project["optional-dependencies"].items() if any(t.startswith("torch=") for t in texts)
    ]
    assert (wanted, with_torch) == ([], ["train", "python-toto"])
