"""Regimes: the published settings and outputs, what the network knows untrained, and what it can learn."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from components.core.errors import RecipeError
from components.core.files import read_json
from components.core.run_context import RunContext
from components.families.regime import FAMILY
from components.families.regime.baseline import STAY
from components.families.regime.baseline import predict as baseline
from components.families.regime.config import ModelConfig, RegimeConfig
from components.families.regime.evaluate import advice, metrics
from components.families.regime.loss import balanced_weights, regime_loss
from components.families.regime.model import OUTPUTS, RegimeNetwork, transitions
from components.families.regime.predict import load_model, predict
from components.families.regime.temperature import fit_temperature, log_loss
from components.families.regime.train import train
from components.market.columns import CONTEXT, REGIMES
from components.market.regimes import regime_codes, regime_labels

Run = Callable[[str], RunContext]
DAILY = FAMILY.recipe("daily")


@pytest.mark.promise("S1-13")
@pytest.mark.promise("S1-20")
def test_the_default_network_is_a_gru() -> None:
    assert DAILY.model.type == RegimeConfig().model.type == "gru"


@pytest.mark.promise("S1-15")
@pytest.mark.promise("S1-21")
def test_a_hundred_epochs_are_the_most() -> None:
    assert DAILY.train.epochs == RegimeConfig().train.epochs == 100
    assert DAILY.train.stopping.patience < 100


@pytest.mark.promise("S1-22")
def test_the_default_batch_is_32() -> None:
    assert DAILY.train.batch == RegimeConfig().train.batch == 32


@pytest.mark.promise("S1-28")
def test_the_service_has_the_eight_columns_of_the_context() -> None:
    assert FAMILY.columns == {"context_v1": CONTEXT}
    assert (FAMILY.feature_service, FAMILY.unit, FAMILY.labels) == ("regime_v1", "market", "regime")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.type=lstm", "model.type"),
        ("model.hidden=30", "divisible by model.heads, was 30 and 4"),
        ("data.horizon=0", "data.horizon"),
        ("train.class_weights=some", "train.class_weights"),
    ],
)
def test_what_cannot_work_is_refused(override: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        FAMILY.recipe("daily", (override,))


def windows_like(seed: int, num: int = 64, window: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 0.05, (num, window, len(CONTEXT)))
    rows[..., CONTEXT.index("spy_vol_21d")] = rng.uniform(0.03, 0.4, (num, window))
    return rows.astype(np.float32)


def network(kind: str) -> RegimeNetwork:
    torch.manual_seed(0)
    model = RegimeNetwork(ModelConfig.parse({"type": kind}, name="test"), num_features=8, window=6)
    model.prepare(np.zeros(8), np.full(8, 0.1), transitions(np.arange(5.0), np.array([0.0, 0, 2, 3, 4])))
    return model.eval()


def test_rules_say_the_same_of_arrays_and_of_tensors() -> None:
    rows = windows_like(4, num=500)
    np.testing.assert_array_equal(regime_codes(torch.from_numpy(rows)).numpy(), regime_labels(rows))
    assert set(np.unique(regime_labels(rows))) == set(range(5))


def test_transitions_are_shares_with_one_more_case_each() -> None:
    shares = transitions(np.array([0.0, 0.0, 0.0, 3.0]), np.array([0.0, 0.0, 4.0, 3.0]))
    np.testing.assert_allclose(shares[0], np.array([3, 1, 1, 1, 2]) / 8)
    np.testing.assert_allclose(shares[1], np.full(5, 0.2))
    np.testing.assert_allclose(shares[3], np.array([1, 1, 1, 2, 1]) / 6)


@pytest.mark.promise("S1-30")
@pytest.mark.promise("S1-32")
@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_probabilities_sum_to_1_their_largest_is_the_label_and_the_embedding_has_8_numbers(kind: str) -> None:
    model = network(kind)
    torch.nn.init.normal_(model.correction.weight)
    probabilities, label, embedding = model(torch.from_numpy(windows_like(1)))
    assert OUTPUTS == ("regime_probs", "regime_label", "regime_embedding")
    assert (probabilities.shape, label.shape, embedding.shape) == ((64, 5), (64,), (64, 8))
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(64))
    assert torch.equal(label, probabilities.argmax(dim=1))
    assert len(torch.unique(label)) > 1
    assert embedding.std(dim=0).min() > 0


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_untrained_it_says_what_followed_the_regime_of_now(kind: str) -> None:
    model, rows = network(kind), windows_like(2)
    prior = transitions(np.arange(5.0), np.array([0.0, 0, 2, 3, 4]))
    np.testing.assert_allclose(
        model(torch.from_numpy(rows))[0].detach().numpy(), prior[regime_labels(rows[:, -1])], atol=1e-6
    )


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_no_window_sees_another(kind: str) -> None:
    model = network(kind)
    torch.nn.init.normal_(model.correction.weight)
    rows = torch.from_numpy(windows_like(3))
    alone = torch.cat([model(rows[place : place + 1])[0] for place in range(8)])
    torch.testing.assert_close(model(rows)[0][:8], alone)


def test_balanced_weights_give_every_class_that_occurs_the_same_part() -> None:
    label = torch.tensor([0, 0, 0, 2])
    weights = balanced_weights(label, 5)
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 0.0, 2.0, 0.0, 0.0]))
    scores = torch.zeros(4, 5)
    torch.testing.assert_close(regime_loss(scores, label, weights), torch.log(torch.tensor(5.0)))
    torch.testing.assert_close(regime_loss(scores, label, None), torch.log(torch.tensor(5.0)))


def test_temperature_of_scores_that_are_twice_too_sure_is_two() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1, (40_000, 5))
    chance = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
    label = (rng.random((40_000, 1)) > chance.cumsum(axis=1)).sum(axis=1)
    assert fit_temperature(2 * true, label) == pytest.approx(2.0, abs=0.05)
    assert log_loss(np.zeros((3, 5)), np.array([0, 1, 4])) == pytest.approx(np.log(5))


def test_metrics_by_hand() -> None:
    scores = np.log(np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8]]))
    found = metrics(scores, np.array([0, 1, 1, 2]))
    assert found["accuracy"] == 0.75
    assert found["f1_macro"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert found["loss"] == pytest.approx(-np.log([0.5, 0.25, 0.6, 0.8]).mean())


def leading(num: int, *, seed: int, horizon: int) -> np.ndarray:
    """Return a market [1, num, 8] whose yield slope, which no rule looks at, names the regime ``horizon`` later."""
    rng = np.random.default_rng(seed)
    coming = rng.integers(0, 5, num)
    now = np.roll(coming, horizon)
    rows = np.zeros((1, num, len(CONTEXT)))
    months = {"spy_return_21d": (0.02, 0.04, -0.05, 0.0, -0.06), "spy_vol_21d": (0.08, 0.16, 0.16, 0.10, 0.35)}
    for name, values in months.items():
        rows[0, :, CONTEXT.index(name)] = np.array(values)[now]
    rows[0, :, CONTEXT.index("yield_slope")] = coming
    assert np.array_equal(regime_labels(rows)[0], now)
    return rows


def test_a_planted_signal_is_found_out_of_sample_and_nothing_changes_is_not(
    tmp_path: Path, write_labelled: Callable[..., Path], make_run: Run
) -> None:
    examples = write_labelled(tmp_path / "examples", "regime", leading(1200, seed=0, horizon=3), horizon=3)
    overrides = ("data.window=4", "data.horizon=3", "train.epochs=12", "train.lr=0.01", "train.device=cpu")
    zones = ("data.zones={train: 0.5, validation: 0.2, calibration: 0.1, test: 0.2}",)
    bundle = train(FAMILY.recipe("smoke", (*overrides, *zones)), examples, tmp_path / "bundle", make_run("planted"))
    found = predict(bundle, examples, zone="test", threads=1)
    assert np.mean(found.probability.argmax(axis=1) == found.label) > 0.8
    assert np.mean(found.now == found.label) < 0.35
    assert (found.classes, found.horizon) == (REGIMES, 3)
    np.testing.assert_allclose(found.probability.sum(axis=1), 1, atol=1e-12)
    facts, (_, model) = read_json(bundle.path("model.json")), load_model(bundle)
    assert facts["temperature"] == pytest.approx(float(model.temperature))
    assert facts["classes"] == list(REGIMES)


def test_a_short_history_and_rare_regimes_are_said_aloud(
    labelled_examples: dict[str, Path], tmp_path: Path, make_run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    config = FAMILY.recipe("smoke", ("data.window=6", "data.horizon=3", "train.epochs=1", "train.device=cpu"))
    with caplog.at_level(logging.WARNING):
        bundle = train(config, labelled_examples["regime"], tmp_path / "bundle", make_run("short"))
    [said] = [line for line in bundle.manifest["notes"]["advice"] if "three years" in line]
    assert said.startswith("420 sessions of context are less than three years (756)")
    assert said in caplog.messages
    assert advice(756, np.repeat(np.arange(5), 20)) == []
    assert advice(756, np.repeat(np.arange(4), 20)) == [
        "regime high_vol_panic has 0 training samples, fewer than 20: hardly learned"
    ]


@pytest.mark.promise("S1-44")
def test_the_baseline_repeats_the_regime_of_now() -> None:
    rows = windows_like(5)
    rows[0, -1, 3] = np.nan
    found = baseline(rows)
    assert tuple(found) == OUTPUTS
    now = regime_labels(rows[:, -1].astype(np.float64))
    assert np.array_equal(found["regime_label"][1:], now[1:])
    np.testing.assert_allclose(found["regime_probs"].sum(axis=1), 1, rtol=1e-6)
    assert found["regime_probs"][0].tolist() == pytest.approx([0.2] * 5)
    assert found["regime_probs"][1].max() == pytest.approx(STAY)
    assert found["regime_embedding"].shape == (64, 8)
    assert not found["regime_embedding"].any()
