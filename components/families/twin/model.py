"""The twin: small layers that bend the frozen foundation towards one stock, stacked for a whole fleet.

Sources: Houlsby et al. (2019), "Parameter-Efficient Transfer Learning for NLP", for the adapter; Ni, Pearson and
Poteshman (2005), "Stock price clustering on option expiration dates", for the pull to max pain; Pan and Poteshman
(2006), "The Information in Option Volume for Future Stock Prices", and the contrarian reading of it, for the gate.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, gelu, softplus

from components.families.twin.config import ModelConfig
from components.learning.fleet import Layout
from components.market.columns import OPTIONS

REGIMES: Final = ("down", "sideways", "up")
"""Thirds of the stock's own moves over the whole horizon in its training zone, by code."""
ENCODED: Final = 32
"""Width of what the encoder makes of the options."""
FAINT: Final = -3.0
"""Where gate and pull start, before their squashing: about a twentieth of the most, or of a deviation."""

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """What a twin's sizes follow from: its recipe, and the foundation's."""

    config: ModelConfig
    hidden: int
    horizon: int
    levels: tuple[float, ...]

    @property
    def layout(self) -> Layout:
        """The parameters of one twin; those of the options only where they are enabled."""
        config, hidden, levels = self.config, self.hidden, len(self.levels)
        encoded = ENCODED if config.options_enabled else 0
        shapes: dict[str, tuple[int, ...]] = {
            "adapter_down": (hidden, config.adapter),
            "adapter_down_bias": (config.adapter,),
            "adapter_up": (config.adapter, hidden),
            "regime": (hidden + encoded, len(REGIMES)),
            "regime_bias": (len(REGIMES),),
            "correction_state": (hidden, config.correction),
            "correction_context": (len(REGIMES) + encoded, config.correction),
            "correction_bias": (config.correction,),
            "correction_out": (config.correction, levels),
            "correction_out_bias": (levels,),
        }
        if config.options_enabled:
            shapes |= {
                "encoder": (len(OPTIONS), ENCODED),
                "encoder_bias": (ENCODED,),
                "pull": (ENCODED, 1),
                "pull_bias": (1,),
                "gate": (ENCODED, 1),
                "gate_bias": (1,),
            }
        return Layout(shapes)

    def start(self, seed: int) -> Tensor:
        """Return the parameters (size,) that a twin begins with: corrections of nothing, pull and gate faint.

        Matrices are drawn as those of ``torch.nn.Linear`` are.
        """
        generator = torch.Generator().manual_seed(seed)
        parts: list[Tensor] = []
        for name, shape in self.layout.shapes.items():
            values = torch.zeros(shape)
            if len(shape) > 1 and name not in ("adapter_up", "correction_out"):
                values.uniform_(-(shape[0] ** -0.5), shape[0] ** -0.5, generator=generator)
            if name in ("pull_bias", "gate_bias"):
                values.fill_(FAINT)
            parts.append(values.flatten())
        return torch.cat(parts)


@dataclass(frozen=True)
class Samples:
    """What twins read of decisions, those of all stocks one after another, and what came of them."""

    state: Tensor
    """(sample, horizon, hidden): of the foundation."""
    quantile: Tensor
    """(sample, horizon, level): what it says of standard moves."""
    scale: Tensor
    """(sample, horizon): log return that is a standard move of 1."""
    options: Tensor
    """(sample, 40): the options, z-scored, 0 where one is unknown; (sample, 0) without them."""
    pain: Tensor
    """(sample, horizon): standard move to max pain, 0 where it is unknown."""
    fear: Tensor
    """(sample, 1): how far the put/call ratio is above its usual, in (-1, 1)."""
    move: Tensor
    """(sample, horizon): the standard moves that came."""
    regime: Tensor
    """(sample,): code of the regime that came, by the stock's own thirds."""

    def at(self, rows: Tensor) -> "Samples":
        """Return those at ``rows``, of any shape, in its place."""
        flat = rows.flatten()
        fields = (self.state, self.quantile, self.scale, self.options, self.pain, self.fear, self.move, self.regime)
        return Samples(*(field.index_select(0, flat).view(*rows.shape, *field.shape[1:]) for field in fields))


@dataclass(frozen=True)
class Said:
    """What twins say of decisions (twin, batch)."""

    quantile: Tensor
    """(twin, batch, horizon, level) of standard moves, in the order in which the layers say them."""
    regime: Tensor
    """(twin, batch, regime): log-odds."""


def say(parameters: Parameters, seen: Samples) -> Said:
    """Return what stacked twins (twin, *shape) say of ``seen`` (twin, batch, ...)."""
    twins, batch, horizon, hidden = seen.state.shape
    state = seen.state.reshape(twins, batch * horizon, hidden)
    bent = gelu(_dense(state, parameters, "adapter_down"))
    state = torch.baddbmm(state, bent, parameters["adapter_up"])
    summary = state.view(twins, batch, horizon, hidden).mean(dim=2)
    encoded = gelu(_dense(seen.options, parameters, "encoder")) if "encoder" in parameters else None
    regime = _dense(summary if encoded is None else torch.cat([summary, encoded], dim=-1), parameters, "regime")
    mood = torch.softmax(regime, dim=-1)
    context = mood if encoded is None else torch.cat([mood, encoded], dim=-1)
    level = torch.baddbmm(parameters["correction_bias"][:, None], context, parameters["correction_context"])
    inner = torch.bmm(state, parameters["correction_state"]).view(twins, batch, horizon, -1) + level[:, :, None]
    corrected = _dense(torch.tanh(inner).view(twins, batch * horizon, -1), parameters, "correction_out")
    quantile = seen.quantile + corrected.view(seen.quantile.shape)
    if encoded is not None:
        quantile = quantile + (pull(parameters, encoded, seen) + sentiment(parameters, encoded, seen))[..., None]
    return Said(quantile, regime)


def pull(parameters: Parameters, encoded: Tensor, seen: Samples) -> Tensor:
    """Return the shift (twin, batch, horizon) towards max pain: a part of the way, between none and all of it."""
    return torch.sigmoid(_dense(encoded, parameters, "pull")) * seen.pain


def sentiment(parameters: Parameters, encoded: Tensor, seen: Samples) -> Tensor:
    """Return the shift (twin, batch, 1) against the crowd: up where puts are bought more than usual, else down."""
    return softplus(_dense(encoded, parameters, "gate")) * seen.fear


def _dense(values: Tensor, parameters: Parameters, name: str) -> Tensor:
    """Return the layer called ``name`` of (twin, row, in)."""
    return torch.baddbmm(parameters[f"{name}_bias"][:, None], values, parameters[name])


def losses(parameters: Parameters, seen: Samples, levels: Tensor, *, regime_weight: float) -> Tensor:
    """Return the loss (twin, batch): the mean pinball loss of the quantiles, and a part of the regime's cross-entropy.

    Source: Koenker and Bassett (1978), "Regression Quantiles".
    """
    said = say(parameters, seen)
    error = seen.move[..., None] - said.quantile
    pinball = torch.maximum(levels * error, (levels - 1) * error).mean(dim=(-2, -1))
    if not regime_weight:
        return pinball
    surprise = cross_entropy(said.regime.flatten(0, 1), seen.regime.flatten(), reduction="none")
    return pinball + regime_weight * surprise.view(pinball.shape)
