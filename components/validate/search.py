"""A search as a whole: every trial on the newest days, and how much of the best one the number of tries explains.

Sources: as in ``components/trading/sharpe.py``, ``overfitting.py`` and ``superiority.py``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Final

import numpy as np

from components.core.errors import ArtifactError, PromotionRefusedError
from components.core.files import read_json
from components.core.span import Span
from components.core.trials import Trial, overlapping
from components.core.verdict import VERDICT, Verdict, read_verified
from components.core.workspace import Workspace
from components.trading.overfitting import cross_validate
from components.trading.sharpe import (
    deflated_benchmark,
    deflated_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    moments_of,
)
from components.validate.returns import RETURNS, Returns, read_returns

NUM_BLOCKS: Final = 10
ANNUAL_SHARPE: Final = 1.0
"""What the minimum backtest is asked about."""
_SEED = 0


@dataclass(frozen=True)
class Luck:
    """What the best of all trials with a score owes to their number; ratios are per year.

    They are None if no returns are left, which alone know how many bars a year has.
    """

    num_trials: int
    """Trials with a score."""
    best_sharpe: float | None
    expected_best_sharpe: float | None
    """Of the best of as many trials without any skill, whose ratios lie as far apart."""
    deflated_sharpe: float | None
    """Chance that the best's true ratio is above the expected one; None if its returns are gone."""
    minimum_track_record: float | None
    """Decision times until that chance is 95%, if the best goes on so; infinite if it is not above luck."""
    minimum_backtest_years: float
    """Below them, the best of so many without skill is expected to show a ratio of 1."""


@dataclass(frozen=True)
class Comparison:
    """What the returns of the trials, side by side, say of choosing the best."""

    num_times: int
    """Decision times that all of them share."""
    overfitting: float
    """Probability that what is best on half of the history is at or below the median on the other half."""
    superiority: float
    """Hansen's p-value: chance of so good a best if none earns more than cash."""


@dataclass(frozen=True)
class Tried:
    """One trial, and what is left of it."""

    trial: Trial
    verdict: Verdict | str | None
    """Why not, where it cannot be believed; None if it is gone, or on another bundle that the run judged since."""
    returns: Returns | str
    """Why not, where they are gone or were altered."""


@dataclass(frozen=True)
class Search:
    """The trials on days of the newest span."""

    span: Span
    tried: tuple[Tried, ...]
    """Best score first, those without one last."""
    luck: Luck | None
    """None of classes and scores, and of fewer than two trials with a score."""
    comparison: Comparison | None
    """None of fewer than two trials with returns, or too few common decision times."""

    @property
    def traded(self) -> bool:
        """Whether the trials are directions, whose score is a Sharpe ratio."""
        return any(item.trial.returns for item in self.tried)

    @property
    def compared(self) -> tuple[Returns, ...]:
        """Returns that are there and checked."""
        return tuple(item.returns for item in self.tried if isinstance(item.returns, Returns))


def search_of(workspace: Workspace, trials: Sequence[Trial]) -> Search:
    """Return the search that the trials of a ledger, at least one, are part of, on the days of the newest."""
    newest = max((trial.span for trial in trials), key=lambda span: (span.last, span.first))
    shared = sorted(overlapping(trials, newest), key=lambda trial: (trial.score is None, -(trial.score or 0.0)))
    tried = tuple(Tried(trial, _verdict(workspace, trial), _returns(workspace, trial)) for trial in shared)
    found = Search(newest, tried, luck=None, comparison=None)
    return replace(found, luck=_luck(tried), comparison=_compare(found.compared)) if found.traded else found


def _returns(workspace: Workspace, trial: Trial) -> Returns | str:
    if trial.returns is None:
        return "none were kept: it said nothing that can be traded, or an older version judged"
    try:
        return read_returns(workspace.run(trial.run_key) / RETURNS, trial.returns)
    except ArtifactError as error:
        return str(error)


def _verdict(workspace: Workspace, trial: Trial) -> Verdict | str | None:
    facts = workspace.run(trial.run_key) / "validate.json"
    if not facts.exists():
        return None
    try:
        path = Path(read_json(facts)["folder"]) / VERDICT
        verdict = read_verified(path, workspace.verify_key) if path.exists() else None
    except (ArtifactError, PromotionRefusedError) as error:
        return str(error)
    return verdict if verdict and verdict.bundle_digest == trial.bundle else None


def _luck(tried: Sequence[Tried]) -> Luck | None:
    """Return what luck explains; as the judge does, of the trials that have a score."""
    scores = np.array([item.trial.score for item in tried if item.trial.score is not None])
    if scores.size < 2:  # noqa: PLR2004 - nothing was chosen
        return None
    best, variance, num_trials = tried[0], float(scores.var(ddof=1)), scores.size
    luck = deflated_benchmark(num_trials, variance)
    root = next((math.sqrt(item.returns.bars_per_year) for item in tried if isinstance(item.returns, Returns)), None)
    chance = track = None
    if isinstance(best.returns, Returns):
        moments = moments_of(best.returns.net)
        chance = deflated_sharpe(moments, num_trials=num_trials, trial_variance=variance, form="2014")
        track = minimum_track_record(moments, form="2014", benchmark=luck)
    return Luck(
        num_trials=num_trials,
        best_sharpe=float(scores[0]) * root if root else None,
        expected_best_sharpe=luck * root if root else None,
        deflated_sharpe=chance,
        minimum_track_record=track,
        minimum_backtest_years=minimum_backtest_years(num_trials, annual_sharpe=ANNUAL_SHARPE),
    )


def _compare(kept: Sequence[Returns]) -> Comparison | None:
    if len(kept) < 2:  # noqa: PLR2004 - one has no rank
        return None
    common = reduce(np.intersect1d, (item.timestamp for item in kept))
    if common.size < 2 * NUM_BLOCKS:
        return None
    from components.trading.superiority import superior_ability  # noqa: PLC0415 - arch takes seconds

    net = np.stack([item.net[np.isin(item.timestamp, common)] for item in kept], axis=1)
    return Comparison(
        num_times=common.size,
        overfitting=cross_validate(net, num_configs=len(kept), num_blocks=NUM_BLOCKS).probability,
        superiority=superior_ability(-net, np.zeros(common.size), seed=_SEED).consistent,
    )
