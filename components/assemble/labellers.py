"""Labellers by name: whose rows are labelled, and with what. A family names one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.core.errors import UsageError
from components.core.family import Family
from components.market.actions import ACTION_LABELLER, actions
from components.market.columns import ACTIONS, CONTEXT, REGIMES, RETURNS
from components.market.health import HEALTH_LABELLER, known_scores
from components.market.labels import ahead, next_direction, next_open_return
from components.market.moves import INPUTS as MOVE_INPUTS
from components.market.moves import MOVE_LABELLER, moves, past_volatility
from components.market.regimes import LABELLER as REGIME_LABELLER
from components.market.regimes import NO_REGIME, regime_labels
from components.market.views import CONTEXT_VIEW, RETURNS_VIEW, TECHNICAL_VIEW

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Labeller:
    """How the rows of one view are labelled."""

    view: str
    """Its rows are the decisions: one per symbol, or per market, and time."""
    inputs: tuple[str, ...]
    """Columns of that view that the label is made of."""
    label: Callable[[Floats, int], Mapping[str, Floats]]
    """From [row, time, input] and the horizon to columns [row, time], ``label`` first; NaN where unknown."""
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the manifest of the examples records; nothing for the direction, whose manifests are older than this."""


def _direction(prices: Floats, horizon: int) -> Mapping[str, Floats]:
    if horizon != 1:
        raise ValueError(f"the direction is that of the next bar, horizon was {horizon}")
    return {"label": next_direction(prices[..., 1]), "forward_return": next_open_return(prices[..., 0])}


def _regime(context: Floats, horizon: int) -> Mapping[str, Floats]:
    codes = regime_labels(context)
    now = np.where(codes == NO_REGIME, np.nan, codes)
    return {"label": ahead(now, horizon), "now": now}


def _health(returns: Floats, horizon: int) -> Mapping[str, Floats]:
    now = known_scores(returns)
    return {"label": ahead(now, horizon), "now": now}


def _moves(returns: Floats, horizon: int) -> Mapping[str, Floats]:
    move = moves(returns[..., 0], horizon)[..., -1]
    return {"label": move, "now": past_volatility(returns[..., 1], returns[..., 2])}


def _action(prices: Floats, horizon: int) -> Mapping[str, Floats]:
    label, now, move = actions(prices[..., 1], horizon)
    return {"label": label, "now": now, "move": move, "forward_return": next_open_return(prices[..., 0])}


LABELLERS: Final[Mapping[str, Labeller]] = {
    "direction": Labeller(TECHNICAL_VIEW, ("open", "close"), _direction),
    "regime": Labeller(CONTEXT_VIEW, CONTEXT, _regime, {"labeller": REGIME_LABELLER, "classes": list(REGIMES)}),
    "health": Labeller(RETURNS_VIEW, RETURNS, _health, {"labeller": HEALTH_LABELLER}),
    "moves": Labeller(RETURNS_VIEW, MOVE_INPUTS, _moves, {"labeller": MOVE_LABELLER, "label_unit": "log return"}),
    "action": Labeller(
        TECHNICAL_VIEW, ("open", "close"), _action, {"labeller": ACTION_LABELLER, "classes": list(ACTIONS)}
    ),
}


def labeller_of(member: Family) -> Labeller:
    """Return the labeller that a family names.

    Raises:
        UsageError: If there is none of that name; those that exist are named.
    """
    if member.labels not in LABELLERS:
        raise UsageError(f"{member.name}: no labeller is called {member.labels!r}. There is {', '.join(LABELLERS)}")
    return LABELLERS[member.labels]
