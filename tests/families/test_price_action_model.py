"""The network is the published one: its sizes, its start, its equations."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.families.price_action import FAMILY
from components.families.price_action.config import ModelConfig
from components.families.price_action.loss import direction_loss
from components.families.price_action.model import PriceActionTransformer, num_parameters, sinusoidal_positions


@pytest.fixture
def network() -> PriceActionTransformer:
    torch.manual_seed(0)
    return PriceActionTransformer(ModelConfig(), num_features=14, window=64)


@pytest.fixture
def batch() -> Tensor:
    return torch.randn(8, 64, 14, generator=torch.Generator().manual_seed(1))


@pytest.mark.promise("S3-01")
@pytest.mark.promise("S3-02")
def test_a_batch_of_windows_gives_one_probability_each(network: PriceActionTransformer, batch: Tensor) -> None:
    answer = network(1e4 * batch)
    assert answer.shape == (8, 1)
    assert bool(((answer >= 0) & (answer <= 1)).all())


@pytest.mark.promise("S3-04")
def test_exactly_406785_trainable_parameters(network: PriceActionTransformer) -> None:
    projection = 14 * 128 + 128
    attention = 3 * (128 * 128 + 128) + 128 * 128 + 128
    feed_forward = 128 * 512 + 512 + 512 * 128 + 128
    head = 128 * 64 + 64 + 64 + 1
    assert projection + 2 * (attention + feed_forward + 4 * 128) + head == 406_785
    assert num_parameters(network) == 406_785


@pytest.mark.promise("S3-43")
def test_the_wide_preset_has_2128769_parameters() -> None:
    recipe = FAMILY.recipe("wide")
    assert num_parameters(PriceActionTransformer(recipe.model, num_features=14, window=128)) == 2_128_769


@pytest.mark.promise("S3-08")
def test_every_matrix_starts_xavier_uniform(network: PriceActionTransformer) -> None:
    matrices = {name: value for name, value in network.named_parameters() if value.dim() == 2}
    assert len(matrices) == 1 + 2 * 4 + 2
    for name, value in matrices.items():
        bound = math.sqrt(6 / sum(value.shape))
        assert value.abs().max() <= bound, name
        assert value.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1), name


def test_positions_are_sines_and_cosines() -> None:
    table = sinusoidal_positions(64, 128)
    for position, column in ((0, 0), (5, 0), (5, 1), (63, 40), (63, 127)):
        angle = position / 10_000 ** ((column - column % 2) / 128)
        expected = math.cos(angle) if column % 2 else math.sin(angle)
        assert table[position, column].item() == pytest.approx(expected, abs=1e-6)


def _norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias


def _layer(x: Tensor, layer: nn.TransformerEncoderLayer, heads: int) -> Tensor:
    """Vaswani et al. (2017), section 3, written out: post-norm, ReLU."""
    attention = layer.self_attn
    query, key, value = (x @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=-1)
    parts = []
    for q, k, v in zip(query.chunk(heads, -1), key.chunk(heads, -1), value.chunk(heads, -1), strict=True):
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), dim=-1)
        parts.append(weights @ v)
    x = _norm(x + torch.cat(parts, -1) @ attention.out_proj.weight.T + attention.out_proj.bias, layer.norm1)
    hidden = (x @ layer.linear1.weight.T + layer.linear1.bias).clamp(min=0)
    return _norm(x + hidden @ layer.linear2.weight.T + layer.linear2.bias, layer.norm2)


@pytest.mark.promise("S3-03")
@pytest.mark.parametrize("grad", [True, False], ids=["training path", "inference path"])
def test_forward_is_the_equation_written_out(network: PriceActionTransformer, batch: Tensor, grad: bool) -> None:
    network.eval()
    with torch.set_grad_enabled(grad):
        x = batch @ network.projection.weight.T + network.projection.bias + sinusoidal_positions(64, 128)
        for layer in network.encoder:
            assert isinstance(layer, nn.TransformerEncoderLayer)
            x = _layer(x, layer, heads=4)
        first, last = network.head[0], network.head[3]
        hidden = (x.mean(dim=1) @ first.weight.T + first.bias).clamp(min=0)
        expected = 1 / (1 + torch.exp(-(hidden @ last.weight.T + last.bias)))
        torch.testing.assert_close(network(batch), expected, rtol=1e-4, atol=1e-5)


def test_no_sample_sees_another_one(network: PriceActionTransformer, batch: Tensor) -> None:
    network.eval()
    other = batch.clone()
    other[3] = 100.0
    before, after = network.logits(batch), network.logits(other)
    keep = [number for number in range(8) if number != 3]
    assert torch.equal(before[keep], after[keep])
    assert not torch.equal(before[3], after[3])


@pytest.mark.promise("S3-23")
def test_loss_is_the_cross_entropy_of_the_probability(network: PriceActionTransformer, batch: Tensor) -> None:
    network.eval()
    labels = torch.tensor([[0.0], [1.0]] * 4)
    expected = functional.binary_cross_entropy(network(batch), labels)
    torch.testing.assert_close(direction_loss(network.logits(batch), labels), expected)
    by_hand = direction_loss(torch.tensor([[0.0], [math.log(3)]]), torch.tensor([[1.0], [0.0]]))
    assert by_hand.item() == pytest.approx((math.log(2) + math.log(4)) / 2, abs=1e-6)
    assert torch.isfinite(direction_loss(torch.tensor([[1000.0]]), torch.tensor([[0.0]])))


@pytest.mark.promise("S3-07")
def test_dropout_works_in_training_alone(network: PriceActionTransformer, batch: Tensor) -> None:
    network.train()
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))


@pytest.mark.promise("S3-37")
def test_memory_is_what_the_readme_says(network: PriceActionTransformer, top: object) -> None:
    optimizer = torch.optim.AdamW(network.parameters())
    network.logits(torch.zeros(1, 64, 14)).sum().backward()
    optimizer.step()
    weights = sum(value.nbytes for value in network.state_dict().values())
    adam = sum(state[name].nbytes for state in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq"))
    batch = torch.zeros(32, 64, 14).nbytes
    assert [round(size / 1e6, 2) for size in (weights, adam, batch)] == [1.63, 3.25, 0.11]
