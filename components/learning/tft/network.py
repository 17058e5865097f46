"""The Temporal Fusion Transformer: quantiles of the next steps from a window, slow covariates and what is known ahead.

Source: Lim et al. (2021), "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting".

A slab is a run of bars that holds several windows. What depends on a bar alone, which is two thirds of the work, is
computed once for all windows that hold it; a window on its own is a slab of one.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor, nn

from components.learning.dropout import FreshMasks
from components.learning.tft.attention import InterpretableAttention
from components.learning.tft.blocks import Drop, Gate, GatedResidualNetwork
from components.learning.tft.config import TftConfig
from components.learning.tft.selection import VariableSelection


class Inputs(NamedTuple):
    """What a batch of slabs knows, each scaled to about unit size."""

    past: Tensor
    """(slab, bar, observed): what was measured at each bar; ``window + (windows - 1) * stride`` bars."""
    static: Tensor
    """(slab, bar, static): slow traits, as known at each bar. That of a window's last bar speaks for the window."""
    future: Tensor
    """(horizon, known): what is known of each step ahead, the same for all windows."""


class TftSizes(NamedTuple):
    """How many variables and steps there are."""

    observed: int
    static: int
    known: int
    window: int
    horizon: int
    levels: int


class TemporalFusionTransformer(nn.Module):
    """Quantiles of each step ahead of each window, in the unit of the outcome that it is trained on.

    ``num_sites`` counts the dropouts of a pass, for who draws their masks from a pool.
    """

    def __init__(self, config: TftConfig, sizes: TftSizes) -> None:
        super().__init__()
        width, sites = config.hidden, count()
        self.sizes, self._share = sizes, config.dropout
        self.static_selection = VariableSelection(sizes.static, config, sites=sites)
        self.past_selection = VariableSelection(sizes.observed, config, sites=sites, context=True)
        self.future_selection = VariableSelection(sizes.known, config, sites=sites, context=True)
        self.selection_context = GatedResidualNetwork(width, sites=sites)
        self.hidden_context = GatedResidualNetwork(width, sites=sites)
        self.cell_context = GatedResidualNetwork(width, sites=sites)
        self.enrichment_context = GatedResidualNetwork(width, sites=sites)
        self.encoder, self.decoder = (nn.LSTM(width, width, batch_first=True) for _ in range(2))
        self.sequence_gate = Gate(width, site=next(sites))
        self.enrichment = GatedResidualNetwork(width, sites=sites, context=True)
        self.attention = InterpretableAttention(
            width, config.heads, window=sizes.window, horizon=sizes.horizon, sites=sites
        )
        self.attention_gate = Gate(width, site=next(sites))
        self.feed_forward = GatedResidualNetwork(width, sites=sites)
        self.output_gate = Gate(width, site=None)
        self.head = nn.Linear(width, sizes.levels)
        self.num_sites = next(sites)

    def forward(self, inputs: Inputs, *, stride: int = 1, masks: Drop | None = None) -> Tensor:
        """Return quantiles (batch, horizon, level); batch counts windows, slab by slab, the oldest first.

        ``stride`` bars lie between the windows of a slab; ``masks`` are drawn for ``num_sites``, None draws fresh ones.
        """
        quantiles: Tensor = self.head(self.trunk(inputs, stride=stride, masks=masks))
        return quantiles

    def trunk(self, inputs: Inputs, *, stride: int = 1, masks: Drop | None = None) -> Tensor:
        """Return the state (batch, horizon, hidden) that the head reads; as in ``forward``."""
        drop = masks or FreshMasks(self._share, training=self.training)
        window = self.sizes.window
        static = self.static_selection(inputs.static, drop)
        past = self.past_selection(inputs.past, drop, self.selection_context(static, drop))
        windows = past.unfold(1, window, stride).flatten(0, 1).transpose(1, 2)
        last = static[:, window - 1 :: stride].flatten(0, 1)
        sequence = self._sequence(windows, self._ahead(inputs.future, last, drop), last, drop)
        enriched = self.enrichment(sequence, drop, self.enrichment_context(last, drop)[:, None])
        read = self.attention(enriched, drop)
        fused = self.attention_gate(read, enriched[:, window:], drop)
        return self.output_gate(self.feed_forward(fused, drop), sequence[:, window:], drop)

    def _ahead(self, future: Tensor, last: Tensor, drop: Drop) -> Tensor:
        """Return what is known of the steps ahead (batch, horizon, hidden)."""
        batch = last.shape[0]  # its length would fix the batch of an exported graph
        if self.future_selection.weights is None:  # without selection there is no context: once for all windows
            return self.future_selection(future, drop).expand(batch, -1, -1)
        rows = future.expand(batch, -1, -1)
        return self.future_selection(rows, drop, self.selection_context(last, drop)[:, None])

    def _sequence(self, windows: Tensor, ahead: Tensor, last: Tensor, drop: Drop) -> Tensor:
        """Return (batch, window + horizon, hidden): the two LSTMs, gated onto what they read."""
        state = (self.hidden_context(last, drop)[None], self.cell_context(last, drop)[None])
        behind, state = self.encoder(windows, state)
        beyond, _ = self.decoder(ahead, state)
        read = torch.cat([windows, ahead], dim=1)
        return self.sequence_gate(torch.cat([behind, beyond], dim=1), read, drop)
