"""The Temporal Fusion Transformer of pytorch-forecasting with the weights of ours: the oracle of its maths."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from components.learning.tft.blocks import Gate, GatedResidualNetwork
from components.learning.tft.config import TftConfig
from components.learning.tft.network import Inputs, TemporalFusionTransformer, TftSizes
from components.learning.tft.selection import VariableSelection

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_forecasting import TemporalFusionTransformer as Peer


def names(sizes: TftSizes) -> tuple[list[str], list[str], list[str]]:
    """Return the names of the variables: static, observed, known."""
    static, observed, known = (
        [f"{kind}{number}" for number in range(size)]
        for kind, size in (("static", sizes.static), ("observed", sizes.observed), ("known", sizes.known))
    )
    return static, observed, known


def peer_of(config: TftConfig, sizes: TftSizes) -> Any:
    """Return the peer at our sizes, untrained."""
    static, observed, known = names(sizes)
    return Peer(
        hidden_size=config.hidden, hidden_continuous_size=config.continuous, attention_head_size=config.heads,
        dropout=config.dropout, output_size=sizes.levels, max_encoder_length=sizes.window, lstm_layers=1,
        static_reals=static, time_varying_reals_encoder=observed, time_varying_reals_decoder=known,
        x_reals=[*static, *observed, *known], x_categoricals=[], embedding_sizes={}, causal_attention=True,
        log_interval=-1, output_transformer=lambda out: out["prediction"],
    )  # fmt: skip


def peer_batch(inputs: Inputs, sizes: TftSizes) -> dict[str, Tensor]:
    """Return windows, whose slow traits stand still, as the peer reads them."""
    past, static, future = inputs
    batch, steps = len(past), sizes.horizon
    behind = torch.cat([static, past, torch.zeros(batch, sizes.window, sizes.known)], dim=-1)
    still = static[:, -1:].expand(-1, steps, -1)
    ahead = torch.cat([still, torch.zeros(batch, steps, sizes.observed), future.expand(batch, -1, -1)], dim=-1)
    none = torch.zeros(batch, 0, 0, dtype=torch.long)
    return {
        "encoder_cont": behind, "decoder_cont": ahead,
        "encoder_cat": none.new_zeros(batch, sizes.window, 0), "decoder_cat": none.new_zeros(batch, steps, 0),
        "encoder_lengths": torch.full((batch,), sizes.window), "decoder_lengths": torch.full((batch,), steps),
        "target_scale": torch.tensor([[0.0, 1.0]]).expand(batch, 2),
    }  # fmt: skip


Pairs = list[tuple[Tensor, Tensor]]
"""A weight of the peer, and the part of ours that it must equal."""


def _affine(peer: nn.Linear, ours: nn.Linear) -> Pairs:
    both: Pairs = [(peer.weight, ours.weight)]
    return both if peer.bias is None else [*both, (peer.bias, ours.bias)]


def _norm(peer: nn.LayerNorm, ours: nn.LayerNorm) -> Pairs:
    return [(peer.weight, ours.weight), (peer.bias, ours.bias)]


def gate_pairs(glu: Any, add_norm: Any, ours: Gate) -> Pairs:
    return [*_affine(glu.fc, ours.linear), *_norm(add_norm.norm, ours.norm)]


def network_pairs(peer: Any, ours: GatedResidualNetwork) -> Pairs:
    found = [*_affine(peer.fc1, ours.first), *_affine(peer.fc2, ours.second)]
    if ours.context is not None:
        found += _affine(peer.context, ours.context)
    return found + gate_pairs(peer.gate_norm.glu, peer.gate_norm.add_norm, ours.gate)


def selection_pairs(peer: Any, ours: VariableSelection) -> Pairs:
    found: Pairs = []
    for number, name in enumerate(peer.single_variable_grns):
        one, scale = peer.single_variable_grns[name], peer.prescalers[name]
        gate = one.gate_norm
        found += [
            (scale.weight[:, 0], ours.embedding[0, number]), (scale.bias, ours.embedding[1, number]),
            (one.fc1.weight, ours.first_weight[number].t()), (one.fc1.bias, ours.first_bias[number]),
            (one.fc2.weight, ours.second_weight[number].t()), (one.fc2.bias, ours.second_bias[number]),
            (gate.glu.fc.weight, ours.gate_weight[number].t()), (gate.glu.fc.bias, ours.gate_bias[number]),
            (one.resample_norm.mask, ours.skip[number]),
            (one.resample_norm.norm.weight, ours.skip_norm[0, number]),
            (one.resample_norm.norm.bias, ours.skip_norm[1, number]),
            (gate.add_norm.norm.weight, ours.norm[0, number]), (gate.add_norm.norm.bias, ours.norm[1, number]),
        ]  # fmt: skip
    if ours.weights is None:
        return found
    flat, weights = peer.flattened_grn, ours.weights
    found += [(flat.fc1.weight, weights.first_weight.t()), (flat.fc1.bias, weights.first_bias)]
    found += [*_affine(flat.fc2, weights.second), *_affine(flat.gate_norm.glu.fc, weights.gate)]
    if weights.context is not None:
        found += _affine(flat.context, weights.context)
    found += [(flat.resample_norm.mask, weights.skip), *_norm(flat.resample_norm.norm, weights.skip_norm)]
    return found + _norm(flat.gate_norm.add_norm.norm, weights.norm)


def attention_pairs(peer: Any, ours: Any) -> Pairs:
    found: Pairs = [*_affine(peer.v_layer, ours.value), *_affine(peer.w_h, ours.out)]
    for layers, ours_layer in ((peer.q_layers, ours.query), (peer.k_layers, ours.key)):
        parts = zip(ours_layer.weight.chunk(len(layers)), ours_layer.bias.chunk(len(layers)), strict=True)
        found += [pair for layer, (weight, bias) in zip(layers, parts, strict=True)
                  for pair in ((layer.weight, weight), (layer.bias, bias))]  # fmt: skip
    return found


def pairs(peer: Any, ours: TemporalFusionTransformer) -> Pairs:
    """Return every weight of the peer beside its place in ours."""
    lstm = [(one, other) for theirs, mine in ((peer.lstm_encoder, ours.encoder), (peer.lstm_decoder, ours.decoder))
            for one, other in zip(theirs.parameters(), mine.parameters(), strict=True)]  # fmt: skip
    return [
        *selection_pairs(peer.static_variable_selection, ours.static_selection),
        *selection_pairs(peer.encoder_variable_selection, ours.past_selection),
        *selection_pairs(peer.decoder_variable_selection, ours.future_selection),
        *network_pairs(peer.static_context_variable_selection, ours.selection_context),
        *network_pairs(peer.static_context_initial_hidden_lstm, ours.hidden_context),
        *network_pairs(peer.static_context_initial_cell_lstm, ours.cell_context),
        *network_pairs(peer.static_context_enrichment, ours.enrichment_context),
        *lstm,
        *gate_pairs(peer.post_lstm_gate_encoder, peer.post_lstm_add_norm_encoder, ours.sequence_gate),
        *network_pairs(peer.static_enrichment, ours.enrichment),
        *attention_pairs(peer.multihead_attn, ours.attention),
        *gate_pairs(peer.post_attn_gate_norm.glu, peer.post_attn_gate_norm.add_norm, ours.attention_gate),
        *network_pairs(peer.pos_wise_ff, ours.feed_forward),
        *gate_pairs(peer.pre_output_gate_norm.glu, peer.pre_output_gate_norm.add_norm, ours.output_gate),
        *_affine(peer.output_layer, ours.head),
    ]


def pairs_of_gradients(peer: Any, ours: TemporalFusionTransformer) -> Pairs:
    """Return the gradient of every weight of the peer beside ours, by carrying both into networks of their own."""
    for module in (peer, ours):
        for parameter in module.parameters():
            parameter.data = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    return pairs(peer, ours)


def give_weights(peer: Any, ours: TemporalFusionTransformer) -> None:
    """Put our weights into the peer."""
    with torch.no_grad():
        for theirs, mine in pairs(peer, ours):
            theirs.copy_(mine)
