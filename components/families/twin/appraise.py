"""What a twin is worth on a zone in the words of those who use it, beside the foundation alone and no model at all."""

# pyright: reportUnknownMemberType=false
import math
from pathlib import Path

import torch
from torch import Tensor

from components.core.bundle import Bundle
from components.families.twin.fleet import Fleet
from components.families.twin.model import Samples
from components.families.twin.predict import answers_of, ordered
from components.families.twin.stocks import Ends, options_of
from components.learning.examples import Examples, read_examples
from components.learning.reproducible import reproducible
from components.market.columns import OPTIONS

EXTREME = 0.7615
"""``tanh`` of one deviation: a put/call ratio as far from its usual as that is an extreme."""
CALM = 0.6745
"""Standard deviations within which half of the moves of a normal distribution lie."""


def appraise(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> dict[str, float]:
    """Return the metrics of one stock's twin on ``zone``, over the whole horizon; none if it has no window there.

    ``mae`` is in log return. ``hit_rate`` is the share of moves whose sign the median had; ``regime_accuracy`` that of
    regimes named rightly, of three. Of stocks with options: ``pcr_extreme_accuracy``, on days of an extreme put/call
    ratio, is the share of moves against the crowd, and ``gamma_zone_accuracy`` the share of days on which the move was
    small where dealers dampen it, and large where they do not. ``ab_`` are twin and foundation on the same days:
    the quantile loss that is saved, as a part of the foundation's, and likewise of no model's.
    """
    fleet, data = Fleet.load(bundle), read_examples(examples)
    with reproducible(seed=fleet.config.seed, threads=threads):
        answers = list(answers_of(fleet, data, zone))
    if not answers:
        return {}
    [(ends, seen, said)] = answers
    levels = torch.tensor(fleet.shape.levels)
    nothing = fleet.foundation.base.expand_as(seen.quantile)
    losses = [quantile_loss(quantile, seen, levels) for quantile in (said.quantile[0], seen.quantile, nothing)]
    median = levels.tolist().index(0.5)
    forecast = ordered(said.quantile[0])[:, -1, median] * seen.scale[:, -1]
    founded = ordered(seen.quantile)[:, -1, median] * seen.scale[:, -1]
    came = seen.move[:, -1] * seen.scale[:, -1]
    found = {
        "mae": (forecast - came).abs().mean(),
        "mae_foundation": (founded - came).abs().mean(),
        "mae_unchanged": came.abs().mean(),
        "hit_rate": share(forecast.sign() == came.sign(), came != 0),
        "hit_rate_foundation": share(founded.sign() == came.sign(), came != 0),
        "regime_accuracy": share(said.regime[0].argmax(dim=-1) == seen.regime),
        "quantile_loss": losses[0],
        "ab_foundation_saved": 1 - losses[0] / losses[1],
        "ab_unchanged_saved": 1 - losses[0] / losses[2],
        **(option_signals(data, seen, ends) if fleet.config.model.options_enabled else {}),
    }
    return {name: float(value) for name, value in found.items() if math.isfinite(float(value))}


def quantile_loss(quantile: Tensor, seen: Samples, levels: Tensor) -> Tensor:
    """Return the mean pinball loss of quantiles (sample, horizon, level) of standard moves, once they are ordered."""
    error = seen.move[..., None] - ordered(quantile)
    return torch.maximum(levels * error, (levels - 1) * error).mean()


def share(right: Tensor, of: Tensor | None = None) -> Tensor:
    """Return the share of the rows that are right, of all or of those marked; NaN of none."""
    return (right if of is None else right[of]).double().mean()


def option_signals(data: Examples, seen: Samples, ends: Ends) -> dict[str, Tensor]:
    """Return how often the signs of the options came true, whatever the twin made of them."""
    fear, move = seen.fear[:, 0], seen.move[:, -1]
    balance = torch.from_numpy(options_of(data, ends)[:, OPTIONS.index("gamma_exposure_balance")])
    small = move.abs() < CALM
    return {
        "pcr_extreme_accuracy": share(fear.sign() == move.sign(), (fear.abs() >= EXTREME) & (move != 0)),
        "gamma_zone_accuracy": share((balance > 0) == small, balance.isfinite()),
    }
