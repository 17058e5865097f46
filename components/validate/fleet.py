"""Hundreds of twins judged together: how many may be promoted when some of so many look skilful by luck alone.

Each twin gets one p-value of the main question of its kind; Benjamini and Yekutieli (2001) keep the expected share of
the unskilful among those promoted at most at a level, however much the twins share their days.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from components.core.errors import UsageError
from components.core.judge import JudgeConfig
from components.market.predictions import (
    AllocationPredictions,
    ClassPredictions,
    PortfolioPredictions,
    Predictions,
    QuantilePredictions,
    ScorePredictions,
)
from components.trading.discovery import adjusted
from components.trading.statistics import bootstrap_weights
from components.validate import allocations, classes, measures, quantiles, scores
from components.validate.kinds import Kind, Table, kind_of
from components.validate.measures import Quantity
from components.validate.zone import Rows

LEVEL: Final = 0.05
MIN_BLOCKS: Final = 10
"""Blocks of the bootstrap that a zone must hold: of fewer a standard error says nothing."""


@dataclass(frozen=True)
class Main:
    """The main question of a kind: the number that must exceed a bound."""

    quantity: Callable[[Any, Any], Quantity]
    """From the zone and the training zone."""
    bound: float


MAIN: Mapping[type, Main] = {
    Predictions: Main(lambda zone, _: measures.ranking(zone), 0.5),
    ClassPredictions: Main(classes.log_loss_skill, 0.01),
    ScorePredictions: Main(scores.error_skill, 0.01),
    QuantilePredictions: Main(lambda zone, _: quantiles.correlation(zone), 0.0),
    AllocationPredictions: Main(lambda zone, _: allocations.timing(zone), 0.0),
    PortfolioPredictions: Main(lambda zone, _: allocations.timing(zone), 0.0),
}
"""AUC above chance; 1 % less loss than what was known without a model; of quantiles, where prices go, because how far
they go can be known to a part in pure noise; of allocations, more than the same exposure held."""


@dataclass(frozen=True)
class Twin:
    """One model of a fleet."""

    name: str
    tested: Table
    """Of its test zone."""
    past: Table | None = None
    """Of its training zone, for the kinds whose peers learn from it."""


@dataclass(frozen=True)
class Discovery:
    """What the fleet says of one twin."""

    name: str
    p_value: float
    """NaN where nothing could be asked; never discovered."""
    adjusted: float
    """The level at which it would just be discovered; NaN likewise."""
    discovered: bool


def discoveries(fleet: Sequence[Twin], config: JudgeConfig, *, level: float = LEVEL) -> tuple[Discovery, ...]:
    """Return, in the order of the fleet, which twins are skilful with a false discovery rate of ``level`` at most.

    Raises:
        UsageError: If the twins are of several kinds.
    """
    if len({type(twin.tested) for twin in fleet}) > 1:
        raise UsageError("the twins answer different questions; ask about one kind at a time")
    found = np.array([p_value(twin, config) for twin in fleet])
    return tuple(
        Discovery(twin.name, float(p), float(q), bool(q <= level))
        for twin, p, q in zip(fleet, found, adjusted(found), strict=True)
    )


def p_value(twin: Twin, config: JudgeConfig) -> float:
    """Return the chance of a main number this high without skill, one-sided; NaN where it is undefined.

    Its standard error is that of the stationary bootstrap (Politis and Romano 1994), its tail Student's t with as many
    degrees of freedom as the zone has blocks: to count one resample in ten thousand, which the correction for hundreds
    of twins looks at, would take a hundred thousand of them, and their tail is too thin where blocks are few.
    """
    kind, main = kind_of(twin.tested), MAIN[type(twin.tested)]
    zone = kind.zone(twin.tested)
    if zone.defect() or zone.lack(config):
        return np.nan
    block = kind.block_length(zone, config)
    num_blocks = zone.num_times / block
    past = _past(kind, twin)
    if num_blocks < MIN_BLOCKS or (kind.learns and past is None):
        return np.nan
    quantity = main.quantity(zone, past)
    value, error = _value_and_error(quantity, zone, config, block)
    return float(t.sf((value - main.bound) / error, df=num_blocks - 1)) if error > 0 else np.nan


def _past(kind: Kind, twin: Twin) -> Rows[Any] | None:
    past = kind.zone(twin.past) if twin.past is not None else None
    return None if past is None or past.defect() or not past.num_rows else past


def _value_and_error(quantity: Quantity, zone: Rows[Any], config: JudgeConfig, block: float) -> tuple[float, float]:
    """Return the number and its bootstrap standard error; NaN if any resample leaves it undefined."""
    histories = bootstrap_weights(
        zone.num_times, block_length=block, samples=config.bootstrap_samples,
        rng=np.random.default_rng(config.seed), num_rows=zone.num_rows,
    )  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        value: npt.NDArray[np.float64] = quantity.of(np.ones((1, zone.num_times)))
        drawn: npt.NDArray[np.float64] = np.concatenate([quantity.of(weights) for weights in histories])
    return float(value[0]), float(drawn.std(ddof=1))
