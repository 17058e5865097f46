"""Masks from a pool: the maths of the plain layer, the promised share, and the same masks after a resume."""

import pytest
import torch
from torch import nn

from components.learning.dropout import SITES_PER_LAYER, MaskPool, Masks, encode, mask_pool
from components.learning.gradient import run_stack
from components.learning.settings import MaskConfig

CPU = torch.device("cpu")


def pool(share: float = 0.1, *, num_elements: int = 2**18, seed: int = 3) -> MaskPool:
    return MaskPool(share, num_elements=num_elements, seed=seed, device=CPU)


def encoder_layer(dropout: float) -> nn.TransformerEncoderLayer:
    torch.manual_seed(1)
    return nn.TransformerEncoderLayer(16, 2, 32, dropout, batch_first=True)


def gradients(output: torch.Tensor, layer: nn.Module) -> list[torch.Tensor]:
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return list(torch.autograd.grad((output * weights).sum(), list(layer.parameters())))


def test_with_dropout_off_the_layer_is_the_plain_one() -> None:
    layer, hidden = encoder_layer(0.0), torch.randn(5, 9, 16)
    plain = layer(hidden)
    pooled = encode(layer, hidden, pool(0.0).draw(SITES_PER_LAYER), layer_number=0)
    torch.testing.assert_close(pooled, plain, rtol=0, atol=2e-6)
    for found, wanted in zip(gradients(pooled, layer), gradients(plain, layer), strict=True):
        assert float((found - wanted).norm()) <= 2e-6 * max(1.0, float(wanted.norm()))


def test_each_dropout_drops_its_share_and_keeps_the_mean() -> None:
    ones = torch.ones(64, 32, 16)
    masks = pool(0.25).draw(3)
    for site in range(3):
        dropped = masks.drop(site, ones)
        assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
        assert float(dropped.mean()) == pytest.approx(1.0, abs=0.02)


def test_sites_and_steps_have_masks_of_their_own() -> None:
    ones, source = torch.ones(1000), pool()
    drawn = [masks.drop(site, ones) for masks in (source.draw(4), source.draw(4)) for site in range(4)]
    for number, mask in enumerate(drawn):
        assert all(not torch.equal(mask, other) for other in drawn[:number])


def test_all_places_of_the_pool_are_read() -> None:
    source, like = pool(num_elements=256), torch.ones(128)
    whole = source.read(0.0, torch.ones(256))
    places = {0.0: 0, 0.34: 64, 0.999: 128}
    for place, start in places.items():
        assert torch.equal(source.read(place, like), whole[start : start + 128])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_relu_and_mask_in_place_have_the_gradient_of_relu_and_mask(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    linear, inputs, masks = nn.Linear(6, 50, dtype=dtype), torch.randn(40, 6, dtype=dtype), pool().draw(1)
    fused = masks.drop_relu(0, linear(inputs))
    plain = masks.drop(0, torch.relu(linear(inputs)))
    assert torch.equal(fused, plain)
    for found, wanted in zip(gradients(fused, linear), gradients(plain, linear), strict=True):
        assert torch.equal(found, wanted)


def test_the_random_places_go_on_after_a_resume() -> None:
    source = pool()
    source.draw(5)
    state = source.tensors()
    following = [source.draw(5).places for _ in range(3)]
    resumed = pool()
    resumed.restore(state)
    assert [resumed.draw(5).places for _ in range(3)] == following
    assert torch.equal(resumed.read(0.5, torch.ones(999)), source.read(0.5, torch.ones(999)))


def test_a_pass_that_is_computed_again_reads_the_same_masks() -> None:
    layers, hidden = [encoder_layer(0.1), encoder_layer(0.1)], torch.randn(5, 9, 16)
    masks = pool().draw(2 * SITES_PER_LAYER)

    def outcome(segments: int | None) -> list[torch.Tensor]:
        passes = [
            lambda values, layer=layer, number=number: encode(layer, values, masks, layer_number=number)
            for number, layer in enumerate(layers)
        ]
        return gradients(run_stack(passes, hidden, segments=segments), layers[0])

    for plain, again in zip(outcome(None), outcome(2), strict=True):
        assert torch.equal(plain, again)


def test_16_bits_have_a_mask_in_16_bits() -> None:
    masks = Masks(pool(0.5), (0.5,))
    dropped = masks.drop(0, torch.ones(100, dtype=torch.bfloat16))
    assert dropped.dtype == torch.bfloat16
    assert torch.equal(dropped.float(), masks.drop(0, torch.ones(100)))


@pytest.mark.parametrize(
    ("source", "device", "share", "pooled"),
    [
        ("auto", "cpu", 0.1, True),
        ("auto", "meta", 0.1, False),
        ("pool", "meta", 0.1, True),
        ("fresh", "cpu", 0.1, False),
        ("pool", "cpu", 0.0, False),
    ],
)
def test_a_pool_is_made_where_it_is_asked_for_or_pays(source: str, device: str, share: float, pooled: bool) -> None:
    config = MaskConfig.parse({"source": source, "pool_elements": 64}, name="test")
    found = mask_pool(config, share, largest=500, seed=0, device=torch.device(device))
    assert (found is not None) == pooled
    if found is not None:
        assert found.read(0.0, torch.ones(1000, device=device)).shape == (1000,)


def test_a_pool_that_is_too_small_says_so() -> None:
    with pytest.raises(ValueError, match="101 elements is asked of a pool of 100"):
        pool(num_elements=100).read(0.0, torch.ones(101))
