"""The Temporal Fusion Transformer: quantiles of the next steps from a window, slow covariates and what is known ahead.

Source: Lim et al. (2021), "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting".

A slab is a run of bars that holds several windows. What depends on a bar alone, which is two thirds of the work, is
computed once for all windows that hold it; a window on its own is a slab of one. With dense origins the rest is, too:
a quicker way to train the same weights, of which no answer is made.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor, nn

from components.learning.dropout import FreshMasks
from components.learning.tft.attention import InterpretableAttention
from components.learning.tft.blocks import Drop, Gate, GatedResidualNetwork
from components.learning.tft.config import Origins, TftConfig
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

    def forward(
        self, inputs: Inputs, *, stride: int = 1, masks: Drop | None = None, origins: Origins = "exact"
    ) -> Tensor:
        """Return quantiles (batch, horizon, level); batch counts windows, slab by slab, the oldest first.

        ``stride`` bars lie between the windows of a slab; ``masks`` are drawn for ``num_sites``, None draws fresh ones.
        With dense origins a window knows, through the one LSTM of its slab, of the bars before it as well, and each bar
        is enriched by its own traits instead of those of the window's last bar. The first window of a slab whose
        traits stand still is answered alike.
        """
        quantiles: Tensor = self.head(self.trunk(inputs, stride=stride, masks=masks, origins=origins))
        return quantiles

    def trunk(
        self, inputs: Inputs, *, stride: int = 1, masks: Drop | None = None, origins: Origins = "exact"
    ) -> Tensor:
        """Return the state (batch, horizon, hidden) that the head reads; as in ``forward``."""
        drop = masks or FreshMasks(self._share, training=self.training)
        static = self.static_selection(inputs.static, drop)
        past = self.past_selection(inputs.past, drop, self.selection_context(static, drop))
        last = static[:, self.sizes.window - 1 :: stride].flatten(0, 1)
        ahead = self._ahead(inputs.future, last, drop)
        if origins == "dense":
            sequence, enriched, read = self._dense(past, static, ahead, stride, drop)
        else:
            sequence, enriched, read = self._exact(past, last, ahead, stride, drop)
        fused = self.attention_gate(read, enriched, drop)
        return self.output_gate(self.feed_forward(fused, drop), sequence, drop)

    def _exact(self, past: Tensor, last: Tensor, ahead: Tensor, stride: int, drop: Drop) -> tuple[Tensor, ...]:
        """Return sequence, enriched and what attention read of the steps ahead (batch, horizon, hidden)."""
        window = self.sizes.window
        windows = past.unfold(1, window, stride).flatten(0, 1).transpose(1, 2)
        sequence = self._sequence(windows, ahead, last, drop)
        enriched = self.enrichment(sequence, drop, self.enrichment_context(last, drop)[:, None])
        return sequence[:, window:], enriched[:, window:], self.attention(enriched, drop)

    def _dense(self, past: Tensor, static: Tensor, ahead: Tensor, stride: int, drop: Drop) -> tuple[Tensor, ...]:
        """Return what ``_exact`` does, each bar of a slab computed once. Rows are all bars, then all steps ahead."""
        window, (slabs, bars) = self.sizes.window, past.shape[:2]
        first = static[:, window - 1]
        behind, state = self._through(past, (self.hidden_context(first, drop), self.cell_context(first, drop)), stride)
        beyond, _ = self.decoder(ahead, state)
        context = self.enrichment_context(static, drop)
        of_origin = context[:, window - 1 :: stride].flatten(0, 1)[:, None].expand_as(ahead)
        read, lstm, context = (
            torch.cat([of_bars.flatten(0, 1), of_steps.flatten(0, 1)])
            for of_bars, of_steps in ((past, ahead), (behind, beyond), (context, of_origin))
        )
        sequence = self.sequence_gate(lstm, read, drop)
        enriched = self.enrichment(sequence, drop, context)
        num_bars = slabs * bars
        steps, rich = (rows[num_bars:].view_as(ahead) for rows in (sequence, enriched))
        return steps, rich, self.attention.banded(enriched[:num_bars].view_as(past), rich, stride, drop)

    def _through(self, past: Tensor, start: tuple[Tensor, Tensor], stride: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the encoder's output (slab, bar, hidden) and its states (1, batch, hidden) at each window's end."""
        window = self.sizes.window
        parts = [past[:, :window], *past[:, window:].split(stride, dim=1)] if past.shape[1] > window else [past]
        outputs, hidden, cell = [], [], []
        state = (start[0][None], start[1][None])
        for part in parts:
            output, state = self.encoder(part, state)
            outputs.append(output)
            hidden.append(state[0])
            cell.append(state[1])
        ends = (torch.stack(hidden, dim=2).flatten(1, 2), torch.stack(cell, dim=2).flatten(1, 2))
        return torch.cat(outputs, dim=1), ends

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
