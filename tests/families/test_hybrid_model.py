"""The hybrid network: the published parts, samples that never see each other, and what is done to its windows."""

from typing import Any

import numpy as np
import pytest
import torch
from hybrid_market import TINY, raw_rows
from torch import Tensor, nn

from components.core.errors import RecipeError
from components.core.judge import CostConfig
from components.families.hybrid import FAMILY, INPUTS
from components.families.hybrid.baseline import predict as baseline
from components.families.hybrid.config import METRICS, AugmentationConfig, HybridConfig, LossWeights, ModelConfig
from components.families.hybrid.data import Relative, augment, shift, stream, warp
from components.families.hybrid.evaluate import Said, log_loss, metrics, shares_of_each
from components.families.hybrid.loss import hybrid_loss
from components.families.hybrid.model import OUTPUTS, STAGES, HybridNetwork
from components.market.columns import ACTIONS
from components.market.predictions import Predictions
from components.trading.profit import ProfitTracker

CLOSE, VOLUME = INPUTS.index("close"), INPUTS.index("volume")


def windows(num: int = 6, time: int = 8, seed: int = 0) -> Tensor:
    return torch.from_numpy(raw_rows(num, time, seed=seed).astype(np.float32))


def network(**model: Any) -> HybridNetwork:
    torch.manual_seed(0)
    made = HybridNetwork(ModelConfig.parse(TINY["model"] | model, name="test"), columns=INPUTS)
    made.prepare(windows(64, seed=9), torch.tensor([0.3, 0.4, 0.3]))
    return made


@pytest.fixture(scope="module")
def published() -> HybridNetwork:
    return HybridNetwork(HybridConfig().model, columns=INPUTS).eval()


@pytest.mark.promise("S4-03")
def test_four_convolutions_of_64_filters_keep_the_length_and_stand_side_by_side(published: HybridNetwork) -> None:
    parts = [part for part in published.convolutions.parts if isinstance(part, nn.Conv1d)]
    assert [(part.out_channels, part.kernel_size, part.padding) for part in parts] == [
        (64, (size,), "same") for size in (3, 5, 7, 11)
    ]
    scaled = torch.randn(2, 60, len(INPUTS))
    joined = published.convolutions(scaled)
    assert joined.shape == (2, 60, 256)
    second = torch.relu(parts[1](scaled.transpose(1, 2))).transpose(1, 2)
    torch.testing.assert_close(joined[..., 64:128], second)


@pytest.mark.promise("S4-04")
def test_attention_runs_over_time_with_8_heads(published: HybridNetwork) -> None:
    attention = published.attention
    assert (attention.embed_dim, attention.num_heads, attention.dropout) == (256, 8, 0.1)
    maps = published.self_attention(windows(3, 60))
    assert maps.shape == (3, 60, 60)
    torch.testing.assert_close(maps.sum(dim=-1), torch.ones(3, 60))


@pytest.mark.promise("S4-05")
def test_the_recurrent_layer_reads_256_both_ways_in_two_layers_of_128(published: HybridNetwork) -> None:
    lstm = published.lstm
    assert (lstm.input_size, lstm.hidden_size, lstm.num_layers, lstm.bidirectional) == (256, 128, 2, True)
    assert lstm.dropout == 0.2


@pytest.mark.promise("S4-06")
def test_a_skip_of_256_to_256_is_added(published: HybridNetwork) -> None:
    assert (published.skip.in_features, published.skip.out_features) == (256, 256)
    hidden = torch.randn(2, 60, 256)
    joined = published._remember(hidden)
    expected = published.norms[2](published.lstm(hidden)[0] + published.skip(hidden))
    torch.testing.assert_close(joined[..., 256:], expected)
    torch.testing.assert_close(joined[..., :256], hidden)


@pytest.mark.promise("S4-07")
def test_the_convolutions_ask_and_the_recurrent_layer_answers(published: HybridNetwork) -> None:
    fusion = published.fusion
    assert (fusion.embed_dim, fusion.num_heads, fusion.dropout) == (256, 8, 0.1)
    joined = torch.randn(2, 60, 512)
    features, weights = published._fuse(joined)
    assert (features.shape, weights.shape) == ((2, 256), (2, 60))
    asked, answered = joined.clone(), joined.clone()
    asked[:, :-1, :256] = 0.0  # what older bars would ask is not asked
    torch.testing.assert_close(published._fuse(asked)[0], features)
    answered[:, 0, 256:] += 1.0  # what the oldest bar answers counts
    assert not torch.allclose(published._fuse(answered)[0], features)


@pytest.mark.promise("S4-08")
@pytest.mark.promise("S4-09")
@pytest.mark.promise("S4-10")
def test_the_network_returns_chances_a_move_attention_and_features(published: HybridNetwork) -> None:
    assert (published.classes.out_features, published.price.out_features) == (3, 1)
    with torch.inference_mode():
        found = dict(zip(OUTPUTS, published(windows(5, 60)), strict=True))
    assert tuple(found) == ("classification", "regression", "attention_weights", "features")
    assert {name: tuple(values.shape) for name, values in found.items()} == {
        "classification": (5, 3), "regression": (5,), "attention_weights": (5, 60), "features": (5, 256),
    }  # fmt: skip
    torch.testing.assert_close(found["classification"].sum(dim=1), torch.ones(5))
    torch.testing.assert_close(found["attention_weights"].sum(dim=1), torch.ones(5))
    assert FAMILY.outputs[0].columns == tuple(f"classification_{name}" for name in ("buy", "hold", "sell"))
    said = baseline(windows(5, 60).numpy())
    assert {name: values.shape for name, values in said.items()} == {
        name: tuple(values.shape) for name, values in found.items()
    }


@pytest.mark.parametrize("lstm", [{"hidden_dim": 8}, {"hidden_dim": 6, "bidirectional": False, "num_layers": 1}])
def test_no_window_sees_another(lstm: dict[str, Any]) -> None:
    model, rows = network(lstm=lstm).eval(), windows()
    other = rows.clone()
    other[3] *= 1.5
    with torch.inference_mode():
        before, after = model(rows), model(other)
    keep = [0, 1, 2, 4, 5]
    for name, first, second in zip(OUTPUTS, before, after, strict=True):
        assert torch.equal(first[keep], second[keep]), name
    assert not torch.equal(before[3][3], after[3][3])


def test_every_part_is_trained() -> None:
    model = network()
    scores, moves = model.scores(model.relative(windows(32)))
    hybrid_loss(scores, moves, torch.arange(32) % 3, torch.randn(32), LossWeights()).backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.promise("S4-82")
def test_norms_are_settings_that_can_be_left_out() -> None:
    config = HybridConfig()
    assert (config.model.dropout, config.train.weight_decay, config.train.gradient.clip_norm) == (0.2, 0.01, 1.0)
    kinds = {type(part) for part in network().modules()}
    bare = {type(part) for part in network(batch_norm=False, layer_norm=False).modules()}
    assert {nn.BatchNorm1d, nn.LayerNorm} <= kinds
    assert not {nn.BatchNorm1d, nn.LayerNorm} & bare
    assert network(dropout=0.4).dropout.p == 0.4


@pytest.mark.promise("S4-97")
def test_four_segments_give_the_same_gradient_and_keep_fewer_activations() -> None:
    def measured(segments: int | None) -> tuple[dict[str, Tensor], int]:
        model, scaled = network(), torch.randn(16, 8, len(INPUTS), generator=torch.Generator().manual_seed(1))
        torch.manual_seed(3)
        kept = 0

        def pack(tensor: Tensor) -> Tensor:
            nonlocal kept
            kept += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            scores, moves = model.scores(scaled, segments=segments)
        hybrid_loss(scores, moves, torch.arange(16) % 3, torch.zeros(16), LossWeights()).backward()
        return {name: weight.grad for name, weight in model.named_parameters()}, kept

    plain, all_kept = measured(None)
    cut, few_kept = measured(STAGES)
    for name, gradient in plain.items():
        torch.testing.assert_close(cut[name], gradient, rtol=1e-5, atol=1e-7, msg=name)
    assert few_kept < all_kept / 3
    memory = FAMILY.recipe("memory")
    assert (memory.train.gradient.segments, memory.train.precision.format) == (STAGES, "gpu") == (4, "gpu")


def test_a_price_ten_times_as_high_is_the_same_window() -> None:
    relative, rows = Relative(INPUTS), windows(3)
    relative.prepare(windows(64, seed=2))
    tenfold = rows.clone()
    prices = relative.levels | relative.amounts
    tenfold[..., prices] *= 10
    torch.testing.assert_close(relative(tenfold), relative(rows), rtol=1e-4, atol=1e-4)
    louder = rows.clone()
    louder[..., VOLUME] *= torch.e
    gain = (relative(louder) - relative(rows))[..., VOLUME]
    torch.testing.assert_close(gain, torch.full_like(gain, 1 / float(relative.std[VOLUME])), rtol=1e-3, atol=1e-3)


def test_training_windows_scale_to_mean_0_and_deviation_1() -> None:
    relative, rows = Relative(INPUTS), windows(64, seed=2)
    relative.prepare(rows)
    scaled = relative(rows).double().flatten(0, 1)
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(len(INPUTS)).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.std(dim=0, correction=0), torch.ones(len(INPUTS)).double(), atol=1e-3, rtol=0)


@pytest.mark.promise("S4-43")
def test_a_shift_drops_the_newest_bars_and_repeats_the_oldest() -> None:
    rows = torch.arange(5.0)[None, :, None].expand(3, 5, 1)
    moved = shift(rows, torch.tensor([0, 2, 9]))[..., 0]
    assert moved.tolist() == [[0, 1, 2, 3, 4], [0, 0, 0, 1, 2], [0, 0, 0, 0, 0]]
    only = AugmentationConfig(noise_std=0.0, magnitude_warp=False)
    found = augment(rows[:1].expand(400, 5, 1), only, stream(0, 0, 0))[:, -1, 0]
    assert set(found.tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}  # never a bar from after the window


@pytest.mark.promise("S4-44")
def test_a_warp_is_a_smooth_curve_through_its_knots() -> None:
    curve = warp(torch.tensor([[1.0, 2.0, 0.0]]), 9)[0]
    torch.testing.assert_close(curve[[0, 4, 8]], torch.tensor([1.0, 2.0, 0.0]))
    torch.testing.assert_close(curve[2], torch.tensor(1.5))
    assert curve.diff().abs().max() < 0.75
    only = AugmentationConfig(noise_std=0.0, time_shift_max=0)
    factor = augment(torch.ones(500, 20, 2), only, stream(0, 0, 0))
    assert torch.equal(factor[..., 0], factor[..., 1])
    assert 0.05 < float(factor.std()) < 0.15
    nothing = only.model_copy(update={"magnitude_warp": False})
    assert torch.equal(augment(torch.ones(4, 20, 2), nothing, stream(0, 0, 0)), torch.ones(4, 20, 2))


@pytest.mark.promise("S4-42")
def test_noise_is_drawn_anew_in_each_step_and_repeated_by_a_resumed_run() -> None:
    only = AugmentationConfig(time_shift_max=0, magnitude_warp=False)
    rows = torch.zeros(200, 20, 3)
    first, second, again = (augment(rows, only, stream(5, 1, number)) for number in (0, 1, 0))
    assert float(first.std()) == pytest.approx(0.01, rel=0.05)
    assert not torch.equal(first, second)
    assert torch.equal(first, again)
    assert not torch.equal(first, augment(rows, only, stream(5, 2, 0)))
    assert not torch.equal(first, augment(rows, only, stream(6, 1, 0)))


@pytest.mark.promise("S4-28")
@pytest.mark.promise("S4-29")
def test_the_loss_is_six_parts_of_the_class_and_four_of_the_move() -> None:
    scores = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    found = hybrid_loss(scores, torch.tensor([1.0, 0.0]), torch.tensor([0, 2]), torch.tensor([2.0, 3.0]), LossWeights())
    expected = 0.6 * -(np.log(0.5) + np.log(0.8)) / 2 + 0.4 * (1 + 9) / 2
    assert float(found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.promise("S4-45")
def test_metrics_by_hand() -> None:
    chance = np.array([[0.6, 0.2, 0.2], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.3, 0.6]])
    label, move = np.array([0, 2, 1, 2]), np.array([1.0, -1.0, 0.0, -2.0])
    said = Said(chance, np.array([0.5, 0.0, 0.0, -1.0]))
    found = shares_of_each(chance.argmax(axis=1), label)
    assert found["accuracy"] == 0.75
    assert found["precision"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert found["recall"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert found["f1_score"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    days = np.datetime64("2024-01-01", "us") + np.arange(4) * np.timedelta64(1, "D")
    rows = Predictions(("S",), np.zeros(4, dtype=np.int64), days, np.zeros(4), np.zeros(4),
                       np.array([0.02, -0.01, 0.05, 0.05]), threshold=0.5)  # fmt: skip
    profit = ProfitTracker(rows, CostConfig(commission=0.0, slippage=0.0), bars_per_year=252.0)
    whole = metrics(said, label, move, LossWeights(), profit)
    assert tuple(whole)[1:] == METRICS
    assert whole["mse"] == pytest.approx((0.25 + 1 + 0 + 1) / 4)
    assert whole["mae"] == pytest.approx((0.5 + 1 + 0 + 1) / 4)
    assert whole["loss"] == pytest.approx(0.6 * log_loss(chance, label) + 0.4 * whole["mse"])
    net = np.array([0.02, -0.01 * 1.02, 0.0, 0.0])  # shares are held, not money
    assert whole["sharpe_ratio"] == pytest.approx(net.mean() / net.std(ddof=1) * np.sqrt(252), rel=1e-9)
    idle = Said(np.tile([0.1, 0.8, 0.1], (4, 1)), said.move)
    assert metrics(idle, label, move, LossWeights(), profit)["sharpe_ratio"] == 0.0


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.cnn.hidden_dim=250", "model.cnn.hidden_dim must be divisible by num_heads, was 250 and 8"),
        ("model.cnn.filter_sizes=[3, 5, 7]", "divisible by the number of filter_sizes, was 256 and 3"),
        ("model.lstm.hidden_dim=30", "model.lstm must be divisible by model.fusion.num_heads, was 60 and 8"),
        ("train.loss_weights={classification: 0, regression: 0}", "both 0"),
        ("folds.method=random", "folds.method"),
        ("train.betas=[0.9, 1.0]", "train.betas.1"),
    ],
)
def test_what_cannot_work_is_refused(override: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        FAMILY.recipe("daily", (override,))


def test_actions_are_the_classes_of_the_head() -> None:
    assert len(ACTIONS) == network().classes.out_features
