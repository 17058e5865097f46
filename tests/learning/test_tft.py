"""The Temporal Fusion Transformer, block by block beside a maintained one, and slabs beside windows one by one."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tft_peer import give_weights, network_pairs, pairs, pairs_of_gradients, peer_batch, peer_of, selection_pairs
from torch import Tensor, nn

from components.core.errors import RecipeError
from components.learning.dropout import FreshMasks, MaskPool
from components.learning.tft.config import TftConfig
from components.learning.tft.network import Inputs, TemporalFusionTransformer, TftSizes
from components.learning.tft.selection import normed_line, resampling

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CONFIG = TftConfig(hidden=12, continuous=5, heads=3)
SIZES = TftSizes(observed=7, static=3, known=1, window=9, horizon=4, levels=3)
OFF = FreshMasks(0.0, training=False)
FUTURE = torch.linspace(0.25, 1, 4)[:, None]


def shaken(config: TftConfig = CONFIG, sizes: TftSizes = SIZES) -> TemporalFusionTransformer:
    """Return a network in which no weight is 0 or 1 any more."""
    torch.manual_seed(1)
    model = TemporalFusionTransformer(config, sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model.eval()


def inputs_like(sizes: TftSizes = SIZES, *, slabs: int = 3, bars: int | None = None, still: bool = False) -> Inputs:
    generator = torch.Generator().manual_seed(2)
    bars = bars or sizes.window
    past, static = (torch.randn(slabs, bars, size, generator=generator) for size in (sizes.observed, sizes.static))
    future = torch.randn(sizes.horizon, sizes.known, generator=generator)
    return Inputs(past, static[:, :1].expand(-1, bars, -1) if still else static, future)


def beside(sizes: TftSizes = SIZES, config: TftConfig = CONFIG) -> tuple[Any, TemporalFusionTransformer]:
    ours = shaken(config, sizes)
    peer = peer_of(config, sizes).eval()
    give_weights(peer, ours)
    return peer, ours


@pytest.mark.promise("S0-04")
@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (CONFIG, SIZES),
        (CONFIG, SIZES._replace(known=3, static=1)),  # a choice ahead, none among the traits
        (TftConfig(), TftSizes(observed=22, static=3, known=1, window=60, horizon=5, levels=7)),
    ],
)
def test_parameters_predictions_loss_and_gradients_are_those_of_the_peer(config: TftConfig, sizes: TftSizes) -> None:
    peer, ours = beside(sizes, config)
    assert sum(item.numel() for item in peer.parameters()) == sum(item.numel() for item in ours.parameters())
    given = inputs_like(sizes, still=True)
    theirs, mine = peer(peer_batch(given, sizes)).prediction, ours(given)
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=5e-6)
    losses = [(said - 0.3).square().mean() for said in (theirs, mine)]
    torch.testing.assert_close(*losses, rtol=1e-6, atol=1e-7)
    for loss in losses:
        loss.backward()
    largest = max(float(one.abs().max()) for one, _ in pairs_of_gradients(peer, ours))
    for their_gradient, my_gradient in pairs(peer, ours):
        torch.testing.assert_close(my_gradient, their_gradient, rtol=2e-4, atol=2e-6 * largest)


@pytest.mark.parametrize("which", ["static", "past"])
def test_variable_selection_is_that_of_the_peer_with_and_without_a_context(which: str) -> None:
    peer, ours = beside()
    theirs, mine = {
        "static": (peer.static_variable_selection, ours.static_selection),
        "past": (peer.encoder_variable_selection, ours.past_selection),
    }[which]
    assert len(selection_pairs(theirs, mine)) > 13
    rows = torch.randn(4, 6, len(theirs.input_sizes))
    context = torch.randn(4, 6, CONFIG.hidden) if which == "past" else None
    named = {name: rows[..., place, None] for place, name in enumerate(theirs.input_sizes)}
    expected, weights = theirs(named, context)
    torch.testing.assert_close(mine(rows, OFF, context), expected, rtol=1e-5, atol=2e-6)
    assert mine.weights is not None
    found = mine.weights(rows, mine.embedding, OFF, context)
    torch.testing.assert_close(found, weights.squeeze(-2), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.sum(-1), torch.ones(4, 6))


def test_gated_residual_networks_and_attention_are_those_of_the_peer() -> None:
    peer, ours = beside()
    values, context = torch.randn(5, 13, CONFIG.hidden), torch.randn(5, 1, CONFIG.hidden)
    assert len(network_pairs(peer.static_enrichment, ours.enrichment)) == 9
    torch.testing.assert_close(
        ours.enrichment(values, OFF, context), peer.static_enrichment(values, context), rtol=1e-5, atol=2e-6
    )
    hidden = peer.get_attention_mask(torch.full((5,), SIZES.window), torch.full((5,), SIZES.horizon))
    expected, weights = peer.multihead_attn(q=values[:, -SIZES.horizon :], k=values, v=values, mask=hidden)
    torch.testing.assert_close(ours.attention(values, OFF), expected, rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(ours.attention.weights(values).transpose(1, 2), weights, rtol=1e-5, atol=1e-6)


def test_a_step_ahead_reads_the_window_and_the_steps_before_it_alone() -> None:
    weights = shaken().attention.weights(torch.randn(2, SIZES.window + SIZES.horizon, CONFIG.hidden))
    assert (weights[..., : SIZES.window] > 0).all()
    for step in range(SIZES.horizon):
        assert (weights[:, :, step, SIZES.window : SIZES.window + step] > 0).all()
        assert (weights[:, :, step, SIZES.window + step :] == 0).all()


def assert_alike(model: TemporalFusionTransformer, *answers: Tensor) -> None:
    """Check that two answers, and the gradients of all weights behind them, are the same."""
    gradients: list[list[Tensor]] = []
    for said in answers:
        model.zero_grad()
        said.square().mean().backward()
        gradients.append([item.grad.clone() for item in model.parameters()])
    torch.testing.assert_close(*answers, rtol=1e-5, atol=2e-6)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-6)


@settings(max_examples=8)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_windows_of_a_slab_are_those_windows_one_by_one(windows: int, stride: int, slabs: int) -> None:
    model = shaken()
    given_ = inputs_like(slabs=slabs, bars=SIZES.window + (windows - 1) * stride)
    starts = [(slab, number * stride) for slab in range(slabs) for number in range(windows)]
    alone = Inputs(
        *(torch.stack([part[slab, first : first + SIZES.window] for slab, first in starts]) for part in given_[:2]),
        given_.future,
    )
    assert_alike(model, model(given_, stride=stride), model(alone))


def test_no_window_of_a_slab_knows_a_later_bar() -> None:
    model, given_ = shaken(), inputs_like(bars=SIZES.window + 6)
    before = model.trunk(given_).view(3, 7, SIZES.horizon, -1)
    for part in given_[:2]:
        part[:, SIZES.window + 2 :] += 5.0
    after = model.trunk(given_).view(3, 7, SIZES.horizon, -1)
    torch.testing.assert_close(after[:, :3], before[:, :3], rtol=0, atol=1e-6)
    assert (after[:, 3:] - before[:, 3:]).abs().amax(dim=(2, 3)).min() > 1e-3


def from_every_origin(model: TemporalFusionTransformer, given_: Inputs, stride: int) -> Tensor:
    """Return what dense origins say, one origin after another: the slow way, of the exact form's own parts."""
    window, horizon = SIZES.window, SIZES.horizon
    static = model.static_selection(given_.static, OFF)
    past = model.past_selection(given_.past, OFF, model.selection_context(static, OFF))
    first = static[:, window - 1]
    start = (model.hidden_context(first, OFF)[None], model.cell_context(first, OFF)[None])
    said: list[Tensor] = []
    for end in range(window, past.shape[1] + 1, stride):
        last = static[:, end - 1]
        ahead = model.future_selection(given_.future, OFF).expand(len(last), -1, -1)
        behind, state = model.encoder(past[:, :end], start)
        read = torch.cat([past[:, end - window : end], ahead], dim=1)
        beyond = torch.cat([behind[:, -window:], model.decoder(ahead, state)[0]], dim=1)
        sequence = model.sequence_gate(beyond, read, OFF)
        traits = torch.cat([static[:, end - window : end], last[:, None].expand(-1, horizon, -1)], dim=1)
        enriched = model.enrichment(sequence, OFF, model.enrichment_context(traits, OFF))
        fused = model.attention_gate(model.attention(enriched, OFF), enriched[:, window:], OFF)
        said.append(model.head(model.output_gate(model.feed_forward(fused, OFF), sequence[:, window:], OFF)))
    return torch.stack(said, dim=1).flatten(0, 1)


@settings(max_examples=8)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_dense_origins_are_the_exact_parts_from_one_origin_after_another(windows: int, stride: int, slabs: int) -> None:
    model = shaken()
    given_ = inputs_like(slabs=slabs, bars=SIZES.window + (windows - 1) * stride)
    assert_alike(model, model(given_, stride=stride, origins="dense"), from_every_origin(model, given_, stride))


def test_the_first_dense_origin_is_the_exact_window_and_the_others_know_more() -> None:
    model, given_ = shaken(), inputs_like(bars=SIZES.window + 6, still=True)
    dense, exact = (model(given_, stride=2, origins=origins).view(3, 4, -1) for origins in ("dense", "exact"))
    torch.testing.assert_close(dense[:, 0], exact[:, 0], rtol=1e-5, atol=2e-6)
    assert (dense[:, 1:] - exact[:, 1:]).abs().amax(dim=2).min() > 1e-5


def test_no_dense_origin_knows_a_later_bar() -> None:
    model, given_ = shaken(), inputs_like(bars=SIZES.window + 6)
    before = model.trunk(given_, origins="dense").view(3, 7, SIZES.horizon, -1)
    for part in given_[:2]:
        part[:, SIZES.window + 2 :] += 5.0
    after = model.trunk(given_, origins="dense").view(3, 7, SIZES.horizon, -1)
    torch.testing.assert_close(after[:, :3], before[:, :3], rtol=0, atol=1e-6)
    assert (after[:, 3:] - before[:, 3:]).abs().amax(dim=(2, 3)).min() > 1e-3


def test_the_head_reads_the_trunk() -> None:
    model, given_ = shaken(), inputs_like()
    state = model.trunk(given_)
    assert state.shape == (3, SIZES.horizon, CONFIG.hidden)
    torch.testing.assert_close(model(given_), nn.functional.linear(state, model.head.weight, model.head.bias))


def test_masks_of_a_pool_reach_every_site_once_and_ones_change_nothing() -> None:
    model, given_ = shaken(), inputs_like(bars=12)
    whole = model(given_)
    seen: list[int] = []

    class Recorded(FreshMasks):
        def drop(self, site: int, values: Tensor) -> Tensor:
            seen.append(site)
            return values

    torch.testing.assert_close(model(given_, masks=Recorded(0.0, training=False)), whole, rtol=0, atol=0)
    assert set(seen) == set(range(model.num_sites))
    seen.clear()
    model(given_, masks=Recorded(0.0, training=False), origins="dense")
    assert set(seen) == set(range(model.num_sites))
    pool = MaskPool(0.3, num_elements=2**14, seed=0, device=torch.device("cpu"))
    assert not torch.allclose(model(given_, masks=pool.draw(model.num_sites)), whole)


def test_resampling_stretches_ends_on_ends() -> None:
    expected = torch.tensor([[1.0, 0.5, 0.0, 0.0, 0.0], [0.0, 0.5, 1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.5, 1.0]])
    torch.testing.assert_close(resampling(3, 5), expected)


def test_the_norm_of_a_line_is_the_layer_norm_of_its_values() -> None:
    torch.manual_seed(3)
    values, slope, level = torch.randn(4, 50, 1) * 3, torch.randn(4, 6), torch.randn(4, 6)
    norm = torch.randn(2, 4, 6)
    for number in range(4):
        line = values[number] * slope[number] + level[number]
        expected = nn.functional.layer_norm(line, (6,), norm[0, number], norm[1, number])
        torch.testing.assert_close(normed_line(values, slope, level, norm)[number], expected, rtol=1e-4, atol=1e-4)


def test_sizes_that_do_not_fit_are_refused() -> None:
    for values, words in (({"hidden": 10, "heads": 4}, "multiple of heads"), ({"continuous": 32}, "below hidden")):
        with pytest.raises(RecipeError, match=words):
            TftConfig.parse(values, name="test")
