"""The test zone as the judge sees it: rows grouped by decision time, checked before anything is computed."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from components.core.judge import JudgeConfig
from components.market.predictions import (
    AllocationPredictions,
    ClassPredictions,
    PortfolioPredictions,
    Predictions,
    QuantilePredictions,
    ScorePredictions,
)
from components.trading.statistics import Array

Index = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Table = TypeVar("Table", Predictions, ClassPredictions, ScorePredictions, QuantilePredictions, AllocationPredictions)

_SUM_TOLERANCE = 1e-6  # float32 probabilities sum to 1 within this


@dataclass(frozen=True)
class Rows(ABC, Generic[Table]):
    """Predictions of any kind, with the place of each row among the distinct decision times."""

    predictions: Table

    @cached_property
    def times(self) -> npt.NDArray[np.datetime64]:
        """Distinct decision times, ascending."""
        return np.unique(self.predictions.timestamp)

    @cached_property
    def time(self) -> Index:
        """Of each row, its place in ``times``."""
        return np.searchsorted(self.times, self.predictions.timestamp)

    @property
    def num_rows(self) -> int:
        """Rows: one per symbol and decision time."""
        return self.predictions.symbol.size

    @property
    def num_times(self) -> int:
        """Distinct decision times."""
        return self.times.size

    def per_time(self, rows: npt.ArrayLike) -> Array:
        """Return the sums over the rows of each decision time."""
        return np.bincount(self.time, np.asarray(rows, dtype=np.float64), self.num_times).astype(np.float64)

    @cached_property
    def rows_per_time(self) -> Array:
        """Rows of each decision time."""
        return self.per_time(np.ones(self.num_rows))

    @abstractmethod
    def defects(self) -> Iterable[tuple[npt.ArrayLike, str]]:
        """Return each way in which rows can be unusable, after the flags of the rows that are."""

    def defect(self) -> str:
        """Return what makes the predictions unusable, in words; empty if nothing does."""
        return "; ".join(f"{np.count_nonzero(rows)} {words}" for rows, words in self.defects() if np.any(rows))

    def lack(self, config: JudgeConfig) -> str:
        """Return what the zone has too little of to judge anything, in a sentence; empty if nothing."""
        return self.lack_of_times(config)

    def lack_of_times(self, config: JudgeConfig) -> str:
        """Return how many decision times there are, in a sentence, if there are too few; else nothing."""
        if self.num_times >= config.min_timestamps:
            return ""
        return (
            f"The zone has {self.num_times} decision times ({self.num_rows} rows); "
            f"at least {config.min_timestamps} times are needed."
        )

    @property
    def bars_per_decision(self) -> int:
        """Bars from one decision time to the next."""
        return 1

    @property
    def question(self) -> object:
        """What the labels answer, where a table says it."""
        return None

    def same_labels(self, other: Self) -> bool:
        """Return whether both zones, row by row the same, were asked the same question and got the same answers."""
        same = np.array_equal(self.predictions.label, other.predictions.label)
        return same and self.question == other.question

    def rows(self, places: Index) -> Self:
        """Return the zone of these rows only, in their order."""
        table = self.predictions
        columns: dict[str, Any] = {item.name: getattr(table, item.name) for item in fields(table)}
        cut: dict[str, Any] = {key: rows[places] for key, rows in columns.items() if isinstance(rows, np.ndarray)}
        return type(self)(replace(table, **cut))

    def in_common(self, other: Self) -> tuple[Self, Self]:
        """Return both zones cut to the symbols and times that both hold, row by row the same."""
        keys, others = self._keys(), other._keys()
        shared = sorted(keys.keys() & others.keys())
        mine, theirs = ([table[key] for key in shared] for table in (keys, others))
        return self.rows(np.array(mine, dtype=np.intp)), other.rows(np.array(theirs, dtype=np.intp))

    def _keys(self) -> dict[tuple[int, str], int]:
        table = self.predictions
        stamps = table.timestamp.astype("datetime64[us]").astype(np.int64)
        pairs = zip(stamps, table.symbol, strict=True)
        return {(int(stamp), table.symbols[int(code)]): place for place, (stamp, code) in enumerate(pairs)}


@dataclass(frozen=True)
class Zone(Rows[Predictions]):
    """Directions of the next bar."""

    @cached_property
    def signal(self) -> Flags:
        """Of each row, whether the model says to go long."""
        return self.predictions.probability >= self.predictions.threshold

    @property
    def num_signals(self) -> int:
        """Rows on which the model says to go long."""
        return int(np.count_nonzero(self.signal))

    def defects(self) -> Iterable[tuple[npt.ArrayLike, str]]:
        """Return what ``Rows.defects`` does."""
        table = self.predictions
        labelled = (table.label == 0) | (table.label == 1)
        yield ~_is_share(table.probability), "probabilities are not numbers in [0, 1]"
        yield ~labelled, "labels are neither 0 nor 1"
        yield _impossible(table.forward_return), "forward returns are infinite or lose more than everything"
        yield not math.isfinite(table.threshold), "threshold is not a finite number"


@dataclass(frozen=True)
class ClassZone(Rows[ClassPredictions]):
    """Which class comes."""

    @property
    def num_classes(self) -> int:
        """Classes that there are, come or not."""
        return len(self.predictions.classes)

    @cached_property
    def said(self) -> Index:
        """Of each row, the code of the likeliest class; of equals the first."""
        return self.predictions.probability.argmax(axis=1)

    @cached_property
    def num_came(self) -> npt.NDArray[np.intp]:
        """Of each class, the rows on which it came."""
        return np.bincount(self.predictions.label, minlength=self.num_classes)

    @property
    def question(self) -> object:
        """Names by code, and how far ahead."""
        return self.predictions.classes, self.predictions.horizon

    def defects(self) -> Iterable[tuple[npt.ArrayLike, str]]:
        """Return what ``Rows.defects`` does."""
        table = self.predictions
        if table.probability.shape != (self.num_rows, self.num_classes):
            yield np.ones(max(self.num_rows, 1)), f"rows have not {self.num_classes} probabilities each"
            return
        sums = np.abs(table.probability.sum(axis=1) - 1) <= _SUM_TOLERANCE
        yield ~_is_share(table.probability), "probabilities are not numbers in [0, 1]"
        yield ~sums, "rows of probabilities do not sum to 1"
        for name, codes in (("that came", table.label), ("now", table.now)):
            yield (codes < 0) | (codes >= self.num_classes), f"classes {name} are no code of a class"
        yield table.horizon < 1, "horizon is not at least 1 bar"

    def lack(self, config: JudgeConfig) -> str:
        """Return what ``Rows.lack`` does, or which classes came on too few rows."""
        came = zip(self.predictions.classes, self.num_came, strict=True)
        rare = [f"{name} on {count:,}" for name, count in came if count < config.min_rows_per_class]
        few = (
            f"Too few rows of a class: {', '.join(rare)} of {self.num_rows:,}; "
            f"at least {config.min_rows_per_class} of each are needed."
        )
        return super().lack(config) or (few if rare else "")


@dataclass(frozen=True)
class ScoreZone(Rows[ScorePredictions]):
    """How high a score comes."""

    @property
    def question(self) -> object:
        """How far ahead."""
        return self.predictions.horizon

    def defects(self) -> Iterable[tuple[npt.ArrayLike, str]]:
        """Return what ``Rows.defects`` does."""
        table = self.predictions
        for name, scores in (("said", table.score), ("that came", table.label), ("now", table.now)):
            yield ~_is_share(scores), f"scores {name} are not numbers in [0, 1]"
        errors = np.isfinite(table.error) & (table.error >= 0)
        yield ~errors, "reconstruction errors are not numbers from 0 on"
        yield table.horizon < 1, "horizon is not at least 1 bar"


@dataclass(frozen=True)
class AllocationZone(Rows[AllocationPredictions]):
    """How much of each symbol is held."""

    def defects(self) -> Iterable[tuple[npt.ArrayLike, str]]:
        """Return what ``Rows.defects`` does."""
        table = self.predictions
        yield ~_is_share(np.abs(table.score)), "scores are not numbers in [-1, 1]"
        yield ~np.isfinite(table.weight), "weights are not finite numbers"
        sizes = self.per_time(np.nan_to_num(np.abs(table.weight)))
        yield sizes > 1 + _SUM_TOLERANCE, "decision times hold more than the capital"
        for name, returns in (("expected", table.expected_return), ("that came", table.label)):
            yield ~np.isfinite(returns), f"returns {name} are not finite numbers"
        yield _impossible(table.forward_return), "forward returns are infinite or lose more than everything"


@dataclass(frozen=True)
class PortfolioZone(AllocationZone):
    """How the capital is split between some symbols."""

    predictions: PortfolioPredictions

    @property
    def bars_per_decision(self) -> int:
        """Bars that one split holds for."""
        return self.predictions.hold_bars

    @property
    def question(self) -> object:
        """How long a split holds for."""
        return self.predictions.hold_bars

    def defects(self) -> Iterable[tuple[npt.ArrayLike, str]]:
        """Return what ``Rows.defects`` does."""
        yield from super().defects()
        yield self.predictions.hold_bars < 1, "horizon is not at least 1 bar"


def _impossible(returns: Array) -> Flags:
    return np.isinf(returns) | (returns <= -1)


def _is_share(numbers: Array) -> Flags:
    return (numbers >= 0) & (numbers <= 1)  # a NaN is not inside
