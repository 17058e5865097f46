"""The kinds of predictions that can be judged, each with its zone, its questions and its part of the report."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.core.judge import GateConfig, JudgeConfig
from components.market.predictions import (
    AllocationPredictions,
    ClassPredictions,
    PortfolioPredictions,
    Predictions,
    QuantilePredictions,
    ScorePredictions,
)
from components.validate import (
    allocation_page,
    allocations,
    class_page,
    classes,
    direction_page,
    directions,
    portfolio_page,
    portfolios,
    quantile_page,
    quantiles,
    score_page,
    scores,
)
from components.validate.case import Questions
from components.validate.sections import Evidence
from components.validate.zone import AllocationZone, ClassZone, PortfolioZone, Rows, ScoreZone, Zone

Table = Predictions | ClassPredictions | ScorePredictions | QuantilePredictions | AllocationPredictions

_NONE = np.zeros(0)
_CODES = np.zeros(0, dtype=np.int64)
_TIMES = np.zeros(0, dtype="datetime64[us]")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one kind of predictions is judged."""

    zone: Callable[[Any], Rows[Any]]
    """The zone of a table."""
    nothing: Table
    """A table without rows."""
    questions: Questions
    """How each gate that makes sense is answered, by metric."""
    block_length: Callable[[Any, JudgeConfig], float]
    """Mean block of the bootstrap, in decision times."""
    trial_score: Callable[[Any, Any, JudgeConfig], float]
    """From zone and past to what one would choose models by, higher is better; NaN where it is undefined."""
    evidence: Callable[..., Evidence]
    """From ``(zone, past, config, bars_per_year=)`` to what the metrics and the report say."""
    learns: bool
    """Whether its peers learn from the training zone."""


KINDS: dict[type, Kind] = {
    Predictions: Kind(
        zone=Zone,
        nothing=Predictions((), _CODES, _TIMES, _NONE, _NONE, _NONE, threshold=1.0),
        questions=directions.QUESTIONS,
        block_length=directions.block_length,
        trial_score=directions.trial_score,
        evidence=direction_page.DirectionEvidence.of,
        learns=False,
    ),
    ClassPredictions: Kind(
        zone=ClassZone,
        nothing=ClassPredictions((), _CODES, _TIMES, (), np.zeros((0, 0)), _CODES, _CODES, horizon=1),
        questions=classes.QUESTIONS,
        block_length=classes.block_length,
        trial_score=classes.trial_score,
        evidence=class_page.ClassEvidence.of,
        learns=True,
    ),
    ScorePredictions: Kind(
        zone=ScoreZone,
        nothing=ScorePredictions((), _CODES, _TIMES, _NONE, _NONE, _NONE, _NONE, horizon=1),
        questions=scores.QUESTIONS,
        block_length=scores.block_length,
        trial_score=scores.trial_score,
        evidence=score_page.ScoreEvidence.of,
        learns=True,
    ),
    QuantilePredictions: Kind(
        zone=quantiles.QuantileZone,
        nothing=QuantilePredictions(
            (), _CODES, _TIMES, (quantiles.MEDIAN,), np.zeros((0, 1, 1)), np.zeros((0, 1)), _NONE
        ),
        questions=quantiles.QUESTIONS,
        block_length=quantiles.block_length,
        trial_score=quantiles.trial_score,
        evidence=quantile_page.QuantileEvidence.of,
        learns=True,
    ),
    AllocationPredictions: Kind(
        zone=AllocationZone,
        nothing=AllocationPredictions((), _CODES, _TIMES, _NONE, _NONE, _NONE, _NONE, _NONE),
        questions=allocations.QUESTIONS,
        block_length=allocations.block_length,
        trial_score=allocations.trial_score,
        evidence=allocation_page.AllocationEvidence.of,
        learns=False,
    ),
    PortfolioPredictions: Kind(
        zone=PortfolioZone,
        nothing=PortfolioPredictions((), _CODES, _TIMES, _NONE, _NONE, _NONE, _NONE, _NONE, hold_bars=1),
        questions=portfolios.QUESTIONS,
        block_length=portfolios.block_length,
        trial_score=portfolios.trial_score,
        evidence=portfolio_page.PortfolioEvidence.of,
        learns=False,
    ),
}


def kind_of(predictions: Table) -> Kind:
    """Return how the table is judged."""
    return KINDS[type(predictions)]


def kind_asked(gates: Iterable[GateConfig]) -> Kind:
    """Return the first kind that all gates make sense of, for a zone without predictions; else directions."""
    metrics = {gate.metric for gate in gates}
    return next((kind for kind in KINDS.values() if metrics <= kind.questions.keys()), KINDS[Predictions])
