"""The dense form is one causal network, whether it reads a slab or one window after another."""

import math

import pytest
import torch
from torch import Tensor, nn

from components.core.errors import RecipeError
from components.families.price_action import FAMILY
from components.families.price_action.config import ModelConfig
from components.families.price_action.dense import BLOCK, DenseTransformer, reaches
from components.families.price_action.model import PriceActionTransformer, num_parameters
from components.learning.dropout import MaskPool

SMALL = ModelConfig(form="dense", d_model=16, heads=2, layers=3, feed_forward=24, dropout=0.2)
WINDOW, SLAB = 11, 11 + 2 * BLOCK + 7


@pytest.fixture
def small() -> DenseTransformer:
    torch.manual_seed(3)
    network = DenseTransformer(SMALL, num_features=5, window=WINDOW)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, std=0.3)  # biases of zero would hide a forgotten one
    return network.eval()


@pytest.fixture
def published() -> DenseTransformer:
    torch.manual_seed(0)
    return DenseTransformer(ModelConfig(form="dense"), num_features=14, window=64).eval()


def rows_of(network: PriceActionTransformer, *shape: int) -> Tensor:
    return torch.randn(*shape, network.projection.in_features, generator=torch.Generator().manual_seed(1))


def test_the_parameters_are_those_of_the_exact_form(published: DenseTransformer) -> None:
    exact = PriceActionTransformer(ModelConfig(), num_features=14, window=64)
    assert num_parameters(published) == 406_785
    shapes = [{name: value.shape for name, value in network.state_dict().items()} for network in (published, exact)]
    assert shapes[0] == shapes[1]


def test_the_layers_reach_back_over_the_window_together() -> None:
    assert reaches(64, 2) == [31, 32]
    assert reaches(8, 1) == [7]
    assert reaches(2, 3) == [0, 0, 1]
    assert all(sum(reaches(window, layers)) == window - 1 for window in range(1, 130) for layers in range(1, 7))


def _row(network: DenseTransformer, hidden: list[Tensor], number: int, slopes: list[float]) -> Tensor:
    """Return the last row of ``hidden`` after layer ``number``, from plain loops over heads and keys."""
    layer, reach = network.encoder[number], reaches(WINDOW, SMALL.layers)[number]
    assert isinstance(layer, nn.TransformerEncoderLayer)
    attention, keys = layer.self_attn, hidden[-reach - 1 :]
    query, key, value = attention.in_proj_weight.split(SMALL.d_model)
    query_0, key_0, value_0 = attention.in_proj_bias.split(SMALL.d_model)
    size, mixed = SMALL.d_model // SMALL.heads, []
    for head, slope in enumerate(slopes):
        part = slice(head * size, (head + 1) * size)
        asked = query[part] @ hidden[-1] + query_0[part]
        scores = [asked @ (key[part] @ row + key_0[part]) / math.sqrt(size) for row in keys]
        scores = [score - slope * (len(keys) - 1 - place) for place, score in enumerate(scores)]
        weights = torch.softmax(torch.stack(scores), dim=0)
        mixed.append(
            sum(weight * (value[part] @ row + value_0[part]) for weight, row in zip(weights, keys, strict=True))
        )
    found = layer.norm1(hidden[-1] + attention.out_proj(torch.cat(mixed)))
    return layer.norm2(found + layer.linear2(torch.relu(layer.linear1(found))))


def slow_log_odds(network: DenseTransformer, window: Tensor) -> Tensor:
    """Return the answer to one window, row by row."""
    slopes = [2.0 ** (-8 * (head + 1) / SMALL.heads) for head in range(SMALL.heads)]
    hidden = [network.projection(row) for row in window]
    for number, reach in enumerate(reaches(WINDOW, SMALL.layers)):
        hidden = [_row(network, hidden[: place + 1], number, slopes) for place in range(reach, len(hidden))]
    [last] = hidden
    return network.head(last)[0]


def test_a_slab_gives_what_a_plain_loop_over_windows_gives(small: DenseTransformer) -> None:
    slab = rows_of(small, 2, SLAB)
    with torch.no_grad():
        found = small.logits(slab)
        assert found.shape == (2, SLAB - WINDOW + 1)
        for symbol, row in ((0, 0), (0, 5), (1, BLOCK), (1, 2 * BLOCK - 1), (1, SLAB - WINDOW)):
            wanted = slow_log_odds(small, slab[symbol, row : row + WINDOW])
            torch.testing.assert_close(found[symbol, row], wanted, rtol=0, atol=1e-5)


def test_strict_windows_give_what_the_slab_gives(published: DenseTransformer) -> None:
    slab = rows_of(published, 2, 63 + 70)
    with torch.no_grad():
        strict = published.logits(slab.unfold(1, 64, 1).transpose(2, 3).reshape(140, 64, 14))
        torch.testing.assert_close(strict.view(2, 70), published.logits(slab), rtol=0, atol=1e-5)
        torch.testing.assert_close(published(slab), torch.sigmoid(strict.view(2, 70)), rtol=0, atol=1e-5)


def test_an_answer_depends_on_its_window_and_on_nothing_else(small: DenseTransformer) -> None:
    slab, row = rows_of(small, 1, SLAB).requires_grad_(), 2 * BLOCK - 3
    small.logits(slab)[0, row].backward()
    assert slab.grad is not None
    touched = slab.grad[0].abs().sum(dim=1) > 0
    assert touched.nonzero()[:, 0].tolist() == list(range(row, row + WINDOW))


def test_rows_after_t_change_nothing_at_t(published: DenseTransformer) -> None:
    slab, row = rows_of(published, 3, 63 + 50), 20
    later = slab.clone()
    later[:, row + 64 :] = 1e4
    with torch.no_grad():
        before, after = published.logits(slab), published.logits(later)
    assert torch.equal(before[:, : row + 1], after[:, : row + 1])
    assert not bool((before[:, row + 1 :] == after[:, row + 1 :]).any())


def test_the_gradient_of_a_slab_is_that_of_its_windows(small: DenseTransformer) -> None:
    slab = rows_of(small, 2, SLAB)
    windows = slab.unfold(1, WINDOW, 1).transpose(2, 3).reshape(-1, WINDOW, 5)
    sides = [
        torch.autograd.grad(logits.sin().sum(), list(small.parameters()))
        for logits in (small.logits(slab), small.logits(windows))
    ]
    for found, wanted in zip(*sides, strict=True):
        assert float((found - wanted).norm()) <= 1e-5 * float(wanted.norm()) + 1e-6


@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize("pooled", [True, False])
def test_segments_change_no_bit_of_the_gradient(small: DenseTransformer, pooled: bool, segments: int) -> None:
    small.train()
    pool = MaskPool(0.2, num_elements=2**18, seed=1, device=torch.device("cpu"))
    masks = pool.draw(small.num_sites) if pooled else None
    sides = []
    for parts in (None, segments):
        torch.manual_seed(5)
        loss = small.logits(rows_of(small, 2, SLAB), masks=masks, segments=parts).sin().sum()
        sides.append(torch.autograd.grad(loss, list(small.parameters())))
    assert all(torch.equal(found, wanted) for found, wanted in zip(*sides, strict=True))


def test_dropout_works_in_training_alone(small: DenseTransformer) -> None:
    slab = rows_of(small, 2, SLAB)
    with torch.no_grad():
        quiet = small.logits(slab)
        assert torch.equal(quiet, small.logits(slab))
        small.train()
        drawn = torch.stack([small.logits(slab) for _ in range(200)])
        pool = MaskPool(0.2, num_elements=2**20, seed=1, device=torch.device("cpu"))
        pooled = torch.stack([small.logits(slab, masks=pool.draw(small.num_sites)) for _ in range(200)])
    assert not torch.equal(drawn[0], drawn[1])
    spread = drawn.std(dim=0).mean()
    assert float((drawn.mean(dim=0) - pooled.mean(dim=0)).abs().mean()) < 0.15 * float(spread)
    assert float(pooled.std(dim=0).mean()) == pytest.approx(float(spread), rel=0.05)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("train.slab_rows=4",), "train.slab_rows must be 1 where model.form is exact, was 4"),
        (("model.form=dense", "train.slab_rows=5"), "a multiple of train.slab_rows, was 32 with 5"),
        (("model.form=wide",), "model.form"),
    ],
)
def test_slabs_that_cannot_work_are_refused(overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        FAMILY.recipe("daily", overrides)
    assert words in str(caught.value)


def test_the_dense_recipe_trains_the_published_sizes_in_slabs() -> None:
    dense, daily = FAMILY.recipe("dense"), FAMILY.recipe("daily")
    assert dense.model.model_dump() == daily.model.model_dump() | {"form": "dense"}
    assert dense.data == daily.data
    assert (dense.train.batch, dense.train.slab_rows) == (512, 32)
